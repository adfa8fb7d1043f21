"""A particle whose every atom is known: positions with the truth about grains, layers and defects."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

Positions = Float[np.ndarray, "atom 3"]

NO_GRAIN = -1
"""Grain of an atom that belongs to no one grain: in a twin plane, in a stacking fault, on a five-fold axis."""

LAYER_KINDS = ("fcc", "hcp", "axis", "centre")
"""What an atom's layer is: fcc (zincblende), hcp (wurtzite), a five-fold axis, or the centre of an icosahedron."""

DEFECTS = ("none", "twin", "intrinsic", "extrinsic", "hcp", "fcc", "rhcp", "axis", "centre", "surface")
"""What defect an atom belongs to; hcp, fcc and rhcp are thicker blocks of that stacking, surface a
disordered skin."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A particle with labelled atoms.

    Attributes
    ----------
    species : ndarray of shape (atom,)
        Chemical symbols.
    positions_angstrom : ndarray of shape (atom, 3)
        Positions (x, y, z), in angstrom.
    grain : ndarray of shape (atom,)
        Number of the crystal grain, from 0; `NO_GRAIN` where the atom belongs to no one grain.
    layer_kind : ndarray of shape (atom,)
        One of `LAYER_KINDS`, whether or not the atom has all its neighbours.
    defect : ndarray of shape (atom,)
        One of `DEFECTS`.
    frames : ndarray of shape (grain, 3, 3)
        Rows are unit vectors of each grain, right-handed: a close-packed row <110> or <11-20>, the direction at right
        angles to it within the layer, and the stacking direction <111> or <0001>. Layers stack A, B, C along the
        third: the next layer is shifted by +bond/sqrt(3) along the second.
    kind : str
        What the particle is, in one word, such as ``decahedron``.
    bond_angstrom : float
        Distance of neighbours (of one species, in CdSe) in the perfect crystal.
    """

    species: Shaped[np.ndarray, " atom"]
    positions_angstrom: Positions
    grain: Int[np.ndarray, " atom"]
    layer_kind: Shaped[np.ndarray, " atom"]
    defect: Shaped[np.ndarray, " atom"]
    frames: Float[np.ndarray, "grain 3 3"]
    kind: str
    bond_angstrom: float

    def __post_init__(self) -> None:
        n_atoms = len(self.positions_angstrom)
        for name in ("species", "grain", "layer_kind", "defect"):
            if len(getattr(self, name)) != n_atoms:
                raise ValueError(f"Expected {name} of {n_atoms} atoms. Got {len(getattr(self, name))}.")
        for name, known in (("layer_kind", LAYER_KINDS), ("defect", DEFECTS)):
            if odd := set(np.unique(getattr(self, name)).tolist()) - set(known):
                raise ValueError(f"Expected {name} among {', '.join(known)}. Got {', '.join(sorted(odd))}.")

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    def moved(self, positions_angstrom: Positions) -> Self:
        """Return the structure with its atoms elsewhere."""
        return replace(self, positions_angstrom=positions_angstrom)

    def rotated(self, rotation: Float[np.ndarray, "3 3"]) -> Self:
        """Return the structure turned about the origin; `rotation` acts on column vectors."""
        return replace(
            self, positions_angstrom=self.positions_angstrom @ rotation.T, frames=self.frames @ np.transpose(rotation)
        )

    def taken(self, selected: Bool[np.ndarray, " atom"] | Int[np.ndarray, " chosen"]) -> Self:
        """Return the structure with the selected atoms only, in the order of `selected` if it holds indices."""
        return replace(
            self,
            species=self.species[selected],
            positions_angstrom=self.positions_angstrom[selected],
            grain=self.grain[selected],
            layer_kind=self.layer_kind[selected],
            defect=self.defect[selected],
        )

    def centred(self) -> Self:
        """Return the structure with the mean of its atoms at the origin."""
        return self.moved(self.positions_angstrom - self.positions_angstrom.mean(axis=0))
