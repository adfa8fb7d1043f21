"""Tilts of the stage: rotations by the axes of the whole project.

A volume is (z, y, x) with z along the beam at zero tilt, an image (row, col) = (y, x); the tilt axis is y, along the
rows' index, and a positive tilt turns +z towards +x. The centre of N pixels is index N // 2.
"""

import numpy as np
from jaxtyping import Float


def view_rotation(phi_deg: float, theta_deg: float, psi_deg: float) -> Float[np.ndarray, "3 3"]:
    """Return R = Rz(phi) Ry(theta) Rz(psi), which turns positions (x, y, z) of the sample into those of a view.

    `theta_deg` is the tilt; the other two are zero for an ideal single axis.
    """
    return _about_z(phi_deg) @ _about_y(theta_deg) @ _about_z(psi_deg)


def _about_y(angle_deg: float) -> Float[np.ndarray, "3 3"]:
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _about_z(angle_deg: float) -> Float[np.ndarray, "3 3"]:
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
