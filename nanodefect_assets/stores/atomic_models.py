"""Atoms of particles as rows, and back."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from nanodefect_assets.domain.schemas import ATOMIC_MODELS, ATOMS
from nanodefect_assets.domain.traced_atoms import TracedAtoms
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


def imported_atoms(structures: pd.DataFrame, coordinates: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `ATOMS` of coordinates that came with a sample."""
    is_simulated = dict(zip(structures["structure_id"], structures["is_simulated"], strict=True))
    atoms = coordinates.assign(is_simulated=coordinates["structure_id"].map(is_simulated).astype(bool))
    # What only a tracing knows.
    return atoms.reindex(columns=list(ATOMS.names))


def traced_model(structure_id: str, species: Sequence[str], *, is_simulated: bool) -> dict[str, str | int | bool]:
    """Return the row of `ATOMIC_MODELS` of one traced particle."""
    counts = sorted(Counter(species).items())
    return {
        "structure_id": structure_id,
        "source": "traced",
        "is_simulated": is_simulated,
        "n_atoms": len(species),
        "composition": "".join(f"{symbol}{n}" for symbol, n in counts),
    }


def traced_atoms(
    structure_id: str,
    species: Sequence[str],
    atoms: TracedAtoms,
    classes: Int[np.ndarray, " atom"],
    *,
    is_simulated: bool,
) -> pd.DataFrame:
    """Return the rows of `ATOMS` of one traced particle."""
    rows = pd.DataFrame(atoms.positions_angstrom, columns=_AXES).assign(
        structure_id=structure_id,
        atom_index=np.arange(len(atoms)),
        is_simulated=is_simulated,
        species=list(species),
        sigma_pm=atoms.sigma_pm,
        intensity=atoms.intensity,
        intensity_sigma=atoms.intensity_sigma,
        intensity_class=classes,
    )
    return rows[list(ATOMS.names)]


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
