"""Trilinear projection in any direction, on all threads.

Each voxel is dropped on the image, shared between four pixels by bilinear weights: no mass is lost but at the edges,
and the adjoint, which picks up from the same pixels with the same weights, is exact. Views run in parallel on the way
forward, planes of the volume on the way back, so that no two threads write to the same place.
"""

import numpy as np
from jaxtyping import Float
from numba import njit, prange


class SplatProjector:
    """Projector for views turned and shifted in any way.

    Parameters
    ----------
    rotations : ndarray of shape (tilt, 3, 3)
        What turns positions (x, y, z) of the sample into those of each view.
    shifts_px : ndarray of shape (tilt, 2)
        Where the origin lies off the images' centre, along rows and columns.
    volume_shape : tuple of int
        (z, y, x).
    image_shape : tuple of int
        (row, col).
    """

    name = "trilinear splat"

    def __init__(
        self,
        rotations: Float[np.ndarray, "tilt 3 3"],
        shifts_px: Float[np.ndarray, "tilt 2"],
        volume_shape: tuple[int, int, int],
        image_shape: tuple[int, int],
    ) -> None:
        self.volume_shape = volume_shape
        self.views_shape = (len(rotations), *image_shape)
        self._maps = _affine_maps(rotations, shifts_px, volume_shape, image_shape)

    def forward(self, volume: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "tilt row col"]:
        """Return every view of a volume."""
        views = np.empty(self.views_shape, dtype=np.float32)
        _project(np.ascontiguousarray(volume, dtype=np.float32), self._maps, views)
        return views

    def adjoint(self, views: Float[np.ndarray, "tilt row col"]) -> Float[np.ndarray, "z y x"]:
        """Return the sum of every view smeared back along its beam."""
        volume = np.empty(self.volume_shape, dtype=np.float32)
        _smear(_framed(np.asarray(views, dtype=np.float32)), self._maps, volume)
        return volume


def _affine_maps(
    rotations: Float[np.ndarray, "tilt 3 3"],
    shifts_px: Float[np.ndarray, "tilt 2"],
    volume_shape: tuple[int, int, int],
    image_shape: tuple[int, int],
) -> Float[np.ndarray, "tilt 2 4"]:
    """Return, for row and column of each view, its value at index (0, 0, 0) and its steps along z, y and x.

    Rows and columns are counted in an image with a frame of one pixel round it, which takes what falls beside.
    """
    steps = rotations[:, 1::-1, ::-1]
    centre = np.array(volume_shape) // 2
    origin = np.array(image_shape) // 2 + 1 + shifts_px - steps @ centre
    return np.concatenate([origin[:, :, None], steps], axis=2)


def _framed(views: Float[np.ndarray, "tilt row col"]) -> Float[np.ndarray, "tilt framed_row framed_col"]:
    return np.pad(views, ((0, 0), (1, 2), (1, 2)))


@njit(inline="always")
def _span(start, step, length, first, last):
    """Return the part of first <= n < last where 0 <= start + n * step < length, give or take the frame."""
    if step > 1e-7:
        first, last = max(first, int(np.ceil(-start / step))), min(last, int(np.ceil((length - start) / step)))
    elif step < -1e-7:
        first, last = (
            max(first, int(np.floor((length - start) / step)) + 1),
            min(last, int(np.floor(-start / step)) + 1),
        )
    elif start < 0 or start >= length:
        last = first
    return first, last


@njit(parallel=True, cache=True, fastmath=True)
def _project(volume, maps, views):
    n_z, n_y, n_x = volume.shape
    n_views, n_rows, n_cols = views.shape
    for view in prange(n_views):
        framed = np.zeros((n_rows + 3, n_cols + 3), np.float32)
        row_0, row_z, row_y, row_x = maps[view, 0]
        col_0, col_z, col_y, col_x = maps[view, 1]
        step_row, step_col = np.float32(row_x), np.float32(col_x)
        for z in range(n_z):
            for y in range(n_y):
                row_1, col_1 = row_0 + z * row_z + y * row_y, col_0 + z * col_z + y * col_y
                first, last = _span(row_1, row_x, n_rows + 1, 0, n_x)
                first, last = _span(col_1, col_x, n_cols + 1, first, last)
                start_row, start_col = np.float32(row_1), np.float32(col_1)
                for x in range(first, last):
                    value = volume[z, y, x]
                    if value == 0:
                        continue
                    at_row, at_col = start_row + x * step_row, start_col + x * step_col
                    row, col = int(at_row), int(at_col)
                    low, left = at_row - np.float32(row), at_col - np.float32(col)
                    below = value * low
                    above = value - below
                    below_right, above_right = below * left, above * left
                    framed[row, col] += above - above_right
                    framed[row, col + 1] += above_right
                    framed[row + 1, col] += below - below_right
                    framed[row + 1, col + 1] += below_right
        for row in range(n_rows):
            for col in range(n_cols):
                views[view, row, col] = framed[row + 1, col + 1]


@njit(parallel=True, cache=True, fastmath=True)
def _smear(framed, maps, volume):
    n_z, n_y, n_x = volume.shape
    n_views, n_rows, n_cols = framed.shape[0], framed.shape[1] - 3, framed.shape[2] - 3
    for z in prange(n_z):
        volume[z] = 0
        for view in range(n_views):
            row_0, row_z, row_y, row_x = maps[view, 0]
            col_0, col_z, col_y, col_x = maps[view, 1]
            step_row, step_col = np.float32(row_x), np.float32(col_x)
            image = framed[view]
            for y in range(n_y):
                row_1, col_1 = row_0 + z * row_z + y * row_y, col_0 + z * col_z + y * col_y
                first, last = _span(row_1, row_x, n_rows + 1, 0, n_x)
                first, last = _span(col_1, col_x, n_cols + 1, first, last)
                start_row, start_col = np.float32(row_1), np.float32(col_1)
                for x in range(first, last):
                    at_row, at_col = start_row + x * step_row, start_col + x * step_col
                    row, col = int(at_row), int(at_col)
                    low, left = at_row - np.float32(row), at_col - np.float32(col)
                    above = image[row, col] + left * (image[row, col + 1] - image[row, col])
                    below = image[row + 1, col] + left * (image[row + 1, col + 1] - image[row + 1, col])
                    volume[z, y, x] += above + low * (below - above)
