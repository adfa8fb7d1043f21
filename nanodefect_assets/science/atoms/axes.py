"""Five-fold axes: rings of five grains with twin planes between them."""

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.grain_map import FiveFoldAxis, Plane
from nanodefect_assets.domain.structure import NO_GRAIN

_N_GRAINS = 5
_MAX_OUT_OF_PLANE = 0.15
"""Largest singular value, over the first, of five normals that are all at right angles to one axis."""


def find_axes(planes: tuple[Plane, ...]) -> tuple[FiveFoldAxis, ...]:
    """Find the rings of five grains, each joined to the next by a twin plane, whose planes share one line.

    Notes
    -----
    Grains are told apart by their orientation, so that an axis is found even where the atoms on it are disordered.
    """
    between: dict[tuple[int, int], list[Plane]] = {}
    for plane in planes:
        if plane.kind == "twin" and NO_GRAIN not in plane.grains and plane.grains[0] != plane.grains[1]:
            between.setdefault((min(plane.grains), max(plane.grains)), []).append(plane)
    largest = {pair: max(found, key=lambda plane: plane.n_atoms) for pair, found in between.items()}
    axes = [_axis(ring, largest) for ring in _rings(set(largest))]
    return tuple(axis for axis in axes if axis is not None)


def _rings(pairs: set[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return all rings of five grains, each once, going round from their lowest number."""
    nearby: dict[int, set[int]] = {}
    for a, b in pairs:
        nearby.setdefault(a, set()).add(b)
        nearby.setdefault(b, set()).add(a)
    paths: list[tuple[int, ...]] = [(start,) for start in sorted(nearby)]
    for _ in range(_N_GRAINS - 1):
        paths = [
            (*path, grain)
            for path in paths
            for grain in sorted(nearby[path[-1]])
            if grain > path[0] and grain not in path
        ]
    return [path for path in paths if path[0] in nearby[path[-1]] and path[1] < path[-1]]


def _axis(ring: tuple[int, ...], between: dict[tuple[int, int], Plane]) -> FiveFoldAxis | None:
    following = (*ring[1:], ring[0])
    planes = [between[min(pair), max(pair)] for pair in zip(ring, following, strict=True)]
    normals = np.array([plane.normal for plane in planes])
    centres = np.array([plane.centre_angstrom for plane in planes])
    _, sizes, directions = np.linalg.svd(normals)
    if sizes[2] > _MAX_OUT_OF_PLANE * sizes[0]:
        return None
    point = _common_point(normals, centres, directions[2])
    offsets = np.einsum("pa,pa->p", point - centres, normals)
    return FiveFoldAxis(
        grains=ring,
        direction=directions[2],
        point_angstrom=point,
        plane_residual_angstrom=float(np.sqrt(np.mean(offsets**2))),
        plane_angles_deg=_steps_deg(centres, point, directions[2]),
    )


def _common_point(
    normals: Float[np.ndarray, "plane 3"], centres: Float[np.ndarray, "plane 3"], direction: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 3"]:
    """Return the point of the line nearest to all planes that is next to the mean of their centres."""
    middle = centres.mean(axis=0)
    heights = np.einsum("pa,pa->p", centres, normals)
    equations = np.vstack([normals, direction])
    return np.linalg.lstsq(equations, np.append(heights, middle @ direction), rcond=None)[0]


def _steps_deg(
    centres: Float[np.ndarray, "plane 3"], point: Float[np.ndarray, " 3"], direction: Float[np.ndarray, " 3"]
) -> tuple[float, ...]:
    """Return the angles about the axis from each plane's centre to the next."""
    outward = centres - point
    outward -= np.outer(outward @ direction, direction)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    cosines = np.einsum("pa,pa->p", outward, np.roll(outward, -1, axis=0))
    return tuple(np.rad2deg(np.arccos(np.clip(cosines, -1, 1))).tolist())
