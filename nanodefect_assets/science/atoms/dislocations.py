"""Perfect dislocations: Burgers circuits through the fcc atoms of a grain that do not close."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.domain.grain_map import Dislocation, Grain
from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.atoms.links import Pairs, group_atoms
from nanodefect_assets.science.atoms.templates import Rotations, symmetry, template
from nanodefect_assets.science.crystal.layered import CUBIC_AXES

Slots = Int[np.ndarray, "atom 12"]
"""For each atom and each of the 12 bonds of a perfect crystal, the atom at its end; the number of atoms for none."""

_STEPS = np.rint(template("fcc") @ CUBIC_AXES * np.sqrt(2)).astype(int)
"""The 12 bonds in halves of the cubic cell's edges, such as (1, 1, 0)."""

_MIN_COSINE = 0.9
"""A bond within 26 degrees of one of the crystal's is that one; they are 60 degrees apart."""

_MIN_TRIANGLES = 2
"""Closed triangles of bonds, of four, that a bond must be an edge of; without any, HEA-1 has four lines."""

_CIRCUIT_BONDS = 3.5
"""Radius within which a circuit about a dislocation must close, in bonds."""

_JOIN_BONDS = 2.0
_CORE_BONDS = 2.0
_MIN_BONDS = 6


def find_dislocations(
    order: AtomOrder, grain_of: Int[np.ndarray, " atom"], grains: tuple[Grain, ...], pairs: Pairs
) -> tuple[Dislocation, ...]:
    """Find the perfect dislocations of every grain.

    Parameters
    ----------
    order : AtomOrder
        Every atom's class and orientation.
    grain_of : ndarray of shape (atom,)
        Number of each atom's grain.
    grains : tuple of Grain
        The grains.
    pairs : ndarray of shape (pair, 2)
        Neighbours.

    Notes
    -----
    Every bond between fcc atoms of a grain is named after the bond of the perfect crystal that it lies along. Summed up
    from one atom to all others these give each atom its site in the perfect crystal; a bond that does not lead to its
    end's site closes a circuit whose Burgers vector is what is missing [1]_. Circuits stay within fcc atoms of one
    grain, so that twin planes, stacking faults, their partial dislocations and five-fold axes give none; the two
    partials of a dislocation that has dissociated inside a grain add up to the perfect one.

    References
    ----------
    .. [1] A. Stukowski, K. Albe, Modelling Simul. Mater. Sci. Eng. 18, 085001 (2010), 10.1088/0965-0393/18/8/085001.
    """
    found: list[Dislocation] = []
    for number, grain in enumerate(grains):
        members = np.flatnonzero(grain_of == number)
        slots = _reliable(_find_slots(order, members, grain, pairs))
        bonds, missing = _open_bonds(slots, _sites(slots))
        if len(bonds):
            places, bond_angstrom = order.positions_angstrom[members], order.bond.mean_angstrom
            is_beside = _beside_line(bonds, slots, places, bond_angstrom)
            bonds, missing = bonds[is_beside], missing[is_beside]
            for chosen in _group_bonds(missing, places[bonds].mean(axis=1), _JOIN_BONDS * bond_angstrom):
                burgers = missing[chosen[0]]
                found.append(_describe(order, members[bonds[chosen]], members, burgers, number, grain))
    return tuple(sorted(found, key=lambda each: -each.n_bonds))


def _find_slots(order: AtomOrder, members: Int[np.ndarray, " member"], grain: Grain, pairs: Pairs) -> Slots:
    """Return which member of the grain stands at the end of each bond of each member."""
    place = np.full(len(order), -1)
    place[members] = np.arange(len(members))
    linked = place[pairs]
    linked = linked[(linked >= 0).all(axis=1)]
    rotations = _alike(order.rotations[members], grain.frame.T)
    apart = np.diff(order.positions_angstrom[members][linked], axis=1)[:, 0]
    turned = np.einsum("pba,pb->pa", rotations[linked].sum(axis=1), apart)
    cosines = turned / np.linalg.norm(turned, axis=1, keepdims=True) @ template("fcc").T
    is_bond, slot = cosines.max(axis=1) > _MIN_COSINE, cosines.argmax(axis=1)
    slots = np.full((len(members) + 1, 12), len(members))
    slots[linked[is_bond, 0], slot[is_bond]] = linked[is_bond, 1]
    slots[linked[is_bond, 1], _OPPOSITE[slot[is_bond]]] = linked[is_bond, 0]
    return slots


def _alike(rotations: Rotations, frame: Float[np.ndarray, "3 3"]) -> Rotations:
    """Return each rotation, among those that are the same crystal, that is next to the grain's."""
    group = symmetry("fcc")
    traces = np.einsum("ba,nbc,gca->ng", frame, rotations, group)
    return np.einsum("nab,nbc->nac", rotations, group[traces.argmax(axis=1)])


def _reliable(slots: Slots) -> Slots:
    """Return the bonds that are the same from both ends, and whose triangles with others close."""
    none = len(slots) - 1
    atoms = np.arange(len(slots))[:, None]
    slots = np.where(slots[slots, _OPPOSITE[None]] == atoms, slots, none)
    n_closed = np.zeros(slots.shape, dtype=int)
    for side, other, between in _TRIANGLES:
        direct, around = slots[:, other], slots[slots[:, side], between]
        n_closed[:, side] += (direct == around) & (direct != none)
    return np.where(n_closed >= _MIN_TRIANGLES, slots, none)


