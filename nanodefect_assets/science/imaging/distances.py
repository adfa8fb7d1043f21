"""Distance of the pixels of a mask to what is outside it, exact, in a time that grows with their number alone."""

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

_Mask = Bool[np.ndarray, "row col"]


def distances_inside(mask: _Mask) -> Float[np.ndarray, "row col"]:
    """Return the Euclidean distance of each pixel of `mask` to the nearest pixel outside it, in pixels.

    Parameters
    ----------
    mask : ndarray of shape (row, col)
        Must not touch the frame: what lies beyond is not known.

    Returns
    -------
    ndarray of shape (row, col)
        0 outside the mask; float32.

    Notes
    -----
    Along columns first; then along each run of pixels in a row, of which the parabolas of its own columns alone have a
    say, by their lower envelope [1]_. Three times as fast as a transform that also tells which pixel is the nearest.

    References
    ----------
    .. [1] P. F. Felzenszwalb, D. P. Huttenlocher, Theory Comput. 8, 415 (2012), doi:10.4086/toc.2012.v008a019.
    """
    if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
        raise ValueError("Expected a mask that does not touch the frame. Got one that does: pad it.")
    heights = _column_distances(np.ascontiguousarray(mask))
    return _row_distances(heights)


@njit(cache=True)
def _column_distances(mask: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel to the nearest one outside in its own column."""
    n_rows, n_cols = mask.shape
    found = np.zeros((n_rows, n_cols), dtype=np.int32)
    for row in range(1, n_rows):
        for col in range(n_cols):
            found[row, col] = (found[row - 1, col] + 1) * mask[row, col]
    for row in range(n_rows - 2, -1, -1):
        for col in range(n_cols):
            found[row, col] = min(found[row, col], found[row + 1, col] + 1)
    return found


@njit(cache=True)
def _row_distances(heights: np.ndarray) -> np.ndarray:
    """Return distances, given those along columns."""
    n_rows, n_cols = heights.shape
    found = np.zeros((n_rows, n_cols), dtype=np.float32)
    vertices, starts = np.empty(n_cols, dtype=np.int64), np.empty(n_cols + 1, dtype=np.float64)
    for row in range(n_rows):
        col = 0
        while col < n_cols:
            if heights[row, col] == 0:
                col += 1
                continue
            first = col - 1
            while heights[row, col] > 0:
                col += 1
            _fill_run(heights[row], first, col, vertices, starts, found[row])
    return found


@njit(cache=True)
def _fill_run(
    heights: np.ndarray, first: int, last: int, vertices: np.ndarray, starts: np.ndarray, found: np.ndarray
) -> None:
    """Fill in the distances of the columns between `first` and `last`, which are both outside."""
    n = 0
    vertices[0], starts[0], starts[1] = first, -np.inf, np.inf
    for col in range(first + 1, last + 1):
        square = heights[col] * heights[col] + col * col
        at = vertices[n]
        crossing = (square - heights[at] * heights[at] - at * at) / (2.0 * (col - at))
        while crossing <= starts[n]:
            n -= 1
            at = vertices[n]
            crossing = (square - heights[at] * heights[at] - at * at) / (2.0 * (col - at))
        n += 1
        vertices[n], starts[n], starts[n + 1] = col, crossing, np.inf
    n = 0
    for col in range(first + 1, last):
        while starts[n + 1] < col:
            n += 1
        at = vertices[n]
        found[col] = np.sqrt(np.float32(heights[at] * heights[at] + (col - at) * (col - at)))
