"""Neighbouring atoms, their groups and their orientations."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.atoms.templates import Rotations, symmetry

Pairs = Int[np.ndarray, "pair 2"]

_CHUNK = 50_000


def neighbour_pairs(positions_angstrom: Positions, reach_angstrom: float) -> Pairs:
    """Return all pairs of atoms nearer than a distance, each once."""
    return cKDTree(positions_angstrom).query_pairs(reach_angstrom, output_type="ndarray")


def group_atoms(pairs: Pairs, members: Bool[np.ndarray, " atom"], min_atoms: int) -> Int[np.ndarray, " atom"]:
    """Return the number of the group of linked atoms that each atom is in, the largest 0; -1 for none.

    Parameters
    ----------
    pairs : ndarray of shape (pair, 2)
        Links.
    members : ndarray of shape (atom,)
        Atoms that can be in a group.
    min_atoms : int
        Smaller groups are left out.
    """
    n_atoms = len(members)
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n_atoms, n_atoms))
    _, raw = connected_components(links, directed=False)
    return renumber(np.where(members, raw, -1), min_atoms)


def renumber(groups: Int[np.ndarray, " atom"], min_atoms: int = 1) -> Int[np.ndarray, " atom"]:
    """Return groups numbered anew, the largest 0; those of fewer than `min_atoms` become -1, as negative ones stay."""
    numbers, counts = np.unique(groups[groups >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_atoms]
    table = np.full(groups.max(initial=0) + 2, -1)
    table[numbers[order]] = np.arange(len(order))
    return table[groups]


def turn_between_deg(first: Rotations, second: Rotations, template_name: str = "fcc") -> Float[np.ndarray, " pair"]:
    """Return the smallest angle that turns each first crystal into the second, in degrees, by its symmetry."""
    group = symmetry(template_name).reshape(-1, 9)
    angles = np.empty(len(first))
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        between = np.einsum("pba,pbc->pac", first[part], second[part]).reshape(-1, 9)
        traces = (between @ group.T).max(axis=1, initial=-1.0)
        angles[part] = np.rad2deg(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    return angles


def majority(values: Int[np.ndarray, " value"]) -> int:
    """Return the value that is there most often among those not negative, or -1 if there is none."""
    values = values[values >= 0]
    return int(np.bincount(values).argmax()) if len(values) else -1
