"""Grains and defects of a particle, and what they tell of how it grew; each statement with its evidence."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from nanodefect_assets.domain.structure import NO_GRAIN

PlaneKind = Literal["twin", "intrinsic", "extrinsic", "hcp", "rhcp"]
ParticleKind = Literal[
    "single_crystal",
    "faulted",
    "twinned",
    "decahedron",
    "on_the_way",
    "icosahedron",
    "hcp",
    "polycrystal",
    "disordered",
]
Pathway = Literal["A", "B", "undecided", "none"]


@dataclass(frozen=True, kw_only=True)
class Grain:
    """One fcc crystal of a particle.

    Attributes
    ----------
    n_atoms : int
        Atoms that are fcc beyond doubt; those at its surface and in its boundaries not counted.
    frame : ndarray of shape (3, 3)
        Rows are unit vectors: a close-packed row, the direction at right angles to it in the layer, a stacking
        direction, as in `Structure`.
    centre_angstrom : ndarray of shape (3,)
        Mean of its atoms.
    """

    n_atoms: int
    frame: Float[np.ndarray, "3 3"]
    centre_angstrom: Float[np.ndarray, " 3"]


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One layer of hcp atoms.

    Attributes
    ----------
    kind : str
        What the layer is part of.
    defect : int
        Number of that defect; the layers of a stacking fault share it.
    letters : str
        The layers around it, along its normal: ``f`` fcc, ``h`` hcp, ``?`` not known; it is the middle one.
    n_atoms : int
        Number of its hcp atoms.
    normal : ndarray of shape (3,)
        Unit vector.
    centre_angstrom : ndarray of shape (3,)
        Mean of its atoms.
    grains : tuple of int
        Grains below and above along the normal; `NO_GRAIN` where there is none.
    distance_to_twin_angstrom : float
        Smallest distance of its atoms from a twin plane; 0 for twin planes, infinite if there is none.
    n_inner_edge_atoms : int
        Atoms at its edge that lie inside the particle and at no other boundary: a partial dislocation ends it there.
    """

    kind: PlaneKind
    defect: int
    letters: str
    n_atoms: int
    normal: Float[np.ndarray, " 3"]
    centre_angstrom: Float[np.ndarray, " 3"]
    grains: tuple[int, int]
    distance_to_twin_angstrom: float
    n_inner_edge_atoms: int


@dataclass(frozen=True, kw_only=True)
class FiveFoldAxis:
    """A line in which five grains and the twin planes between them meet.

    Attributes
    ----------
    grains : tuple of int
        The five grains, going round.
    direction : ndarray of shape (3,)
        Unit vector.
    point_angstrom : ndarray of shape (3,)
        Where the planes meet, next to the centre of the five grains.
    plane_residual_angstrom : float
        Root mean square distance of that line from the five twin planes.
    plane_angles_deg : tuple of float
        Angles about the axis from each plane to the next; 72 in a perfect decahedron.
    """

    grains: tuple[int, ...]
    direction: Float[np.ndarray, " 3"]
    point_angstrom: Float[np.ndarray, " 3"]
    plane_residual_angstrom: float
    plane_angles_deg: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Dislocation:
    """A perfect dislocation inside a grain.

    Attributes
    ----------
    grain : int
        Number of the grain.
    burgers_half : tuple of int
        Burgers vector in halves of the cubic cell's edges, up to its sign: (1, 1, 0) is 1/2 [110].
    burgers_angstrom : ndarray of shape (3,)
        The same in the particle's axes, in angstrom, for bonds of their mean length.
    point_angstrom, direction : ndarray of shape (3,)
        Where its line lies: the mean of the atoms in its core and a unit vector along them.
    angle_deg : float
        Between Burgers vector and line: 0 for a screw, 90 for an edge dislocation.
    n_bonds : int
        Bonds that close a circuit around it.
    """

    grain: int
    burgers_half: tuple[int, int, int]
    burgers_angstrom: Float[np.ndarray, " 3"]
    point_angstrom: Float[np.ndarray, " 3"]
    direction: Float[np.ndarray, " 3"]
    angle_deg: float
    n_bonds: int


@dataclass(frozen=True, kw_only=True)
class GrainMap:
    """Grains, planes and axes of a particle.

    Attributes
    ----------
    grain : ndarray of shape (atom,)
        Number of each atom's grain, `NO_GRAIN` for none; only fcc atoms have one.
    plane : ndarray of shape (atom,)
        Number of the hcp layer, -1 for none.
    defect : ndarray of shape (atom,)
        Kind of the plane defect that the atom belongs to, or ``none``.
    grains, planes, axes : tuple
        The largest grain first; the largest plane first.
    dislocations : tuple of Dislocation
        Perfect ones; partial ones are told by the planes that they end.
    """

    grain: Int[np.ndarray, " atom"]
    plane: Int[np.ndarray, " atom"]
    defect: Shaped[np.ndarray, " atom"]
    grains: tuple[Grain, ...]
    planes: tuple[Plane, ...]
    axes: tuple[FiveFoldAxis, ...]
    dislocations: tuple[Dislocation, ...] = ()

    def count_defects(self, kind: PlaneKind) -> int:
        """Return how many defects of a kind there are; the two layers of an intrinsic fault are one."""
        return len({plane.defect for plane in self.planes if plane.kind == kind})

    def twin_pairs(self) -> frozenset[tuple[int, int]]:
        """Return the pairs of grains with a twin plane between them, the lower number first."""
        return frozenset(
            (min(plane.grains), max(plane.grains))
            for plane in self.planes
            if plane.kind == "twin" and NO_GRAIN not in plane.grains and plane.grains[0] != plane.grains[1]
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a particle is and how it grew.

    Attributes
    ----------
    kind : str
        What the particle is.
    pathway : str
        Of a particle on its way from a decahedron to an icosahedron, A: tetrahedron by tetrahedron; B: two rows of
        tetrahedra at the same time; undecided where its tetrahedra do not tell. None for all other particles: a whole
        decahedron or icosahedron keeps no record of its way.
    evidence : dict of str to float
        Numbers that the statements rest on, such as ``n_added`` tetrahedra or ``mean_completeness_row_1``.
    completeness : dict of int to float
        For each tetrahedral subunit, by the number of its grain: its atoms over the median of the core's five.
    rows : dict of int to int
        For each tetrahedral subunit: 0 in the core decahedron, 1 and 2 in the rows that grow over it, 3 below.
    """

    kind: ParticleKind
    pathway: Pathway
    evidence: dict[str, float]
    completeness: dict[int, float]
    rows: dict[int, int]

    @property
    def is_multiply_twinned(self) -> bool:
        """Whether it consists of fcc tetrahedra; of a small one more atoms are twin planes, and so hcp, than fcc."""
        return self.kind in ("decahedron", "on_the_way", "icosahedron")
