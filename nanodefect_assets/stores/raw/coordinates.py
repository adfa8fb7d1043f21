"""Positions of atoms from xyz, extended xyz and CIF files, through ASE."""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from nanodefect_assets.domain.rawfile import Coordinates
from nanodefect_assets.domain.refusal import Refusal

SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 1.5, 4.0
"""Plausible median distances between neighbouring atoms of a solid: from Si-O to the large alkali metals."""

MAX_BYTES = 2 * 2**30
_FORMATS = {".xyz": "xyz", ".extxyz": "extxyz", ".cif": "cif"}
_MAX_ATOM_LINES = 50_000_000


def read_atoms(path: Path, *, scale_angstrom_per_unit: float | None = None) -> Coordinates:
    """Return the atoms of the first structure in a file.

    Parameters
    ----------
    path : Path
        File that ends in ``.xyz``, ``.extxyz`` or ``.cif``.
    scale_angstrom_per_unit : float or None
        What the file's unit is in ångström, for files in voxels or nanometres; None for files in ångström.

    Returns
    -------
    Coordinates

    Raises
    ------
    Refusal
        If the neighbours of the atoms are, in the median, nearer than 1.5 or farther than 4 ångström.
    """
    species, positions = _read_positions(path)
    scale = 1.0 if scale_angstrom_per_unit is None else float(scale_angstrom_per_unit)
    if not 0 < scale < np.inf:
        raise Refusal("bad_scale", expected="scale_angstrom_per_unit > 0", got=str(scale_angstrom_per_unit))
    if len(positions) < 2 or not np.isfinite(positions).all():
        raise Refusal("bad_coordinates", expected="two or more atoms at finite positions", got=f"{len(positions)} atoms")
    distances, _ = cKDTree(positions).query(positions, k=2)
    median = float(np.median(distances[:, 1])) * scale
    _check_distance(median, scale)
    return Coordinates(
        species=tuple(species),
        positions_angstrom=positions * scale,
        length_unit="angstrom" if scale == 1.0 else f"{scale:.6g} angstrom",
        nearest_neighbour_angstrom=median,
    )


def _check_distance(median_angstrom: float, scale: float) -> None:
    if SHORTEST_ANGSTROM <= median_angstrom <= LONGEST_ANGSTROM:
        return
    is_nm = SHORTEST_ANGSTROM <= median_angstrom * 10 <= LONGEST_ANGSTROM
    guess = "the numbers look like nanometres" if is_nm else "the numbers may be voxels"
    raise Refusal(
        "implausible_length_unit",
        expected=f"atoms {SHORTEST_ANGSTROM} to {LONGEST_ANGSTROM} angstrom apart, in the median",
        got=f"{median_angstrom:.4g} angstrom at {scale:.6g} angstrom a unit: {guess}",
        advice="State length_unit, or the scale in angstrom a unit (the voxel size), of this file in batch.yaml.",
    )


def _read_positions(path: Path) -> tuple[list[str], np.ndarray]:
    """Read symbols and positions; plain columns first, since files from tomography rarely keep to the format."""
    if path.stat().st_size > MAX_BYTES:
        raise Refusal("absurd_size", expected=f"at most {MAX_BYTES:,} bytes", got=f"{path.stat().st_size:,}")
    suffix = path.suffix.lower()
    if suffix == ".xyz":
        return _read_columns(path)
    from ase.io import read

    atoms = read(path, index=0, format=_FORMATS[suffix])
    return list(atoms.get_chemical_symbols()), np.asarray(atoms.get_positions(), dtype=float)


def _read_columns(path: Path) -> tuple[list[str], np.ndarray]:
    """Read the lines of an xyz file: a symbol or an atomic number, then x, y and z; further columns are left aside."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline().split()
        if len(first) != 1 or not first[0].isdigit() or int(first[0]) > _MAX_ATOM_LINES:
            raise Refusal(
                "bad_coordinates",
                expected="the number of atoms on the first line",
                got=" ".join(first)[:80],
                advice="Write the file as xyz: number of atoms, a comment, then symbol x y z on each line.",
            )
        file.readline()
        rows = [line.split() for line, _ in zip(file, range(int(first[0])), strict=False)]
    rows = [row for row in rows if row and row != ["-1"]]
    if len(rows) != int(first[0]):
        raise Refusal("truncated_file", expected=f"{first[0]} atoms, as the first line says", got=f"{len(rows)}")
    positions = np.array([row[1:4] for row in rows], dtype=float).reshape(len(rows), 3)
    return [_symbol(row[0]) for row in rows], positions


def _symbol(text: str) -> str:
    """Return the chemical symbol of a name or an atomic number; ``X`` if it is neither."""
    from ase.data import atomic_numbers, chemical_symbols

    if text.isdigit() and 0 < int(text) < len(chemical_symbols):
        return chemical_symbols[int(text)]
    return text.capitalize() if text.capitalize() in atomic_numbers else "X"
