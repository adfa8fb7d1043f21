"""The projection of one slice at right angles to the tilt axis, as a sparse matrix."""

from typing import Any, Literal

import astra
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

SliceKernel = Literal["linear", "strip", "line"]
"""How ASTRA weighs pixels along a ray: interpolated (Joseph), by the area of a strip, or by the length of a line."""


def slice_matrix(
    tilts_deg: Float[np.ndarray, " tilt"],
    shifts_px: Float[np.ndarray, " tilt"],
    slice_shape: tuple[int, int],
    n_cols: int,
    kernel: SliceKernel,
) -> csr_array:
    """Return A of shape (tilt * col, z * x) for one slice, with our axes, sense and centre.

    Parameters
    ----------
    tilts_deg, shifts_px : ndarray of shape (tilt,)
        Tilt of each view, and where the origin lies off index N // 2 of its columns.
    slice_shape : tuple of int
        (z, x).
    n_cols : int
        Columns of an image.
    kernel : str
        One of `SliceKernel`.
    """
    geometry = slice_geometry(tilts_deg, shifts_px, slice_shape, n_cols)
    projector = astra.create_projector(kernel, geometry, astra.create_vol_geom(*slice_shape))
    matrix = astra.projector.matrix(projector)
    found = csr_array(astra.matrix.get(matrix), dtype=np.float32)
    astra.matrix.delete(matrix)
    astra.projector.delete(projector)
    return found


def slice_geometry(
    tilts_deg: Float[np.ndarray, " tilt"],
    shifts_px: Float[np.ndarray, " tilt"],
    slice_shape: tuple[int, int],
    n_cols: int,
) -> dict[str, Any]:
    """Return what ASTRA calls the geometry of one slice, seen with our axes, sense and centre.

    Notes
    -----
    ASTRA takes a slice as (row, column) with y upwards, and (N - 1) / 2 for the centre. With z down the rows, the point
    (x, z) is ASTRA's (x, -z); what differs in the centre is put into the detector's place.
    """
    n_z, n_x = slice_shape
    angles = np.deg2rad(tilts_deg)
    # An image's column counts x cos + z sin, that is, in ASTRA's axes, along (cos, -sin).
    along = np.stack([np.cos(angles), -np.sin(angles)], axis=1)
    rays = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    origin = np.array([n_x // 2 - (n_x - 1) / 2, -(n_z // 2 - (n_z - 1) / 2)])
    middle = origin + along * ((n_cols - 1) / 2 - n_cols // 2 - shifts_px)[:, None]
    return astra.create_proj_geom("parallel_vec", n_cols, np.hstack([rays, middle, along]))
