"""Atoms of particles as rows, and back."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from nanodefect_assets.domain.schemas import ATOMIC_MODELS, ATOMS
from nanodefect_assets.stores.generations import StoredGeneration

_AXES = ["x_angstrom", "y_angstrom", "z_angstrom"]


@dataclass(frozen=True, kw_only=True)
class AtomicModel:
    """One particle of which every atom has a position.

    Attributes
    ----------
    structure_id : str
        The particle.
    species : ndarray of shape (atom,)
        Chemical symbols.
    positions_angstrom : ndarray of shape (atom, 3)
        Positions (x, y, z), in ångström.
    is_simulated : bool
        Whether a computer made it.
    """

    structure_id: str
    species: Shaped[np.ndarray, " atom"]
    positions_angstrom: Float[np.ndarray, "atom 3"]
    is_simulated: bool


def read_atomic_models(generation: StoredGeneration) -> Iterator[AtomicModel]:
    """Yield the particles of a generation of `atoms/atomic_model`, one at a time."""
    models, atoms = generation.rows(ATOMIC_MODELS), generation.rows(ATOMS)
    by_structure: dict[str, pd.DataFrame] = {str(key): group for key, group in atoms.groupby("structure_id")}
    for row in models.itertuples():
        group = by_structure[str(row.structure_id)].sort_values("atom_index")
        yield AtomicModel(
            structure_id=str(row.structure_id),
            species=group["species"].to_numpy(),
            positions_angstrom=group[_AXES].to_numpy(dtype=float),
            is_simulated=bool(row.is_simulated),
        )
