"""Median of the 3 x 3 neighbourhood, by a sorting network."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Num

_Image = Num[np.ndarray, "row col"]

_BLOCK_BYTES = 1 << 17
"""Size of the rows worked on at a time, so that the arrays of an expression stay in the processor's cache."""


def median_3x3(image: _Image) -> _Image:
    """Return the median of each pixel and its eight neighbours.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Any unit; every pixel a number. The fewer bytes a pixel has, the faster.

    Returns
    -------
    ndarray of shape (row, col)
        Same type as `image`. Beyond the frame the nearest pixel is repeated.

    Notes
    -----
    Exact. The three pixels of each column are sorted once and shared by three windows; the median of nine is then the
    median of the largest minimum, the median of the medians and the smallest maximum [1]_.

    References
    ----------
    .. [1] A. W. Paeth, Median finding on a 3 x 3 grid, Graphics Gems, 171 (1990).
    """
    padded = np.pad(image, 1, mode="edge")
    result = np.empty_like(image)
    for rows in row_blocks(image):
        result[rows] = _median_of_block(padded[rows.start : rows.stop + 2])
    return result


def row_blocks(image: _Image) -> Iterator[slice]:
    """Return slices of rows that together are the image, each small enough for the processor's cache."""
    n_rows, n_cols = image.shape
    step = max(1, _BLOCK_BYTES // (n_cols * image.itemsize))
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def _median_of_block(padded: Num[np.ndarray, "padded_row padded_col"]) -> _Image:
    low, middle, high = _sort_three(padded[:-2], padded[1:-1], padded[2:])
    largest_low = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    smallest_high = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    median_middle = _median_of_three(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])
    return _median_of_three(largest_low, median_middle, smallest_high)


def _sort_three(a: _Image, b: _Image, c: _Image) -> tuple[_Image, _Image, _Image]:
    a, b = np.minimum(a, b), np.maximum(a, b)
    b, c = np.minimum(b, c), np.maximum(b, c)
    a, b = np.minimum(a, b), np.maximum(a, b)
    return a, b, c


def _median_of_three(a: _Image, b: _Image, c: _Image) -> _Image:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
