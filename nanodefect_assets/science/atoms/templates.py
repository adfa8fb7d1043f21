"""Polyhedra of twelve neighbours, their symmetry, and the orientations in which they are tried."""

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.atom_order import TEMPLATES

Vertices = Float[np.ndarray, "12 3"]
Rotations = Float[np.ndarray, "rotation 3 3"]

N_DIRECTIONS = 1026
IN_PLANE_DEG = (0.0, 24.0, 48.0, 72.0, 96.0)
"""Angles about the stacking direction; it is a three-fold axis of the fcc and the hcp polyhedron."""

STACKING_AXIS = np.array([0.0, 0.0, 1.0])
"""In the fcc and hcp templates the normal of close-packed layers, in the five-fold one the axis."""


@cache
def template(name: str) -> Vertices:
    """Return the vertices of one of `TEMPLATES`, their distance from the centre 1.

    The fcc and hcp polyhedra have a close-packed row along x and the stacking direction along z; the others a five-fold
    axis along z. Every two vertices are 1 or more apart, so that no neighbour lies within half of it from two of them.
    """
    return {"fcc": _close_packed(-1), "hcp": _close_packed(1), "five_fold": _prism(), "icosahedral": _icosahedron()}[
        name
    ]


def _close_packed(sign: int) -> Vertices:
    ring, above = _circle(6, 0, 1.0, 0.0), _circle(3, 90, 1 / np.sqrt(3), np.sqrt(2 / 3))
    return np.vstack([ring, above, above * [sign, sign, -1]])


def _prism() -> Vertices:
    height = 0.5
    poles = np.array([[0.0, 0, 1], [0, 0, -1]])
    return np.vstack([poles, *(_circle(5, 0, np.sqrt(3) / 2, sign * height) for sign in (1, -1))])


def _icosahedron() -> Vertices:
    poles = np.array([[0.0, 0, 1], [0, 0, -1]])
    upper = _circle(5, 0, 2 / np.sqrt(5), 1 / np.sqrt(5))
    return np.vstack([poles, upper, -upper])


def _circle(n_points: int, start_deg: float, radius: float, height: float) -> Float[np.ndarray, "point 3"]:
    angles = np.deg2rad(start_deg) + np.arange(n_points) * 2 * np.pi / n_points
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles), np.full(n_points, height)])


@cache
def symmetry(name: str) -> Rotations:
    """Return the rotations that leave a template as it is."""
    vertices = template(name)
    first, second = 0, int(np.flatnonzero(_adjacent(vertices)[0])[0])
    start = _frame(vertices[first], vertices[second])
    candidates = [_frame(vertices[a], vertices[b]).T @ start for a, b in np.argwhere(_adjacent(vertices))]
    return np.array([rotation for rotation in candidates if _is_symmetry(rotation, vertices)])


def _is_symmetry(rotation: Float[np.ndarray, "3 3"], vertices: Vertices) -> bool:
    return bool((_images(rotation, vertices)[1] < 1e-6).all())


def _images(rotation: Float[np.ndarray, "3 3"], vertices: Vertices) -> tuple[np.ndarray, np.ndarray]:
    distances = np.linalg.norm((vertices @ rotation.T)[:, None] - vertices, axis=2)
    return distances.argmin(axis=1), distances.min(axis=1)


def _adjacent(vertices: Vertices) -> np.ndarray:
    distances = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    return (distances > 0.5) & (distances < 1.2)


def _frame(first: Float[np.ndarray, " 3"], second: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Return unit vectors as rows: midway between two directions, from the first to the second, and their normal."""
    middle, along = first + second, second - first
    middle, along = middle / np.linalg.norm(middle), along / np.linalg.norm(along)
    return np.array([middle, along, np.cross(middle, along)])


@cache
def pair_frames(name: str) -> Float[np.ndarray, "pair 3 3"]:
    """Return the frames of all adjacent vertices, taken in order, that no symmetry turns into one another."""
    vertices = template(name)
    images = [_images(rotation, vertices)[0] for rotation in symmetry(name)]
    seen: set[tuple[int, int]] = set()
    frames = []
    for a, b in np.argwhere(_adjacent(vertices)).tolist():
        if (a, b) not in seen:
            frames.append(_frame(vertices[a], vertices[b]))
            seen |= {(int(image[a]), int(image[b])) for image in images}
    return np.array(frames)


@cache
def all_orientations() -> Rotations:
    """Return the 5,130 published orientations: 1,026 directions over the full sphere with 5 angles about each."""
    # Points on a spiral with the golden angle between them lie evenly on the sphere.
    at = np.arange(N_DIRECTIONS)
    polar_deg = np.rad2deg(np.arccos(1 - (2 * at + 1) / N_DIRECTIONS))
    azimuth_deg = at * 180 * (3 - np.sqrt(5))
    angles = [np.column_stack([azimuth_deg, polar_deg, np.full(N_DIRECTIONS, turn)]) for turn in IN_PLANE_DEG]
    return Rotation.from_euler("ZYZ", np.concatenate(angles), degrees=True).as_matrix()


def all_templates() -> tuple[Vertices, ...]:
    """Return the vertices of `TEMPLATES`, in order."""
    return tuple(template(name) for name in TEMPLATES)
