"""Particles of a micrograph, by a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.science.hrtem.inference import DIHEDRAL, Predict, relative_entropy, uncertain_probabilities
from nanodefect_assets.science.hrtem.params import NetworkParams, SegmentationParams, TilingParams
from nanodefect_assets.science.imaging.instances import separate_particles
from nanodefect_assets.science.imaging.masks import drop_specks, fill_holes
from nanodefect_assets.science.imaging.normalise import normalise, resample, scale_factor
from nanodefect_assets.science.imaging.params import InstanceParams

_Image = Float[np.ndarray, "row col"]


@dataclass(frozen=True, kw_only=True)
class NetworkSegmentation:
    """What a network found in one micrograph.

    Attributes
    ----------
    labels : ndarray of shape (row, col)
        0 for support, else the number of the particle, from 1.
    p_particle : ndarray of shape (row, col)
        Probability that a pixel is no support, on the micrograph's own grid.
    spread : ndarray of shape (row, col)
        Standard deviation of that probability over the turns of the image; 0 where it was seen once.
    mean_entropy : float
        Mean over the pixels of the entropy of their class probabilities, over its largest value.
    """

    labels: Int[np.ndarray, "row col"]
    p_particle: _Image
    spread: _Image
    mean_entropy: float


def prepare_image(micrograph: Micrograph, recipe: Recipe) -> _Image:
    """Return a micrograph's counts as a model was shown those of its training: scaled in pixels, then in counts."""
    return normalise(resample(micrograph.counts, scale_factor(micrograph.pixel_size_nm, recipe)), recipe)


def segment_by_network(
    image: _Image,
    shape: tuple[int, int],
    predicts: Sequence[Predict],
    params: NetworkParams,
    segmentation: SegmentationParams,
    *,
    pixel_size_nm: float | None,
) -> NetworkSegmentation:
    """Label the particles of a micrograph by the classes that a network gives its pixels.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        From `prepare_image`.
    shape : (int, int)
        Rows and columns of the micrograph itself, to whose grid everything is brought back.
    predicts : sequence of callable
        The network, or repeats of it.
    params : NetworkParams
        Tiles, turns, and how touching particles are parted.
    segmentation : SegmentationParams
        Which holes are filled, and how small a particle may be.
    pixel_size_nm : float or None
        Edge of a pixel of the micrograph, in nanometres.
    """
    tiling = TilingParams.model_validate({name: getattr(params, name) for name in TilingParams.model_fields})
    parting = InstanceParams.model_validate({name: getattr(params, name) for name in InstanceParams.model_fields})
    found = uncertain_probabilities(image, predicts, tiling, transforms=DIHEDRAL[: params.n_transforms])
    p_particle, spread = (_on_grid(values, shape) for values in (1 - found.mean[0], found.standard_deviation[0]))
    mask = fill_holes(p_particle > parting.threshold, segmentation.max_hole_fraction)
    parted = separate_particles(_filled(p_particle, mask, parting.threshold), parting, pixel_size_nm=pixel_size_nm)
    smallest_px = segmentation.smallest_diameter_px(pixel_size_nm)
    return NetworkSegmentation(
        labels=drop_specks(parted, np.pi / 4 * smallest_px**2),
        p_particle=p_particle,
        spread=spread,
        mean_entropy=float(relative_entropy(found.mean).mean()),
    )


def _on_grid(values: _Image, shape: tuple[int, int]) -> _Image:
    if values.shape == shape:
        return values
    from skimage.transform import resize

    return resize(values, shape, order=1, anti_aliasing=values.shape[0] > shape[0], preserve_range=True)


def _filled(p_particle: _Image, mask: np.ndarray, threshold: float) -> _Image:
    """Return the probability with filled holes just above the threshold."""
    return np.where(mask, np.maximum(p_particle, np.nextafter(np.float32(threshold), np.float32(1))), p_particle)
