"""Order of atoms: which crystal each atom's neighbours belong to."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from nanodefect_assets.domain.structure import Positions

ORDER_CLASSES = ("fcc", "hcp", "five_fold", "icosahedral", "ambiguous", "surface", "disordered")
"""Classes of atoms. five_fold: on the axis of a decahedron; ambiguous: fcc and hcp fit equally well; disordered: no
template fits, or too few neighbours inside the particle."""

TEMPLATES = ("fcc", "hcp", "five_fold", "icosahedral")
"""Polyhedra that neighbours are matched with; the columns of `AtomOrder.scores`."""


@dataclass(frozen=True, kw_only=True)
class BondLength:
    """Distances of neighbours, from the radial distribution function.

    Attributes
    ----------
    peak_angstrom : float
        Its first peak.
    mean_angstrom : float
        Mean distance of neighbours nearer than `cutoff_angstrom`.
    spread_angstrom : float
        Standard deviation of these distances.
    cutoff_angstrom : float
        Its first minimum: neighbours are nearer than this.
    """

    peak_angstrom: float
    mean_angstrom: float
    spread_angstrom: float
    cutoff_angstrom: float

    def stretch_against(self, bulk_bond_angstrom: float) -> float:
        """Return how much longer the bonds are than in bulk: 0.01 is 1 %."""
        return self.peak_angstrom / bulk_bond_angstrom - 1


@dataclass(frozen=True, kw_only=True)
class AtomOrder:
    """Every atom's class and what it rests on.

    Attributes
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions (x, y, z), in angstrom.
    order : ndarray of shape (atom,)
        One of `ORDER_CLASSES`.
    scores : ndarray of shape (atom, 4)
        Order parameters for each of `TEMPLATES`, 0 to 12: 12 is a perfect shell.
    rotations : ndarray of shape (atom, 3, 3)
        Turns the template that fits best onto the neighbours; acts on column vectors.
    coordination : ndarray of shape (atom,)
        Number of neighbours within the bond's cut-off.
    is_exposed : ndarray of shape (atom,)
        Whether the atom lies at the outside of the particle.
    bond : BondLength
        Distances that lengths are measured by.
    """

    positions_angstrom: Positions
    order: Shaped[np.ndarray, " atom"]
    scores: Float[np.ndarray, "atom 4"]
    rotations: Float[np.ndarray, "atom 3 3"]
    coordination: Int[np.ndarray, " atom"]
    is_exposed: Bool[np.ndarray, " atom"]
    bond: BondLength

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    @property
    def hcp_minus_fcc(self) -> Float[np.ndarray, " atom"]:
        """Difference of the scores: negative for fcc, positive for hcp, near 0 where both fit."""
        return self.scores[:, 1] - self.scores[:, 0]

    def shares(self) -> dict[str, float]:
        """Return the share of each class among all atoms."""
        return {name: float(np.mean(self.order == name)) for name in ORDER_CLASSES}
