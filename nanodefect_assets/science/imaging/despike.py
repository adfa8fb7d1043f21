"""Hot and dead pixels out of a micrograph."""

import numpy as np
from jaxtyping import Bool, Float, Num

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.median import median_3x3, row_blocks
from nanodefect_assets.science.imaging.params import DespikeParams

_Counts = Num[np.ndarray, "row col"]
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
    native = counts.dtype.newbyteorder("=")
    is_short = native.kind in "iu" and native.itemsize <= 2  # float32 holds them exactly, and they are cheaper
    image = counts.astype(native, copy=False) if is_short else _as_float32(counts)
    invalid = None if is_short else _find_invalid(image, params.max_invalid_fraction)
    if invalid is not None:
        image = _fill_invalid(image, invalid)
    median = median_3x3(image)
    distance = _distance(image, median)
    limit = params.n_standard_deviations * _standard_deviation(image, median, invalid)
    spikes = distance > (int(limit) if is_short else limit)
    result = image.astype(np.float32)
    np.copyto(result, median, where=spikes)
    return result, int(np.count_nonzero(spikes if invalid is None else spikes | invalid))


def invalid_share(counts: Num[np.ndarray, "row col"]) -> float:
    """Return the share of pixels that hold no number, or one too large for float32: what is put there is a guess."""
    if counts.dtype.kind != "f":
        return 0.0
    return 1 - np.count_nonzero(np.isfinite(_as_float32(counts))) / counts.size


def _as_float32(counts: _Counts) -> _Image:
    """Return the counts as float32; what is too large for it becomes infinite, and holds no number then."""
    with np.errstate(over="ignore"):
        return counts.astype(np.float32, copy=False)


def _find_invalid(image: _Image, max_fraction: float) -> _Mask | None:
    """Return the pixels that hold no finite number; None if there are none."""
    if np.isfinite(image.min()) and np.isfinite(image.max()):
        return None
    invalid = ~np.isfinite(image)
    _refuse_if_mostly_invalid(invalid, max_fraction)
    return invalid


def _distance(image: _Counts, median: _Counts) -> _Counts:
    """Return the absolute difference; of integers unsigned, so that none overflows."""
    larger = np.maximum(image, median)
    distance = np.subtract(larger, np.minimum(image, median), out=larger)
    return distance.view(f"u{image.itemsize}") if image.dtype.kind == "i" else distance


def _standard_deviation(image: _Counts, median: _Counts, invalid: _Mask | None) -> float:
    """Return the standard deviation of the difference of the pixels that came with a number."""
    total = total_square = 0.0
    for rows in row_blocks(image):
        difference = np.subtract(image[rows], median[rows], dtype=np.float64).ravel()
        if invalid is not None:
            difference[invalid[rows].ravel()] = 0
        total += difference.sum()
        # not `dot`: BLAS starts its own threads here, which wait for one another on a machine that is busy
        total_square += float(np.einsum("n,n->", difference, difference))
    n_valid = image.size - (0 if invalid is None else np.count_nonzero(invalid))
    return float(np.sqrt(max(total_square / n_valid - (total / n_valid) ** 2, 0)))


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
