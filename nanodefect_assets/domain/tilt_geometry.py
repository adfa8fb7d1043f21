"""From where each image of a tilt series looks at the sample.

A volume is (z, y, x) with z along the beam at zero tilt, an image (row, col) = (y, x). The tilt axis is y, along the
rows' index, and a positive tilt turns +z towards +x. The centre of N elements is index N // 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
from jaxtyping import Bool, Float, Int


def view_rotations(euler_deg: Float[np.ndarray, "tilt 3"]) -> Float[np.ndarray, "tilt 3 3"]:
    """Return R = Rz(phi) Ry(theta) Rz(psi) of each view, from its phi, theta and psi.

    R turns positions (x, y, z) of the sample into those that the view sees: x along its columns, y along its rows, z
    along the beam.
    """
    phi, theta, psi = np.deg2rad(np.asarray(euler_deg, dtype=float)).T
    return _about_z(phi) @ _about_y(theta) @ _about_z(psi)


def _about_y(angles_rad: Float[np.ndarray, " tilt"]) -> Float[np.ndarray, "tilt 3 3"]:
    matrices = np.tile(np.eye(3), (len(angles_rad), 1, 1))
    matrices[:, 0, 0] = matrices[:, 2, 2] = np.cos(angles_rad)
    matrices[:, 0, 2], matrices[:, 2, 0] = np.sin(angles_rad), -np.sin(angles_rad)
    return matrices


def _about_z(angles_rad: Float[np.ndarray, " tilt"]) -> Float[np.ndarray, "tilt 3 3"]:
    matrices = np.tile(np.eye(3), (len(angles_rad), 1, 1))
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angles_rad)
    matrices[:, 1, 0], matrices[:, 0, 1] = np.sin(angles_rad), -np.sin(angles_rad)
    return matrices


@dataclass(frozen=True, kw_only=True)
class TiltGeometry:
    """How each view of a sample is turned and shifted.

    Attributes
    ----------
    euler_deg : ndarray of shape (tilt, 3)
        phi, theta and psi of each view; theta is the tilt, the others are 0 for an ideal single axis.
    shifts_px : ndarray of shape (tilt, 2)
        Where the sample's origin lies off the centre N // 2 of each image, along rows and columns.
    """

    euler_deg: Float[np.ndarray, "tilt 3"]
    shifts_px: Float[np.ndarray, "tilt 2"]

    def __post_init__(self) -> None:
        n_tilts = len(self.euler_deg)
        for name, width in (("euler_deg", 3), ("shifts_px", 2)):
            values = getattr(self, name)
            if values.shape != (n_tilts, width):
                raise ValueError(f"Expected {name} of shape ({n_tilts}, {width}). Got {values.shape}.")
            if not np.isfinite(values).all():
                raise ValueError(f"Expected finite {name}. Got {int((~np.isfinite(values)).sum())} that are not.")

    @classmethod
    def single_axis(cls, tilts_deg: Float[np.ndarray, " tilt"] | Sequence[float]) -> Self:
        """Return the geometry of an ideal series: tilts about y, nothing shifted."""
        tilts = np.asarray(tilts_deg, dtype=float)
        none = np.zeros_like(tilts)
        return cls(euler_deg=np.stack([none, tilts, none], axis=1), shifts_px=np.zeros((len(tilts), 2)))

    @classmethod
    def about(
        cls,
        tilts_deg: Float[np.ndarray, " tilt"],
        *,
        axis: Literal["rows", "columns"],
        is_reversed: bool = False,
    ) -> Self:
        """Return the geometry of tilts about an axis of the images, right-handed unless `is_reversed`."""
        tilts = -np.asarray(tilts_deg, dtype=float) if is_reversed else np.asarray(tilts_deg, dtype=float)
        found = cls.single_axis(tilts)
        # About columns, x: the axis is turned onto y and back.
        aside = np.array([0.0, 0.0, 0.0] if axis == "rows" else [-90.0, 0.0, 90.0])
        return replace(found, euler_deg=found.euler_deg + aside)

    def __len__(self) -> int:
        return len(self.euler_deg)

    @cached_property
    def rotations(self) -> Float[np.ndarray, "tilt 3 3"]:
        """What turns positions of the sample into those of each view."""
        return view_rotations(self.euler_deg)

    @property
    def tilts_deg(self) -> Float[np.ndarray, " tilt"]:
        """Tilt of each view."""
        return self.euler_deg[:, 1]

    @property
    def is_single_axis(self) -> bool:
        """Whether a row of an image sees one (z, x) slice of the volume and nothing else."""
        turns_rows = self.rotations[:, 1] - np.array([0.0, 1.0, 0.0])
        return bool(np.abs(turns_rows).max(initial=0) < 1e-9 and np.abs(self.shifts_px[:, 0]).max(initial=0) < 1e-9)

    def taken(self, selected: Bool[np.ndarray, " tilt"] | Int[np.ndarray, " chosen"]) -> Self:
        """Return the geometry of some of the views."""
        return replace(self, euler_deg=self.euler_deg[selected], shifts_px=self.shifts_px[selected])

    def coarser(self, factor: int) -> Self:
        """Return the geometry in pixels that are `factor` times as wide."""
        return replace(self, shifts_px=self.shifts_px / factor)
