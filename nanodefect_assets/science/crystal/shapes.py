"""Forms of particles: which points of a lattice lie inside."""

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.crystal.params import Shape

_CUBE_FACES = np.vstack([np.eye(3), -np.eye(3)])
_OCTAHEDRON_FACES = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / np.sqrt(3)

_DISTANCES: dict[str, tuple[float, float]] = {
    # Distances of cube and octahedron faces from the centre, in units of the corners' distance from it.
    "cube": (1 / np.sqrt(3), np.inf),
    "octahedron": (np.inf, 1 / np.sqrt(3)),
    "cuboctahedron": (np.sqrt(1 / 2), np.sqrt(2 / 3)),
    "truncated_octahedron": (2 / np.sqrt(5), 3 / np.sqrt(15)),
}


def inside_shape(points: Positions, shape: Shape, radius: float) -> Bool[np.ndarray, " atom"]:
    """Return which points lie in a shape about the origin, its cubic axes along x, y and z.

    Parameters
    ----------
    points : ndarray of shape (atom, 3)
        Points, in the unit of `radius`.
    shape : str
        Form.
    radius : float
        Distance of its corners from the centre.
    """
    slack = 1e-6 * radius
    if shape == "sphere":
        return np.linalg.norm(points, axis=1) <= radius + slack
    to_cube, to_octahedron = _DISTANCES[shape]
    inside_cube = (points @ _CUBE_FACES.T).max(axis=1) <= to_cube * radius + slack
    return inside_cube & ((points @ _OCTAHEDRON_FACES.T).max(axis=1) <= to_octahedron * radius + slack)


def inside_hexagon(points: Float[np.ndarray, "atom 2"], radius: float) -> Bool[np.ndarray, " atom"]:
    """Return which points lie in a regular hexagon about the origin with a corner on x."""
    angles = np.deg2rad(np.arange(6) * 60 + 30)
    normals = np.column_stack([np.cos(angles), np.sin(angles)])
    return (points @ normals.T).max(axis=1) <= radius * np.sqrt(3) / 2 + 1e-6 * radius
