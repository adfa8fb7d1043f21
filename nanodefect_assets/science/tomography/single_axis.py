"""Projection about one axis: the matrix of one slice, taken once and applied to all slices."""

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.slice_matrix import SliceKernel, slice_matrix
from nanodefect_assets.science.tomography.sparse_product import multiply


class SingleAxisProjector:
    """Projector for tilts about y alone.

    Parameters
    ----------
    geometry : TiltGeometry
        Views without phi and psi and without shifts along the rows.
    volume_shape : tuple of int
        (z, y, x), with as many y as images have rows.
    image_shape : tuple of int
        (row, col).
    kernel : str
        How a ray weighs the voxels beside it.
    """

    def __init__(
        self,
        geometry: TiltGeometry,
        volume_shape: tuple[int, int, int],
        image_shape: tuple[int, int],
        kernel: SliceKernel = "linear",
    ) -> None:
        n_z, n_y, n_x = volume_shape
        if not geometry.is_single_axis:
            raise ValueError("Expected views turned about y alone, not shifted along rows. Got others.")
        if n_y != image_shape[0]:
            raise ValueError(f"Expected a volume with {image_shape[0]} slices along y, one an image row. Got {n_y}.")
        self.name = f"single-axis matrix ({kernel})"
        self.volume_shape = volume_shape
        self.views_shape = (len(geometry), *image_shape)
        tilts = _signed_tilts_deg(geometry)
        self._matrix = slice_matrix(tilts, geometry.shifts_px[:, 1], (n_z, n_x), image_shape[1], kernel)
        self._transposed = csr_array(self._matrix.T)

    def forward(self, volume: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "tilt row col"]:
        """Return every view of a volume."""
        n_views, n_rows, n_cols = self.views_shape
        return _turned(_product(self._matrix, volume).reshape(n_views, n_cols, n_rows))

    def adjoint(self, views: Float[np.ndarray, "tilt row col"]) -> Float[np.ndarray, "z y x"]:
        """Return the sum of every view smeared back along its beam."""
        n_z, n_y, n_x = self.volume_shape
        return _turned(_product(self._transposed, views).reshape(n_z, n_x, n_y))


def _signed_tilts_deg(geometry: TiltGeometry) -> Float[np.ndarray, " tilt"]:
    """Return the tilts about y that the rotations amount to, also where phi and psi are half turns."""
    return np.rad2deg(np.arctan2(geometry.rotations[:, 0, 2], geometry.rotations[:, 0, 0]))


def _product(matrix: csr_array, stack: Float[np.ndarray, "a lane b"]) -> Float[np.ndarray, "row lane"]:
    lanes = _turned(np.asarray(stack, dtype=np.float32))
    product = np.empty((matrix.shape[0], lanes.shape[2]), dtype=np.float32)
    multiply(matrix.indptr, matrix.indices, matrix.data, lanes.reshape(-1, lanes.shape[2]), product)
    return product


def _turned(stack: Float[np.ndarray, "a b c"]) -> Float[np.ndarray, "a c b"]:
    """Return a copy with the last two axes exchanged: the lanes that share a weight lie side by side in memory."""
    return np.ascontiguousarray(stack.transpose(0, 2, 1))
