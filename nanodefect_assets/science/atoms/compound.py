"""Crystals of compounds: two lattices, told apart by which species stand beside one another."""

import itertools

import numpy as np
from ase.data import atomic_numbers
from jaxtyping import Int, Shaped

from nanodefect_assets.domain.atom_order import AtomOrder, Sublattices
from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.atoms.links import neighbour_pairs
from nanodefect_assets.science.atoms.neighbours import MIN_ATOMS, check_positions, measure_bond
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import OrderParams

_UNLIKE_SHARE = 0.9
"""Neighbours of another kind: all in a compound, 0.67 in an ordered alloy (L1_0), about half in a mixed one."""

_QUANTILE = 0.75
"""Of the numbers of neighbours: a quarter of the atoms of the smallest particles are inside."""

_MOST_SPECIES = 8
_NOBLE_GASES = np.array([2, 10, 18, 36, 54, 86, 118])


def classify_particle(
    positions_angstrom: Positions, species: Shaped[np.ndarray, " atom"], params: OrderParams
) -> AtomOrder:
    """Classify every atom of a particle, in a compound by the neighbours of its own lattice.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.
    species : ndarray of shape (atom,)
        Chemical symbols; ``X`` where not known.
    params : OrderParams
        Cut-off, bond length, limits of classes; of each lattice by itself.

    Returns
    -------
    AtomOrder
        Cations and anions of zincblende are fcc, those of wurtzite hcp.

    Raises
    ------
    ValueError
        If there are too few atoms, or coordinates without a number or doubled.
    """
    check_positions(positions_angstrom)
    sublattices = find_sublattices(positions_angstrom, species)
    if sublattices is None:
        return classify_order(positions_angstrom, params)
    is_anion = sublattices.is_anion
    cations = classify_order(positions_angstrom[~is_anion], params)
    anions = classify_order(positions_angstrom[is_anion], params)
    place = np.argsort(np.argsort(is_anion, kind="stable"))
    return AtomOrder(
        positions_angstrom=positions_angstrom,
        order=np.concatenate([cations.order, anions.order])[place],
        scores=np.concatenate([cations.scores, anions.scores])[place],
        rotations=np.concatenate([cations.rotations, anions.rotations])[place],
        coordination=np.concatenate([cations.coordination, anions.coordination])[place],
        is_exposed=np.concatenate([cations.is_exposed, anions.is_exposed])[place],
        bond=cations.bond,
        sublattices=sublattices,
    )


def find_sublattices(positions_angstrom: Positions, species: Shaped[np.ndarray, " atom"]) -> Sublattices | None:
    """Find the cations' and the anions' lattice of a compound; None where all atoms are of one lattice.

    Notes
    -----
    The species are parted in two so that as many pairs of nearest neighbours as possible are of both parts. The atoms
    decide, not the formula: in a compound nearly all pairs are, and an atom has four such neighbours or six; an alloy
    has twelve, many of them of its own kind.
    """
    names, kinds = np.unique(species, return_inverse=True)
    if not 2 <= len(names) <= _MOST_SPECIES:
        return None
    pairs = neighbour_pairs(positions_angstrom, measure_bond(positions_angstrom).cutoff_angstrom)
    part_of, unlike_share = _best_parting(kinds[pairs], len(names))
    second = part_of[kinds]
    n_near = np.quantile(np.bincount(pairs.ravel(), minlength=len(species)), _QUANTILE)
    if unlike_share < _UNLIKE_SHARE or not 3 <= n_near <= 6 or min(second.sum(), (~second).sum()) < MIN_ATOMS:
        return None
    is_anion = second if _anionic(species[second]) > _anionic(species[~second]) else ~second
    return Sublattices(is_anion=is_anion, n_unlike=4 if n_near < 5 else 6, unlike_share=unlike_share)


def _best_parting(kinds: Int[np.ndarray, "pair 2"], n_kinds: int) -> tuple[Shaped[np.ndarray, " kind"], float]:
    """Return which kinds are of the second part, and the share of pairs that are then of both parts."""
    counts = np.bincount(kinds[:, 0] * n_kinds + kinds[:, 1], minlength=n_kinds**2).reshape(n_kinds, n_kinds)
    partings = np.array([(False, *others) for others in itertools.product([False, True], repeat=n_kinds - 1)][1:])
    shares = [counts[part[:, None] != part[None]].sum() / max(counts.sum(), 1) for part in partings]
    best = int(np.argmax(shares))
    return partings[best], float(shares[best])


def _anionic(species: Shaped[np.ndarray, " atom"]) -> tuple[float, float]:
    """Return what is larger for the anions: they lack fewer electrons of a noble gas; as few, they are lighter."""
    numbers = np.array([atomic_numbers.get(str(name), 0) for name in species])
    lacking = _NOBLE_GASES[np.searchsorted(_NOBLE_GASES, numbers)] - numbers
    return -float(lacking.mean()), -float(numbers.mean())
