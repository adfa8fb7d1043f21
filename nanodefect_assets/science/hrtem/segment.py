"""Particles of a micrograph, by Otsu's threshold."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.params import SegmentationParams
from nanodefect_assets.science.imaging.masks import drop_specks, fill_holes, label_mask, open_mask
from nanodefect_assets.science.imaging.otsu import otsu_threshold
from nanodefect_assets.science.imaging.texture import local_standard_deviation

_Image = Float[np.ndarray, "row col"]

Method = Literal["otsu_intensity", "otsu_local_std"]
Polarity = Literal["bright", "dark"]


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The particles found in one micrograph, and how.

    Attributes
    ----------
    labels : ndarray of shape (row, col)
        0 for support, else the number of the particle, from 1.
    threshold : float
        In the unit of the thresholded quantity; both quantities are in counts.
    polarity : str
        ``bright`` if particles have more of that quantity than their support, else ``dark``.
    method : str
        ``otsu_intensity`` or ``otsu_local_std``.
    """

    labels: Int[np.ndarray, "row col"]
    threshold: float
    polarity: Polarity
    method: Method

    @property
    def n_particles(self) -> int:
        """Particles found."""
        return int(self.labels.max())

    @property
    def covered_fraction(self) -> float:
        """Share of the micrograph that particles cover."""
        return np.count_nonzero(self.labels) / self.labels.size


def segment_particles(micrograph: Micrograph, params: SegmentationParams) -> Segmentation:
    """Label the particles that stand out of their support by intensity or by texture.

    Raises
    ------
    Refusal
        If the micrograph is blank or holds pixels that are not numbers.

    Notes
    -----
    In phase contrast a crystalline particle differs from an amorphous support by its fringes, not by its mean: hence
    the local standard deviation for ``hrtem``; its window widens particles by a fraction of itself. Touching particles
    are one particle. Otsu's threshold parts any image, an empty support also.
    """
    _refuse_if_blank(micrograph)
    method = _method_for(micrograph, params)
    quantity = _thresholded_quantity(micrograph, method, params)
    polarity = _polarity_for(quantity, method, params)
    sign = 1 if polarity == "bright" else -1
    threshold = sign * otsu_threshold(sign * quantity, params.n_classes)
    mask = sign * quantity > sign * threshold
    mask = fill_holes(open_mask(mask, params.opening_radius_px), params.max_hole_fraction)
    labels = drop_specks(label_mask(mask), _min_area_px(micrograph, params))
    return Segmentation(labels=labels, threshold=threshold, polarity=polarity, method=method)


def choose_polarity(is_above: Bool[np.ndarray, "row col"]) -> Polarity:
    """Tell whether particles are above the threshold (``bright``) or below it (``dark``).

    Parameters
    ----------
    is_above : ndarray of shape (row, col)
        Pixels above the threshold.

    Notes
    -----
    Support runs around the frame, so particles are the phase that covers less of the outermost pixels; on a tie, the
    one that covers less of the image; on a tie again, the bright one. Wrong where particles cover more than half of
    the border: state the polarity there.
    """
    border = np.concatenate((is_above[0], is_above[-1], is_above[1:-1, 0], is_above[1:-1, -1]))
    excess = 2 * np.count_nonzero(border) - border.size or 2 * np.count_nonzero(is_above) - is_above.size
    return "dark" if excess > 0 else "bright"


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


def _method_for(micrograph: Micrograph, params: SegmentationParams) -> Method:
    if params.method != "auto":
        return params.method
    return "otsu_local_std" if micrograph.modality == "hrtem" else "otsu_intensity"


def _polarity_for(quantity: _Image, method: Method, params: SegmentationParams) -> Polarity:
    if params.polarity != "auto":
        return params.polarity
    return "bright" if method == "otsu_local_std" else choose_polarity(quantity > otsu_threshold(quantity))


def _thresholded_quantity(micrograph: Micrograph, method: Method, params: SegmentationParams) -> _Image:
    if method == "otsu_local_std":
        return local_standard_deviation(micrograph.counts, _window_px(micrograph, params))
    counts = micrograph.counts.astype(np.float32, copy=False)
    return gaussian_filter(counts, params.smoothing_px, truncate=3.0) if params.smoothing_px > 0 else counts


def _window_px(micrograph: Micrograph, params: SegmentationParams) -> int:
    """Return the edge of the window in pixels, odd and at least 3."""
    if micrograph.pixel_size_nm is None or params.window_nm is None:
        return params.window_px | 1
    return max(3, round(params.window_nm / micrograph.pixel_size_nm) | 1)


def _min_area_px(micrograph: Micrograph, params: SegmentationParams) -> float:
    min_diameter_px = params.min_diameter_px
    if micrograph.pixel_size_nm is not None:
        min_diameter_px = max(min_diameter_px, params.min_diameter_nm / micrograph.pixel_size_nm)
    return np.pi / 4 * min_diameter_px**2
