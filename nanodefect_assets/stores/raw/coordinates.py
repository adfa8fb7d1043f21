"""Positions of atoms from xyz, extended xyz and CIF files, through ASE."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from nanodefect_assets.domain.rawfile import Coordinates
from nanodefect_assets.domain.refusal import Refusal, shortened

SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 1.5, 4.0
"""Plausible median distances between neighbouring atoms of a solid: from Si-O to the large alkali metals."""

MAX_BYTES = 2 * 2**30
_FORMATS = {".xyz": "xyz", ".extxyz": "extxyz", ".cif": "cif"}
_LIGHT = frozenset(("H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne"))
_LONGEST_LINE = 10_000
_MOST_PERIODIC = 20_000
_Read = tuple[list[str], np.ndarray, np.ndarray | None]


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
        If the neighbours of the atoms are, in the median, nearer than 1.5 or farther than 4 ångström. Atoms up to
        neon are left aside where there are heavier ones.
    """
    species, positions, cell = _read_positions(path)
    scale = 1.0 if scale_angstrom_per_unit is None else float(scale_angstrom_per_unit)
    if not 0 < scale < np.inf:
        raise Refusal("bad_scale", expected="scale_angstrom_per_unit > 0", got=str(scale_angstrom_per_unit))
    if len(positions) == 0 or not np.isfinite(positions).all():
        raise Refusal("bad_coordinates", expected="atoms at finite positions", got=f"{len(positions)} atoms")
    median = _nearest_neighbour(positions[_heavy(species)], cell) * scale
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


def _heavy(species: list[str]) -> np.ndarray:
    """Return which atoms count: those beyond neon, so that no carbon film does; all where there are none."""
    heavy = np.array([symbol not in _LIGHT for symbol in species])
    return heavy if heavy.sum() > 1 else np.ones(len(species), dtype=bool)


def _nearest_neighbour(positions: np.ndarray, cell: np.ndarray | None) -> float:
    """Return the median distance to the nearest neighbour, with the periodic images of a small cell."""
    surrounding = positions
    if cell is not None and len(positions) <= _MOST_PERIODIC:
        shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
        surrounding = (positions[:, np.newaxis] + shifts).reshape(-1, 3)
    distances, _ = cKDTree(surrounding).query(positions, k=2)
    return float(np.median(distances[:, 1]))


def _read_positions(path: Path) -> _Read:
    """Read symbols, positions and, for a periodic structure, its cell (three vectors as rows).

    Plain xyz files are read here: those of tomography and multislice programs rarely keep to the letter of the format.
    """
    if path.stat().st_size > MAX_BYTES:
        raise Refusal("absurd_size", expected=f"at most {MAX_BYTES:,} bytes", got=f"{path.stat().st_size:,}")
    suffix = path.suffix.lower()
    if suffix == ".xyz":
        with path.open(encoding="utf-8", errors="replace") as file:
            head = [file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)]
        if "Properties=" not in head[1]:
            return (*_read_columns(path, head), None)
        suffix = ".extxyz"
    from ase.io import read

    atoms: Any = read(path, index=0, format=_FORMATS[suffix])
    cell = np.asarray(atoms.cell) if atoms.pbc.all() else None
    return list(atoms.get_chemical_symbols()), np.asarray(atoms.get_positions(), dtype=float), cell


def _read_columns(path: Path, head: list[str]) -> tuple[list[str], np.ndarray]:
    """Read lines of a symbol or an atomic number, then x, y and z; further columns are left aside.

    The first line has the number of atoms. Multislice programs (computem, prismatic) have a comment there, the cell on
    the second line, and end with -1.
    """
    n_atoms = _count(head)
    with path.open(encoding="utf-8", errors="replace") as file:
        rows = [line.split() for line in file][2:]
    if n_atoms is None and ["-1"] in rows:
        n_atoms = rows.index(["-1"])
    rows = [row for row in rows[:n_atoms] if row]
    if n_atoms is None or len(rows) != n_atoms:
        raise Refusal(
            "truncated_file",
            expected="-1 after the last atom" if n_atoms is None else f"{n_atoms} atoms, as the first line says",
            got=f"{len(rows)} lines",
            advice="Write the file as xyz: number of atoms, a comment, then symbol x y z on each line.",
        )
    positions = np.array([row[1:4] for row in rows], dtype=float).reshape(len(rows), 3)
    symbols = {text: _symbol(text) for text in {row[0] for row in rows}}
    return [symbols[row[0]] for row in rows], positions


def _count(head: list[str]) -> int | None:
    """Return the number of atoms on the first line; None for a multislice file, which has a cell on the second."""
    first, second = head[0].split(), head[1].split()
    if len(first) == 1 and first[0].isdigit():
        return int(first[0])
    if len(second) == 3 and all(re.fullmatch(r"[-+.\deE]+", number) for number in second):
        return None
    raise Refusal(
        "bad_coordinates",
        expected="the number of atoms on the first line",
        got=shortened(repr(head[0]), 80),
        advice="Write the file as xyz: number of atoms, a comment, then symbol x y z on each line.",
    )


def _symbol(text: str) -> str:
    """Return the chemical symbol of a name or an atomic number; ``X`` if it is neither."""
    from ase.data import atomic_numbers, chemical_symbols

    if text.isdigit() and 0 < int(text) < len(chemical_symbols):
        return chemical_symbols[int(text)]
    return text.capitalize() if text.capitalize() in atomic_numbers else "X"
