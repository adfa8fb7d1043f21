"""Particles of a micrograph, by a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.science.hrtem.gate import GateReference, describe_micrograph, judge_micrograph
from nanodefect_assets.science.hrtem.inference import DIHEDRAL, Predict, uncertain_probabilities
from nanodefect_assets.science.hrtem.params import NetworkParams, SegmentationParams, TilingParams
from nanodefect_assets.science.imaging.instances import separate_particles
from nanodefect_assets.science.imaging.masks import drop_specks, label_filled
from nanodefect_assets.science.imaging.normalise import normalise, resample, scale_factor
from nanodefect_assets.science.imaging.params import InstanceParams

_Image = Float[np.ndarray, "row col"]

_SHRINKS = tuple(2.0 ** (-step / 2) for step in range(5))
_LEAST_EDGE_PX = 128


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


def prepare_image(micrograph: Micrograph, recipe: Recipe, *, factor: float = 1.0) -> _Image:
    """Return a micrograph's counts as a model was shown those of its training: scaled in pixels, then in counts.

    Parameters
    ----------
    micrograph : Micrograph
        The image.
    recipe : Recipe
        How the model's training images were normalised.
    factor : float
        By how much it is enlarged beyond that, for a scale that the model knows.
    """
    known = scale_factor(micrograph.pixel_size_nm, recipe)
    return normalise(resample(micrograph.counts, known * factor), recipe)


def known_scale(
    micrograph: Micrograph,
    recipe: Recipe,
    pixel_size_range_nm: tuple[float, float] | None,
    reference: GateReference | None,
) -> float:
    """Return the factor by which a micrograph is enlarged, so that its fringes have a width that a model knows.

    Parameters
    ----------
    micrograph : Micrograph
        The image.
    recipe : Recipe
        How the model's training images were normalised.
    pixel_size_range_nm : (float, float) or None
        Pixel sizes of the training.
    reference : GateReference or None
        Statistics of the training micrographs.

    Notes
    -----
    Pixels finer than those of the training are binned to the finest of these. Where the pixel size is not known, the
    micrograph is shrunk by the factor at which its spectrum and grey levels lie nearest to the training: an image
    sampled more finely than its resolution says no less when it is shrunk. It is never enlarged, which would invent.
    """
    size_nm = micrograph.pixel_size_nm
    if size_nm is not None:
        is_finer = pixel_size_range_nm is not None and size_nm < pixel_size_range_nm[0]
        return size_nm / pixel_size_range_nm[0] if is_finer and pixel_size_range_nm is not None else 1.0
    fitting = [factor for factor in _SHRINKS if factor * min(micrograph.counts.shape) >= _LEAST_EDGE_PX]
    if reference is None or len(fitting) < 2:
        return 1.0
    vectors = [describe_micrograph(prepare_image(micrograph, recipe, factor=factor)) for factor in fitting]
    distances = [judge_micrograph(vector, reference, false_alarm=0.5).distance for vector in vectors]
    return fitting[int(np.argmin(distances))]


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
    parts = label_filled(p_particle > parting.threshold, segmentation.max_hole_fraction)
    parted = separate_particles(p_particle, parting, pixel_size_nm=pixel_size_nm, parts=parts)
    smallest_px = segmentation.smallest_diameter_px(pixel_size_nm)
    return NetworkSegmentation(
        labels=drop_specks(parted, np.pi / 4 * smallest_px**2),
        p_particle=p_particle,
        spread=spread,
        mean_entropy=float(found.entropy.mean()),
    )


def _on_grid(values: _Image, shape: tuple[int, int]) -> _Image:
    if values.shape == shape:
        return values
    from skimage.transform import resize

    return resize(values, shape, order=1, anti_aliasing=values.shape[0] > shape[0], preserve_range=True)
