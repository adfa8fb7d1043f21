"""A volume: intensity on a cubic grid, and where its voxels lie."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Intensity of a sample in space.

    Attributes
    ----------
    values : ndarray of shape (z, y, x)
        Intensity of 32 bits; its sum over voxels is that of each ideal image.
    voxel_size_angstrom : float or None
        Edge of a voxel; None if the images were declared uncalibrated.
    """

    values: Float[np.ndarray, "z y x"]
    voxel_size_angstrom: float | None

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise ValueError(f"Expected values (z, y, x) of float32. Got {self.values.shape} {self.values.dtype}.")
        if self.voxel_size_angstrom is not None and not self.voxel_size_angstrom > 0:
            raise ValueError(f"Expected voxel_size_angstrom > 0 or None. Got {self.voxel_size_angstrom}.")

    @property
    def centre(self) -> Float[np.ndarray, " axis"]:
        """Index (z, y, x) of the origin."""
        return np.array(self.values.shape, dtype=float) // 2


def positions_of(
    indices: Float[np.ndarray, "point 3"], shape: tuple[int, int, int], voxel_size: float
) -> Float[np.ndarray, "point 3"]:
    """Return the positions (x, y, z) of indices (z, y, x), from the centre N // 2, in the unit of `voxel_size`."""
    return (np.asarray(indices, dtype=float) - np.array(shape) // 2)[:, ::-1] * voxel_size


def indices_of(
    positions: Float[np.ndarray, "point 3"], shape: tuple[int, int, int], voxel_size: float
) -> Float[np.ndarray, "point 3"]:
    """Return the indices (z, y, x) of positions (x, y, z): the inverse of `positions_of`."""
    return np.asarray(positions, dtype=float)[:, ::-1] / voxel_size + np.array(shape) // 2
