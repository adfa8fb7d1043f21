"""Order of atoms: fcc, hcp and five-fold shells by matching neighbours with polyhedra."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from nanodefect_assets.domain.atom_order import TEMPLATES, AtomOrder
from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.atoms.match import match_template
from nanodefect_assets.science.atoms.neighbours import (
    Shells,
    check_positions,
    count_neighbours,
    find_shells,
    measure_bond,
)
from nanodefect_assets.science.atoms.params import OrderParams
from nanodefect_assets.science.atoms.surface import find_exposed
from nanodefect_assets.science.atoms.templates import Rotations, all_orientations, pair_frames, template

_CLEAR_SCORE = 9.5
"""Above it five-fold polyhedra are not tried: a perfect five-fold shell scores 5.9 as fcc and 7.5 as hcp."""


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Scores of all templates, and the rotation of the one that fits best.

    Attributes
    ----------
    scores : ndarray of shape (atom, 4)
        Eq. 2.1; 0 for five-fold polyhedra where they were not tried.
    rotations : ndarray of shape (atom, 4, 3, 3)
        Rotations that act on the templates' vertices.
    """

    scores: Float[np.ndarray, "atom 4"]
    rotations: Float[np.ndarray, "atom 4 3 3"]


def classify_order(positions_angstrom: Positions, params: OrderParams) -> AtomOrder:
    """Classify every atom of a particle by the shell of its neighbours.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.
    params : OrderParams
        Cut-off, bond length, limits of classes.

    Returns
    -------
    AtomOrder
        Classes, scores and orientations.

    Raises
    ------
    ValueError
        If there are too few atoms, or coordinates without a number or doubled.

    Notes
    -----
    The order parameter of a template with vertices ``p`` is the sum over its 12 vertices of
    ``max(1 - |r - m p| / d_max, 0)`` [1]_, where ``r`` is the neighbour next to the vertex, ``m`` the rotation that
    makes the sum large and ``d_max`` half a bond. Unlike in [1]_ a shell that fits fcc and hcp equally well is
    ambiguous: random hexagonal packing is a sequence of layers, not a property of one shell.

    References
    ----------
    .. [1] P. Pelz et al., Simultaneous successive twinning captured by atomic electron tomography, eq. 2.1;
       after P. M. Larsen et al., Modelling Simul. Mater. Sci. Eng. 24, 055007 (2016), 10.1088/0965-0393/24/5/055007.
    """
    check_positions(positions_angstrom)
    bond = measure_bond(positions_angstrom)
    bond_angstrom = params.bond_angstrom or bond.mean_angstrom
    coordination = count_neighbours(positions_angstrom, params.cutoff_angstrom or bond.cutoff_angstrom)
    shells = find_shells(positions_angstrom, bond_angstrom)
    matches = match_shells(shells, params)
    is_exposed = find_exposed(positions_angstrom, coordination, bond_angstrom)
    order = name_order(matches.scores, coordination, is_exposed, params)
    return AtomOrder(
        positions_angstrom=positions_angstrom,
        order=order,
        scores=matches.scores,
        rotations=_best_rotations(matches, order),
        coordination=coordination,
        is_exposed=is_exposed,
        bond=bond,
    )


def match_shells(shells: Shells, params: OrderParams) -> Matches:
    """Match the neighbours of every atom with every template."""
    n_atoms = len(shells.n_found)
    scores, rotations = np.zeros((n_atoms, 4)), np.tile(np.eye(3), (n_atoms, 4, 1, 1))
    for column, name in enumerate(TEMPLATES):
        tried = np.arange(n_atoms) if column < 2 else np.flatnonzero(_may_be_five_fold(scores, shells, params))
        scores[tried, column], rotations[tried, column] = _match(shells, tried, name, params)
    return Matches(scores=scores, rotations=rotations)


def _may_be_five_fold(
    scores: Float[np.ndarray, "atom 4"], shells: Shells, params: OrderParams
) -> Bool[np.ndarray, " atom"]:
    return (scores[:, :2].max(axis=1) < _CLEAR_SCORE) & (shells.n_found >= params.min_coordination)


def _match(
    shells: Shells, atoms: Int[np.ndarray, " chosen"], name: str, params: OrderParams
) -> tuple[Float[np.ndarray, " chosen"], Rotations]:
    exhaustive = params.search == "exhaustive"
    return match_template(
        shells.vectors[atoms],
        shells.n_found[atoms],
        template(name),
        all_orientations() if exhaustive else pair_frames(name),
        translates=params.fits_translation,
        exhaustive=exhaustive,
    )


def name_order(
    scores: Float[np.ndarray, "atom 4"],
    coordination: Int[np.ndarray, " atom"],
    is_exposed: Bool[np.ndarray, " atom"],
    params: OrderParams,
) -> Shaped[np.ndarray, " atom"]:
    """Return the class of every atom from its scores, number of neighbours and place."""
    best = scores.argmax(axis=1)
    order = np.array(TEMPLATES)[best].astype("<U11")
    is_close = np.abs(scores[:, 0] - scores[:, 1]) < params.ambiguous_margin
    order[is_close & (best < 2)] = "ambiguous"
    is_poor = (scores.max(axis=1) <= params.min_score) | (coordination < params.min_coordination)
    order[is_poor] = np.where(is_exposed[is_poor], "surface", "disordered")
    return order


def _best_rotations(matches: Matches, order: Shaped[np.ndarray, " atom"]) -> Rotations:
    best = np.where(np.isin(order, TEMPLATES[2:]), matches.scores.argmax(axis=1), matches.scores[:, :2].argmax(axis=1))
    return matches.rotations[np.arange(len(best)), best]
