"""Layers of hcp atoms: which atoms form one, and what lies below and above."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.science.atoms.links import Pairs, group_atoms, majority, renumber
from nanodefect_assets.science.atoms.params import GrainParams
from nanodefect_assets.science.crystal.stacking import name_defects

SPACING_BONDS = np.sqrt(2 / 3)
"""Distance of close-packed layers, in bonds."""

WINDOW = 3
"""Layers looked at on either side."""

_THICKNESS = 0.4
"""Neighbours whose distance along the normal is less than this part of the spacing lie in one layer."""

_JOIN_BONDS = 2.5
"""Parts of one layer may be this far apart, in bonds: wrongly labelled atoms between them."""

_SEARCH_BONDS = 0.65
"""No place in a close-packed layer is further than 0.58 bonds from an atom; the next layer is 0.82 away."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of hcp atoms and its surroundings.

    Attributes
    ----------
    atoms : ndarray of shape (member,)
        Which atoms.
    normal, centre_angstrom : ndarray of shape (3,)
        Unit vector and mean of the atoms.
    letters : str
        ``f``, ``h`` or ``?`` for each of the layers from `WINDOW` below to `WINDOW` above.
    grains, layers : tuple of int
        For each of these, the grain or the hcp layer that most of its atoms belong to; -1 for none.
    kind : str
        Name of the defect it is part of.
    """

    atoms: Int[np.ndarray, " member"]
    normal: Float[np.ndarray, " 3"]
    centre_angstrom: Float[np.ndarray, " 3"]
    letters: str
    grains: tuple[int, ...]
    layers: tuple[int, ...]
    kind: str


def group_layers(order: AtomOrder, pairs: Pairs, params: GrainParams) -> Int[np.ndarray, " atom"]:
    """Return the number of each atom's hcp layer, the largest layer 0; -1 for none."""
    is_hcp = order.order == "hcp"
    normals = order.rotations[:, :, 2]
    bond_angstrom = order.bond.mean_angstrom
    linked = pairs[is_hcp[pairs].all(axis=1)]
    apart = order.positions_angstrom[linked[:, 1]] - order.positions_angstrom[linked[:, 0]]
    cosines = np.einsum("pa,pa->p", normals[linked[:, 0]], normals[linked[:, 1]])
    mean_normals = normals[linked[:, 0]] + np.sign(cosines)[:, None] * normals[linked[:, 1]]
    rise = np.abs(np.einsum("pa,pa->p", apart, mean_normals)) / np.linalg.norm(mean_normals, axis=1)
    is_flat = rise < _THICKNESS * SPACING_BONDS * bond_angstrom
    is_parallel = np.abs(cosines) > np.cos(np.deg2rad(params.max_tilt_deg))
    parts = group_atoms(linked[is_flat & is_parallel], is_hcp, min_atoms=3)
    return renumber(_join_parts(parts, order, params), params.min_plane_atoms)


def _join_parts(parts: Int[np.ndarray, " atom"], order: AtomOrder, params: GrainParams) -> Int[np.ndarray, " atom"]:
    """Give parts that lie in one plane, not far from one another, one number."""
    members = [np.flatnonzero(parts == number) for number in range(parts.max(initial=-1) + 1)]
    if len(members) < 2:
        return parts
    planes = [_fit_plane(order, atoms) for atoms in members]
    normals, centres = np.array([plane[0] for plane in planes]), np.array([plane[1] for plane in planes])
    bond_angstrom = order.bond.mean_angstrom
    offsets = np.abs(np.einsum("ia,ija->ij", normals, centres[None] - centres[:, None]))
    is_parallel = np.abs(normals @ normals.T) > np.cos(np.deg2rad(params.max_tilt_deg))
    # The part with the lower number is the larger one, so its normal is the better known.
    candidates = np.argwhere(np.triu(is_parallel & (offsets < 0.5 * SPACING_BONDS * bond_angstrom), k=1))
    trees = [cKDTree(order.positions_angstrom[atoms]) for atoms in members]
    near = [trees[a].count_neighbors(trees[b], _JOIN_BONDS * bond_angstrom) > 0 for a, b in candidates]
    joined = group_atoms(candidates[np.array(near, dtype=bool)], np.ones(len(members), dtype=bool), min_atoms=1)
    return np.where(parts >= 0, joined[parts], -1)


def _fit_plane(
    order: AtomOrder, atoms: Int[np.ndarray, " member"]
) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """Return the normal of a layer, the mean of its atoms' own normals, and its centre."""
    normals = order.rotations[atoms][:, :, 2]
    _, vectors = np.linalg.eigh(normals.T @ normals)
    return vectors[:, -1], order.positions_angstrom[atoms].mean(axis=0)


def describe_layers(
    layer_of: Int[np.ndarray, " atom"], grain_of: Int[np.ndarray, " atom"], order: AtomOrder, params: GrainParams
) -> list[Layer]:
    """Look at the layers below and above each hcp layer and name the defects."""
    tree = cKDTree(order.positions_angstrom)
    layers = []
    for number in range(layer_of.max(initial=-1) + 1):
        atoms = np.flatnonzero(layer_of == number)
        normal, centre = _fit_plane(order, atoms)
        around = [_atoms_at(offset, atoms, normal, order, tree) for offset in range(-WINDOW, WINDOW + 1)]
        letters = "".join(_letter(found, normal, order, params) for found in around)
        letters = letters[:WINDOW] + "h" + letters[WINDOW + 1 :]
        layers.append(
            Layer(
                atoms=atoms,
                normal=normal,
                centre_angstrom=centre,
                letters=letters,
                grains=tuple(majority(grain_of[found]) for found in around),
                layers=tuple(majority(layer_of[found]) for found in around),
                kind=_kind(letters),
            )
        )
    return layers


def _atoms_at(
    offset: int, atoms: Int[np.ndarray, " member"], normal: Float[np.ndarray, " 3"], order: AtomOrder, tree: cKDTree
) -> Int[np.ndarray, " found"]:
    """Return the atoms of the layer that is `offset` layers above."""
    bond_angstrom = order.bond.mean_angstrom
    places = order.positions_angstrom[atoms] + offset * SPACING_BONDS * bond_angstrom * normal
    _, found = tree.query(places, k=3, distance_upper_bound=_SEARCH_BONDS * bond_angstrom)
    return np.unique(found[found < len(order)])


def _letter(
    found: Int[np.ndarray, " found"], normal: Float[np.ndarray, " 3"], order: AtomOrder, params: GrainParams
) -> str:
    names = order.order[found]
    is_parallel = np.abs(order.rotations[found][:, :, 2] @ normal) > np.cos(np.deg2rad(params.max_tilt_deg))
    n_hcp, n_fcc = int(((names == "hcp") & is_parallel).sum()), int((names == "fcc").sum())
    if n_hcp + n_fcc == 0:
        return "?"
    return "h" if n_hcp > n_fcc else "f"


def _kind(letters: str) -> str:
    for start, stop, name in name_defects(letters.replace("?", "f")):
        if start <= WINDOW < stop:
            return name
    raise ValueError(f"Expected the middle layer of {letters!r} to be hcp.")
