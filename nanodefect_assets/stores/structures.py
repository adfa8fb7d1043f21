"""Atomic coordinates as rows."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from nanodefect_assets.domain.manifest import ManifestFile
from nanodefect_assets.domain.rawfile import Coordinates


def coordinate_rows(structure_id: str, atoms: Coordinates) -> pd.DataFrame:
    """Return the rows of `COORDINATES` of one structure."""
    x, y, z = atoms.positions_angstrom.T
    return pd.DataFrame(
        {
            "structure_id": structure_id,
            "atom_index": np.arange(len(atoms.species)),
            "species": list(atoms.species),
            "x_angstrom": x,
            "y_angstrom": y,
            "z_angstrom": z,
        }
    )


def structure_row(structure_id: str, file: ManifestFile, atoms: Coordinates) -> dict[str, Any]:
    """Return the row of `STRUCTURES` of one structure."""
    counts = sorted(Counter(atoms.species).items())
    return {
        "structure_id": structure_id,
        "file_id": structure_id,
        "sha256": file.sha256,
        "is_simulated": file.is_simulated,
        "n_atoms": len(atoms.species),
        "composition": "".join(f"{symbol}{n}" for symbol, n in counts),
        "length_unit": atoms.length_unit,
        "nearest_neighbour_angstrom": atoms.nearest_neighbour_angstrom,
    }
