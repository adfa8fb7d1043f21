"""Order of atoms: which crystal each atom's neighbours belong to."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from nanodefect_assets.domain.structure import Positions

ORDER_CLASSES = ("fcc", "hcp", "five_fold", "icosahedral", "ambiguous", "surface", "disordered")
"""Classes of atoms. five_fold: on the axis of a decahedron; ambiguous: fcc and hcp fit equally well; disordered: no
template fits, or too few neighbours inside the particle."""

TEMPLATES = ("fcc", "hcp", "five_fold", "icosahedral")
"""Polyhedra that neighbours are matched with; the columns of `AtomOrder.scores`."""

_COMPOUNDS = {(4, "fcc"): "zincblende", (4, "hcp"): "wurtzite", (6, "fcc"): "rocksalt"}
"""Crystals of compounds, by the number of unlike neighbours and by the stacking of both lattices."""

_MOST_UNEVEN = 1.5
"""Atoms of one lattice for one of the other: 1 in these crystals, 1.3 in small CdSe rich in Cd, 2 in Cu2O."""


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
class Sublattices:
    """The two lattices of a compound, each of which the other's atoms stand in the gaps of.

    Attributes
    ----------
    is_anion : ndarray of shape (atom,)
        Which atoms are of the anions' lattice; the others are of the cations'.
    n_unlike : int
        Nearest neighbours of an atom, all of the other lattice: 4 (tetrahedral) or 6 (octahedral).
    unlike_share : float
        Share of pairs of nearest neighbours that are of both lattices.
    """

    is_anion: Bool[np.ndarray, " atom"]
    n_unlike: int
    unlike_share: float


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
        Number of neighbours within the bond's cut-off; in a compound, of those of the atom's own lattice.
    is_exposed : ndarray of shape (atom,)
        Whether the atom lies at the outside of the particle.
    bond : BondLength
        Distances that lengths are measured by; in a compound those of cations from one another.
    sublattices : Sublattices or None
        Of a compound, whose atoms are each judged by the neighbours of their own lattice.
    """

    positions_angstrom: Positions
    order: Shaped[np.ndarray, " atom"]
    scores: Float[np.ndarray, "atom 4"]
    rotations: Float[np.ndarray, "atom 3 3"]
    coordination: Int[np.ndarray, " atom"]
    is_exposed: Bool[np.ndarray, " atom"]
    bond: BondLength
    sublattices: Sublattices | None = None

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    @property
    def hcp_minus_fcc(self) -> Float[np.ndarray, " atom"]:
        """Difference of the scores: negative for fcc, positive for hcp, near 0 where both fit."""
        return self.scores[:, 1] - self.scores[:, 0]

    def shares(self) -> dict[str, float]:
        """Return the share of each class among all atoms."""
        return {name: float(np.mean(self.order == name)) for name in ORDER_CLASSES}

    @property
    def crystal(self) -> str | None:
        """What most ordered atoms are: fcc, hcp, zincblende, wurtzite or rocksalt; None if most have no order.

        A compound has a name only if both lattices are ordered and about as large: in alumina and rutile the anions
        alone are hcp, in magnetite fcc, and in Cu2O the cations.
        """
        parts = [part for _, part in self.lattices()]
        sizes = [len(part) for part in parts]
        if max(sizes) > _MOST_UNEVEN * min(sizes) or not all(part._is_close_packed() for part in parts):
            return None
        stacking = "fcc" if (self.order == "fcc").sum() >= (self.order == "hcp").sum() else "hcp"
        return stacking if self.sublattices is None else _COMPOUNDS.get((self.sublattices.n_unlike, stacking))

    def _is_close_packed(self) -> bool:
        return bool(np.isin(self.order, ["fcc", "hcp"]).sum() > (self.order == "disordered").sum())

    def taken(self, atoms: Int[np.ndarray, " chosen"]) -> Self:
        """Return the order of some atoms, as of one lattice."""
        return replace(
            self,
            positions_angstrom=self.positions_angstrom[atoms],
            order=self.order[atoms],
            scores=self.scores[atoms],
            rotations=self.rotations[atoms],
            coordination=self.coordination[atoms],
            is_exposed=self.is_exposed[atoms],
            sublattices=None,
        )

    def lattices(self) -> tuple[tuple[Int[np.ndarray, " chosen"], Self], ...]:
        """Return each lattice, which atoms it has and their order: of a compound the cations' and the anions'."""
        if self.sublattices is None:
            return ((np.arange(len(self)), self),)
        is_anion = self.sublattices.is_anion
        return tuple((atoms, self.taken(atoms)) for atoms in (np.flatnonzero(~is_anion), np.flatnonzero(is_anion)))
