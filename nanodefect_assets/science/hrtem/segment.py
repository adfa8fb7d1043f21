"""Particles of a micrograph, by Otsu's threshold or by their lattice."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fourier import filter_annulus, find_fringes
from nanodefect_assets.science.hrtem.params import ClassicalMethod, SegmentationParams
from nanodefect_assets.science.imaging.masks import drop_specks, fill_holes, label_mask, open_mask
from nanodefect_assets.science.imaging.otsu import otsu_threshold
from nanodefect_assets.science.imaging.texture import local_standard_deviation

_Image = Float[np.ndarray, "row col"]
_Mask = Bool[np.ndarray, "row col"]

Polarity = Literal["bright", "dark"]


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The particles found in one micrograph, and how.

    Attributes
    ----------
    labels : ndarray of shape (row, col)
        0 for support, else the number of the particle, from 1.
    threshold : float
        In the unit of the thresholded quantity: counts, and for ``fourier`` energy over that of the support.
    polarity : str
        ``bright`` if particles have more of that quantity than their support, else ``dark``.
    method : str
        ``otsu_intensity``, ``otsu_local_std``, ``fourier`` or ``fourier_annulus``.
    """

    labels: Int[np.ndarray, "row col"]
    threshold: float
    polarity: Polarity
    method: ClassicalMethod

    @property
    def n_particles(self) -> int:
        """Particles found."""
        return int(self.labels.max())

    @property
    def covered_fraction(self) -> float:
        """Share of the micrograph that particles cover."""
        return np.count_nonzero(self.labels) / self.labels.size


def segment_particles(
    micrograph: Micrograph, params: SegmentationParams, *, material: str | None = None
) -> Segmentation:
    """Label the particles that stand out of their support by intensity, by texture or by their lattice.

    Parameters
    ----------
    micrograph : Micrograph
        The image.
    params : SegmentationParams
        Free parameters.
    material : str or None
        What the particles are made of; only the method ``fourier`` asks for it, and does without.

    Raises
    ------
    Refusal
        If the micrograph is blank or holds pixels that are not numbers, or if its pixels are too coarse for the
        lattice by which particles are to be found.

    Notes
    -----
    In phase contrast a crystalline particle differs from an amorphous support by its fringes, not by its mean: hence
    the local standard deviation for ``hrtem``; its window widens particles by a fraction of itself. Touching particles
    are one particle. Otsu's threshold parts any image, an empty support also.
    """
    _refuse_if_blank(micrograph)
    method = _method_for(micrograph, params)
    polarity, threshold, mask = _particle_pixels(micrograph, method, params, material)
    mask = fill_holes(open_mask(mask, params.opening_radius_px), params.max_hole_fraction)
    min_diameter_px = params.smallest_diameter_px(micrograph.pixel_size_nm)
    labels = drop_specks(label_mask(mask), np.pi / 4 * min_diameter_px**2)
    return Segmentation(labels=labels, threshold=threshold, polarity=polarity, method=method)


def choose_polarity(is_brightest: _Mask, is_darkest: _Mask) -> Polarity:
    """Tell whether particles are the brightest class of pixels (``bright``) or the darkest (``dark``).

    Parameters
    ----------
    is_brightest, is_darkest : ndarray of shape (row, col)
        Pixels of the two outermost classes; with two classes each is what the other leaves.

    Notes
    -----
    What runs around the frame is support or vacuum: the class that covers more than half of the outermost pixels is
    not the particles. Where neither class does, because support between the two runs around the frame or the border is
    parted in halves, particles are the class that covers less of the image; on a tie, the bright one. Wrong where
    particles cover more than half of the border, or more of the image than holes in a support: state the polarity
    there.
    """
    if _covers_border(is_brightest):
        return "dark"
    if _covers_border(is_darkest):
        return "bright"
    return "dark" if np.count_nonzero(is_brightest) > np.count_nonzero(is_darkest) else "bright"


def _covers_border(mask: _Mask) -> bool:
    border = np.concatenate((mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]))
    return bool(2 * np.count_nonzero(border) > border.size)


def _refuse_if_blank(micrograph: Micrograph) -> None:
    low, high = float(micrograph.counts.min()), float(micrograph.counts.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise Refusal(
            "invalid_pixels",
            expected="a micrograph of finite intensities",
            got=f"intensities from {low} to {high}",
            advice="Remove spikes first; that also fills pixels without a number.",
        )
    if low == high:
        raise Refusal(
            "blank_micrograph",
            expected="a micrograph with contrast",
            got=f"{low:g} counts in every pixel",
            advice="The beam was blanked or the export failed; export the micrograph again.",
        )


def _method_for(micrograph: Micrograph, params: SegmentationParams) -> ClassicalMethod:
    if params.method != "auto":
        return params.method
    return "otsu_local_std" if micrograph.modality == "hrtem" else "otsu_intensity"


def _particle_pixels(
    micrograph: Micrograph, method: ClassicalMethod, params: SegmentationParams, material: str | None
) -> tuple[Polarity, float, _Mask]:
    """Return the polarity of particles, the threshold and the pixels beyond it."""
    if method == "fourier":
        fringes = find_fringes(micrograph, params, material=material)
        return "bright", fringes.threshold, fringes.mask
    return _particle_class(_thresholded_quantity(micrograph, method, params), method, params)


def _particle_class(
    quantity: _Image, method: ClassicalMethod, params: SegmentationParams
) -> tuple[Polarity, float, _Mask]:
    """Return the polarity of particles, the threshold of their class and its pixels."""
    if params.polarity != "auto":
        return params.polarity, *_outermost_class(quantity, params.polarity, params)
    bright = _outermost_class(quantity, "bright", params)
    if method == "otsu_local_std":
        return "bright", *bright
    dark = _outermost_class(quantity, "dark", params)
    return ("bright", *bright) if choose_polarity(bright[1], dark[1]) == "bright" else ("dark", *dark)


def _outermost_class(quantity: _Image, polarity: Polarity, params: SegmentationParams) -> tuple[float, _Mask]:
    """Return the threshold of the brightest or darkest class, and its pixels."""
    sign = 1 if polarity == "bright" else -1
    threshold = sign * otsu_threshold(sign * quantity, params.n_classes)
    return threshold, sign * quantity > sign * threshold


def _thresholded_quantity(micrograph: Micrograph, method: ClassicalMethod, params: SegmentationParams) -> _Image:
    if method == "otsu_local_std":
        return local_standard_deviation(micrograph.counts, _window_px(micrograph, params))
    if method == "fourier_annulus":
        return filter_annulus(micrograph.counts, params)
    counts = micrograph.counts.astype(np.float32, copy=False)
    return gaussian_filter(counts, params.smoothing_px, truncate=3.0) if params.smoothing_px > 0 else counts


def _window_px(micrograph: Micrograph, params: SegmentationParams) -> int:
    """Return the edge of the window in pixels, odd and at least 3."""
    if micrograph.pixel_size_nm is None or params.window_nm is None:
        return params.window_px | 1
    return max(3, round(params.window_nm / micrograph.pixel_size_nm) | 1)
