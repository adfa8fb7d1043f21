"""Hot and dead pixels out of a micrograph."""

import numpy as np
from jaxtyping import Bool, Float, Num

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.median import median_3x3
from nanodefect_assets.science.imaging.params import DespikeParams

_Image = Float[np.ndarray, "row col"]
_Mask = Bool[np.ndarray, "row col"]

_NEIGHBOURHOOD = [(row, col) for row in (-1, 0, 1) for col in (-1, 0, 1)]


def remove_spikes(counts: Num[np.ndarray, "row col"], params: DespikeParams) -> tuple[_Image, int]:
    """Replace pixels that stand out of their neighbourhood, or hold no number, by their 3 x 3 median.

    Parameters
    ----------
    counts : ndarray of shape (row, col)
        Detected intensity.
    params : DespikeParams
        What stands out.

    Returns
    -------
    counts : ndarray of shape (row, col)
        float32, every pixel a number.
    n_replaced : int
        Pixels replaced.

    Raises
    ------
    Refusal
        If too many pixels are not a number or infinite.

    Notes
    -----
    The standard deviation is that of the differences from the median, spikes included, as in the thesis's code. Hence
    where spikes of one height fill more than 1 / n^2 of the frame (4 % at five standard deviations) they hide
    themselves, and one of extreme height hides fainter ones.
    """
    image = counts.astype(np.float32)
    invalid = ~np.isfinite(image)
    if invalid.any():
        _refuse_if_mostly_invalid(invalid, params.max_invalid_fraction)
        image = _fill_invalid(image, invalid)
    median = median_3x3(image)
    difference = image - median
    limit = params.n_standard_deviations * difference.std(where=~invalid, dtype=np.float64)
    spikes = np.abs(difference) > limit
    np.copyto(image, median, where=spikes)
    return image, int(np.count_nonzero(spikes | invalid))


def _refuse_if_mostly_invalid(invalid: _Mask, max_fraction: float) -> None:
    fraction = np.count_nonzero(invalid) / invalid.size
    if fraction > max_fraction:
        raise Refusal(
            "invalid_pixels",
            expected=f"a micrograph with at most {max_fraction:.0%} of its pixels infinite or not a number",
            got=f"{fraction:.1%}",
            advice="Export the micrograph again, or crop the part that the detector did not record.",
        )


def _fill_invalid(image: _Image, invalid: _Mask) -> _Image:
    """Give invalid pixels the median of their valid neighbours, from the rim of each hole inwards."""
    filled = np.where(invalid, np.float32(np.nan), image)
    rows, cols = np.nonzero(invalid)
    while rows.size:
        padded = np.pad(filled, 1, constant_values=np.nan)
        windows = np.stack([padded[1 + row + rows, 1 + col + cols] for row, col in _NEIGHBOURHOOD])
        can_fill = np.isfinite(windows).any(axis=0)
        filled[rows[can_fill], cols[can_fill]] = np.nanmedian(windows[:, can_fill], axis=0)
        rows, cols = rows[~can_fill], cols[~can_fill]
    return filled