def _sites(slots: Slots) -> Int[np.ndarray, "atom 3"]:
    """Return each atom's site in the perfect crystal, from one atom of each connected part outwards."""
    none = len(slots) - 1
    sites, is_known = np.zeros((len(slots), 3), dtype=int), np.zeros(len(slots), dtype=bool)
    is_known[none] = True
    for start in range(none):
        front = np.array([] if is_known[start] else [start], dtype=int)
        is_known[start] = True
        while len(front):
            reached = []
            for slot, step in enumerate(_STEPS):
                ends = slots[front, slot]
                new = ~is_known[ends]
                sites[ends[new]] = sites[front[new]] + step
                is_known[ends[new]] = True
                reached.append(ends[new])
            front = np.concatenate(reached)
    return sites


def _open_bonds(
    slots: Slots, sites: Int[np.ndarray, "atom 3"]
) -> tuple[Int[np.ndarray, "bond 2"], Int[np.ndarray, "bond 3"]]:
    """Return the bonds that close a circuit with a Burgers vector, each once, and this vector, its first sign plus."""
    none = len(slots) - 1
    missing = sites[:, None] + _STEPS - sites[slots]
    is_open = (slots != none) & missing.any(axis=2) & (np.arange(len(slots))[:, None] < slots)
    atoms, slot = np.nonzero(is_open)
    vectors = missing[is_open]
    signs = np.sign(vectors @ [100, 10, 1])[:, None]
    return np.column_stack([atoms, slots[atoms, slot]]), vectors * signs


def _beside_line(
    bonds: Int[np.ndarray, "bond 2"],
    slots: Slots,
    positions_angstrom: Positions,
    bond_angstrom: float,
) -> Bool[np.ndarray, " bond"]:
    """Return which open bonds are next to the dislocation: a short circuit of other bonds joins their ends around it.

    The other open bonds only say from which side the sites were summed up.
    """
    none = len(slots) - 1
    atoms, slot = np.nonzero((slots != none) & (np.arange(len(slots))[:, None] < slots))
    closed = np.column_stack([atoms, slots[atoms, slot]])
    closed = closed[~np.isin(closed @ [none, 1], bonds @ [none, 1])]
    links = coo_array((np.ones(len(closed), dtype=bool), closed.T), shape=(none, none)).tocsr()
    tree = cKDTree(positions_angstrom)
    is_beside = np.zeros(len(bonds), dtype=bool)
    for at, (first, second) in enumerate(bonds):
        middle = positions_angstrom[[first, second]].mean(axis=0)
        near = np.array(tree.query_ball_point(middle, _CIRCUIT_BONDS * bond_angstrom))
        _, part = connected_components(links[near][:, near], directed=False)
        is_beside[at] = part[near == first] == part[near == second]
    return is_beside


def _group_bonds(
    missing: Int[np.ndarray, "bond 3"], middles: Positions, reach_angstrom: float
) -> list[Int[np.ndarray, " chosen"]]:
    """Return the bonds of each dislocation: those of one Burgers vector that lie near one another."""
    near = cKDTree(middles).query_pairs(reach_angstrom, output_type="ndarray")
    alike = near[(missing[near[:, 0]] == missing[near[:, 1]]).all(axis=1)]
    groups = group_atoms(alike, np.ones(len(middles), dtype=bool), _MIN_BONDS)
    return [np.flatnonzero(groups == number) for number in range(groups.max(initial=-1) + 1)]


def _describe(
    order: AtomOrder,
    bonds: Int[np.ndarray, "bond 2"],
    members: Int[np.ndarray, " member"],
    burgers: Int[np.ndarray, " 3"],
    number: int,
    grain: Grain,
) -> Dislocation:
    """Place a dislocation where the open bonds end inside the particle: at atoms that are not of the grain."""
    bond_angstrom = order.bond.mean_angstrom
    is_core = ~order.is_exposed & (order.order != "surface")
    is_core[members] = False
    places = order.positions_angstrom[bonds].reshape(-1, 3)
    near, _ = cKDTree(places).query(order.positions_angstrom, distance_upper_bound=_CORE_BONDS * bond_angstrom)
    core = order.positions_angstrom[is_core & np.isfinite(near)]
    core = core if len(core) > 2 else places
    centre = core.mean(axis=0)
    line = np.linalg.svd(core - centre)[2][0]
    vector = burgers @ CUBIC_AXES.T / np.sqrt(2) @ grain.frame
    cosine = abs(float(vector @ line)) / float(np.linalg.norm(vector))
    return Dislocation(
        grain=number,
        burgers_half=(int(burgers[0]), int(burgers[1]), int(burgers[2])),
        burgers_angstrom=vector * bond_angstrom,
        point_angstrom=centre,
        direction=line,
        angle_deg=float(np.rad2deg(np.arccos(np.clip(cosine, 0, 1)))),
        n_bonds=len(bonds),
    )


def _triangles() -> list[tuple[int, int, int]]:
    """Return the bonds a, b, c of all triangles: along a and then c is along b."""
    sums = _STEPS[None] - _STEPS[:, None]
    found = (sums[:, :, None] == _STEPS).all(axis=3)
    return [(int(a), int(b), int(c)) for a, b, c in np.argwhere(found)]


_OPPOSITE = np.array([int(np.flatnonzero((_STEPS == -step).all(axis=1))[0]) for step in _STEPS])
_TRIANGLES = _triangles()
