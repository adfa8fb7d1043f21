"""Labelled atoms as extended xyz, for OVITO, ASE and everything else that reads it."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from jaxtyping import Float, Int

from nanodefect_assets.domain.atom_order import TEMPLATES, AtomOrder
from nanodefect_assets.domain.grain_map import GrainMap
from nanodefect_assets.domain.traced_atoms import TracedAtoms
from nanodefect_assets.stores.files import write_atomically


def write_labelled_atoms(
    path: Path, species: Sequence[str], order: AtomOrder, grain_map: GrainMap | None = None
) -> None:
    """Write atoms with their order, scores, grain and defect.

    Parameters
    ----------
    path : Path
        File, ending in ``.extxyz`` or ``.xyz``.
    species : sequence of str
        Chemical symbol of each atom; ``X`` where it is not known.
    order : AtomOrder
        Positions, classes and scores.
    grain_map : GrainMap or None
        Grains (-1 for none) and defects.

    Raises
    ------
    ValueError
        If there is not one symbol per atom, or a symbol is no element.
    """
    atoms = _atoms_of(species, order.positions_angstrom)
    atoms.set_array("order", order.order.astype(str))
    for column, name in enumerate(TEMPLATES):
        atoms.set_array(f"{name}_score", order.scores[:, column])
    atoms.set_array("coordination", order.coordination.astype(np.int64))
    if grain_map is not None:
        atoms.set_array("grain", grain_map.grain.astype(np.int64))
        atoms.set_array("defect", grain_map.defect.astype(str))
    _write(path, atoms)


def write_traced_atoms(
    path: Path, species: Sequence[str], traced: TracedAtoms, intensity_class: Int[np.ndarray, " atom"]
) -> None:
    """Write traced atoms with the standard deviation of each position, in pm, and their intensities."""
    atoms = _atoms_of(species, traced.positions_angstrom)
    atoms.set_array("sigma_pm", traced.sigma_pm)
    atoms.set_array("intensity", traced.intensity)
    atoms.set_array("intensity_sigma", traced.intensity_sigma)
    atoms.set_array("intensity_class", intensity_class.astype(np.int64))
    _write(path, atoms)


def _atoms_of(species: Sequence[str], positions_angstrom: Float[np.ndarray, "atom 3"]) -> Atoms:
    if len(species) != len(positions_angstrom):
        raise ValueError(f"Expected a chemical symbol for each of {len(positions_angstrom)} atoms. Got {len(species)}.")
    try:
        return Atoms(symbols=list(species), positions=positions_angstrom)
    except KeyError as error:
        raise ValueError(f"Expected chemical symbols, X where not known. Got {error}.") from error


def _write(path: Path, atoms: Atoms) -> None:
    text = StringIO()
    write(text, atoms, format="extxyz")
    write_atomically(path, text.getvalue().encode())


def read_labelled_atoms(path: Path) -> Atoms:
    """Read atoms that `write_labelled_atoms` wrote; the labels are the arrays of the result.

    Raises
    ------
    ValueError
        If the file holds no order.
    """
    atoms = read(path, format="extxyz")
    if not isinstance(atoms, Atoms) or "order" not in atoms.arrays:
        raise ValueError(f"Expected labelled atoms with a column 'order' in {path.name}. Got none.")
    return atoms
