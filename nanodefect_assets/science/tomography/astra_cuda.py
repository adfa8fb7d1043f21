"""ASTRA's projector on a GPU."""

import astra
import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry


class CudaProjector:
    """Projector for views turned and shifted in any way, on a GPU.

    Parameters
    ----------
    geometry : TiltGeometry
        The views.
    volume_shape : tuple of int
        (z, y, x).
    image_shape : tuple of int
        (row, col).

    Notes
    -----
    Its back-projection, driven by voxels, is the adjoint of its projection, driven by rays, only to some parts in a
    thousand.
    """

    name = "ASTRA CUDA"

    def __init__(
        self, geometry: TiltGeometry, volume_shape: tuple[int, int, int], image_shape: tuple[int, int]
    ) -> None:
        require_cuda()
        self.volume_shape = volume_shape
        self.views_shape = (len(geometry), *image_shape)
        n_z, n_y, n_x = volume_shape
        views = astra.create_proj_geom(
            "parallel3d_vec", *image_shape, view_vectors(geometry, volume_shape, image_shape)
        )
        self._projector = astra.create_projector("cuda3d", views, astra.create_vol_geom(n_y, n_x, n_z))

    def __del__(self) -> None:
        if hasattr(self, "_projector"):
            astra.projector3d.delete(self._projector)

    def forward(self, volume: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "tilt row col"]:
        """Return every view of a volume."""
        n_views, n_rows, n_cols = self.views_shape
        found = np.zeros((n_rows, n_views, n_cols), dtype=np.float32)
        astra.experimental.direct_FP3D(self._projector, np.ascontiguousarray(volume, dtype=np.float32), found)
        return np.ascontiguousarray(found.transpose(1, 0, 2))

    def adjoint(self, views: Float[np.ndarray, "tilt row col"]) -> Float[np.ndarray, "z y x"]:
        """Return the sum of every view smeared back along its beam."""
        found = np.zeros(self.volume_shape, dtype=np.float32)
        turned = np.ascontiguousarray(views.transpose(1, 0, 2), dtype=np.float32)
        astra.experimental.direct_BP3D(self._projector, found, turned)
        return found


def require_cuda() -> None:
    """Refuse where ASTRA finds no GPU: its 3D calls would end the process."""
    if not astra.use_cuda():
        raise Refusal(
            "no_cuda",
            expected="a CUDA device for the backend cuda",
            got="none that ASTRA can use",
            advice="Choose the backend auto: it projects on the CPU, at any angles.",
        )


def view_vectors(
    geometry: TiltGeometry, volume_shape: tuple[int, int, int], image_shape: tuple[int, int]
) -> Float[np.ndarray, "tilt 12"]:
    """Return what ASTRA wants of each view: ray, middle of the detector, and its steps along columns and rows.

    ASTRA takes (N - 1) / 2 for the centre; what differs from our N // 2 is put into the detector's place.
    """
    size = np.array(volume_shape[::-1])
    origin = size // 2 - (size - 1) / 2
    along_col, along_row, ray = np.moveaxis(geometry.rotations, 1, 0)
    n_rows, n_cols = image_shape
    col = n_cols // 2 - (n_cols - 1) / 2 + geometry.shifts_px[:, 1]
    row = n_rows // 2 - (n_rows - 1) / 2 + geometry.shifts_px[:, 0]
    middle = origin - along_col * col[:, None] - along_row * row[:, None]
    return np.hstack([ray, middle, along_col, along_row])
