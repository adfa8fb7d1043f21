"""A labelled particle from end to end: its grains and defects, and what they tell; of a compound by its cations."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.domain.grain_map import GrainMap, Reading
from nanodefect_assets.domain.structure import NO_GRAIN
from nanodefect_assets.science.atoms.basal import basal_defects, is_hcp_crystal
from nanodefect_assets.science.atoms.facets import find_facets
from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.links import neighbour_pairs
from nanodefect_assets.science.atoms.params import GrainParams
from nanodefect_assets.science.atoms.reading import read_particle

_REACH = 0.85
"""Reach of bonds, in distances of cations from one another: bonds are 0.61 or 0.71 long, what comes next is 1 away."""

_ALONG = np.cos(np.deg2rad(30.0))


def read_atoms(order: AtomOrder, params: GrainParams) -> tuple[GrainMap, Reading]:
    """Find the grains and defects of a particle and say what it is.

    Parameters
    ----------
    order : AtomOrder
        Every atom's class and orientation.
    params : GrainParams
        What is one grain and one layer.

    Returns
    -------
    GrainMap, Reading
        Grains, layers and facets of a compound are those of its cations, so that each is counted once; the map names
        the grain and the layer of the anions too.
    """
    _, framework = order.lattices()[0]
    found = find_grains(framework, params)
    reading = read_particle(framework, found, find_facets(framework, found))
    if order.sublattices is None:
        return found, reading
    compound = {
        "n_atoms": float(len(order)),
        "n_unlike_neighbours": float(order.sublattices.n_unlike),
        "unlike_neighbour_share": order.sublattices.unlike_share,
    }
    return spread_to_anions(order, found), replace(reading, evidence={**reading.evidence, **compound})


def spread_to_anions(order: AtomOrder, cation_map: GrainMap) -> GrainMap:
    """Return the map of a compound's cations with its anions as well.

    Notes
    -----
    An hcp anion is of the layer of the cation that it stands straight above or below, as the two stack as one; an fcc
    anion is of the grain of the cations that it is bonded to. Basal faults of wurtzite are read from either lattice.
    """
    if order.sublattices is None:
        return cation_map
    cations = np.flatnonzero(~order.sublattices.is_anion)
    grain, plane = np.full((2, len(order)), NO_GRAIN)
    defect = np.full(len(order), "none", dtype=cation_map.defect.dtype)
    grain[cations], plane[cations], defect[cations] = cation_map.grain, cation_map.plane, cation_map.defect
    bonds, directions = _bonds(order)
    anions, bonded = bonds[order.order[bonds[:, 0]] == "fcc"].T
    inside = grain[bonded] != NO_GRAIN
    grain[anions[inside]] = grain[bonded[inside]]
    is_in_layer = (order.order[bonds[:, 0]] == "hcp") & (plane[bonds[:, 1]] >= 0)
    anions, bonded = bonds[is_in_layer].T
    normals = np.array([each.normal for each in cation_map.planes]).reshape(-1, 3)[plane[bonded]]
    is_above = np.abs(np.einsum("ba,ba->b", normals, directions[is_in_layer])) > _ALONG
    plane[anions[is_above]], defect[anions[is_above]] = plane[bonded[is_above]], defect[bonded[is_above]]
    (_, cation_order), (chosen, anion_order) = order.lattices()
    if is_hcp_crystal(cation_order):
        defect[chosen] = basal_defects(anion_order)
    return replace(cation_map, grain=grain, plane=plane, defect=defect)


def _bonds(order: AtomOrder) -> tuple[Int[np.ndarray, "bond 2"], Float[np.ndarray, "bond 3"]]:
    """Return the anion and the cation of each bond of a compound, and the direction of the anion from the cation."""
    assert order.sublattices is not None
    pairs = neighbour_pairs(order.positions_angstrom, _REACH * order.bond.mean_angstrom)
    first, second = order.sublattices.is_anion[pairs].T
    bonds = np.where(first[:, None], pairs, pairs[:, ::-1])[first != second]
    vectors = order.positions_angstrom[bonds[:, 0]] - order.positions_angstrom[bonds[:, 1]]
    return bonds, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
