"""Where a sample can be: nowhere that an image shows to be empty."""

import numpy as np
from jaxtyping import Bool

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.background import empty_region
from nanodefect_assets.science.tomography.projector import Views
from nanodefect_assets.science.tomography.splat import SplatProjector

_HALF = 0.5


def shadow_support(images: Views, geometry: TiltGeometry, shape: tuple[int, int, int]) -> Bool[np.ndarray, "z y x"]:
    """Return the voxels that no image shows to be empty, by a margin of some pixels.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Aligned images.
    geometry : TiltGeometry
        Angles and shifts of each.
    shape : tuple of int
        (z, y, x) of the volume.

    Raises
    ------
    Refusal
        If nothing is left, as where images are not aligned.

    Notes
    -----
    What lies beside an image's frame is not seen, and so not empty.
    """
    empty = np.stack([empty_region(image) for image in images.astype(float)]).astype(np.float32)
    projector = SplatProjector(geometry.rotations, geometry.shifts_px, shape, (images.shape[1], images.shape[2]))
    support = projector.adjoint(empty) < _HALF
    if not support.any():
        raise Refusal(
            "empty_support",
            expected="voxels that no image shows to be empty",
            got="none",
            advice="Align the series first, or set support of tomography/reconstruction to everywhere.",
        )
    return support
