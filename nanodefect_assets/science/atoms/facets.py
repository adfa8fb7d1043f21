"""Facets of a particle: which crystal faces its outermost atoms form."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.spatial import cKDTree

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.domain.grain_map import GrainMap
from nanodefect_assets.domain.structure import NO_GRAIN
from nanodefect_assets.science.atoms.links import group_atoms, neighbour_pairs
from nanodefect_assets.science.atoms.surface import outward_normals
from nanodefect_assets.science.crystal.layered import CUBIC_AXES

FAMILIES = ("111", "100", "110")

_MAX_TILT_DEG = 15.0
"""An outermost atom belongs to a face whose normal is nearer than this to the way out."""

_REACH_BONDS = 1.8
"""A surface atom belongs to the grain that has an atom this near."""

_MIN_ATOMS = 7


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A flat part of the surface.

    Attributes
    ----------
    family : str
        ``111``, ``100`` or ``110``.
    grain : int
        Grain that it ends.
    direction : ndarray of shape (3,)
        Unit vector outwards.
    n_atoms : int
        Number of its atoms.
    """

    family: str
    grain: int
    direction: Float[np.ndarray, " 3"]
    n_atoms: int


@dataclass(frozen=True, kw_only=True)
class Facets:
    """Faces of a particle.

    Attributes
    ----------
    family : ndarray of shape (atom,)
        Family of the face that an atom at the outside lies on, or ``other``; ``inside`` for the rest.
    facets : tuple of Facet
        Faces of seven atoms or more, the largest first.
    """

    family: Shaped[np.ndarray, " atom"]
    facets: tuple[Facet, ...]

    def shares(self) -> dict[str, float]:
        """Return the share of each family among the atoms at the outside."""
        outside = self.family[self.family != "inside"]
        return {name: float(np.mean(outside == name)) if len(outside) else 0.0 for name in (*FAMILIES, "other")}


def find_facets(order: AtomOrder, grain_map: GrainMap) -> Facets:
    """Find the faces that end the grains of a particle.

    Notes
    -----
    The way out of an atom at the outside is away from the mean of its neighbours; it is compared with the 26 directions
    <111>, <100> and <110> of the nearest grain. At edges and corners it is none of them.
    """
    outside = np.flatnonzero(order.is_exposed)
    family = np.full(len(order), "inside", dtype="<U6")
    family[outside] = "other"
    grain = _nearest_grain(order, grain_map, outside)
    known = outside[grain >= 0]
    if not len(known):
        return Facets(family=family, facets=())
    ways_out = outward_normals(order.positions_angstrom, known, order.bond.mean_angstrom)
    directions = np.array([_directions(found.frame) for found in grain_map.grains])[grain[grain >= 0]]
    cosines = np.einsum("pda,pa->pd", directions, ways_out)
    nearest = cosines.argmax(axis=1)
    is_facet = cosines.max(axis=1) > np.cos(np.deg2rad(_MAX_TILT_DEG))
    family[known[is_facet]] = _FAMILY_OF[nearest[is_facet]]
    face_of = np.full(len(order), -1)
    face_of[known[is_facet]] = (grain[grain >= 0] * len(_FAMILY_OF) + nearest)[is_facet]
    return Facets(family=family, facets=_facets(face_of, order, grain_map))


def _facets(face_of: Int[np.ndarray, " atom"], order: AtomOrder, grain_map: GrainMap) -> tuple[Facet, ...]:
    pairs = neighbour_pairs(order.positions_angstrom, order.bond.cutoff_angstrom)
    linked = pairs[(face_of[pairs[:, 0]] == face_of[pairs[:, 1]]) & (face_of[pairs[:, 0]] >= 0)]
    groups = group_atoms(linked, face_of >= 0, _MIN_ATOMS)
    facets = []
    for number in range(groups.max(initial=-1) + 1):
        grain, direction = divmod(int(face_of[np.argmax(groups == number)]), len(_FAMILY_OF))
        outward = _directions(grain_map.grains[grain].frame)[direction]
        n_atoms = int((groups == number).sum())
        facets.append(Facet(family=str(_FAMILY_OF[direction]), grain=grain, direction=outward, n_atoms=n_atoms))
    return tuple(facets)


def _nearest_grain(
    order: AtomOrder, grain_map: GrainMap, atoms: Int[np.ndarray, " chosen"]
) -> Int[np.ndarray, " chosen"]:
    in_grain = np.flatnonzero(grain_map.grain != NO_GRAIN)
    if not len(in_grain):
        return np.full(len(atoms), NO_GRAIN)
    tree = cKDTree(order.positions_angstrom[in_grain])
    reach = _REACH_BONDS * order.bond.mean_angstrom
    _, found = tree.query(order.positions_angstrom[atoms], distance_upper_bound=reach)
    return np.append(grain_map.grain[in_grain], NO_GRAIN)[found]


def _directions(frame: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "26 3"]:
    """Return the low-index directions of a grain as unit vectors in the particle's axes."""
    return _CUBIC_DIRECTIONS @ CUBIC_AXES.T @ frame


def _low_index() -> Float[np.ndarray, "26 3"]:
    steps = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T
    return steps[np.abs(steps).sum(axis=1) > 0].astype(float)


_INDICES = _low_index()
_CUBIC_DIRECTIONS = _INDICES / np.linalg.norm(_INDICES, axis=1, keepdims=True)
_FAMILY_OF = np.array(["", "100", "110", "111"])[np.abs(_INDICES).sum(axis=1).astype(int)]
