"""Labelled atoms as extended xyz, for OVITO, ASE and everything else that reads it."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write

from nanodefect_assets.domain.atom_order import TEMPLATES, AtomOrder
from nanodefect_assets.domain.grain_map import GrainMap
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
    if len(species) != len(order):
        raise ValueError(f"Expected a chemical symbol for each of {len(order)} atoms. Got {len(species)}.")
    try:
        atoms = Atoms(symbols=list(species), positions=order.positions_angstrom)
    except KeyError as error:
        raise ValueError(f"Expected chemical symbols, X where not known. Got {error}.") from error
    atoms.set_array("order", order.order.astype(str))
    for column, name in enumerate(TEMPLATES):
        atoms.set_array(f"{name}_score", order.scores[:, column])
    atoms.set_array("coordination", order.coordination.astype(np.int64))
    if grain_map is not None:
        atoms.set_array("grain", grain_map.grain.astype(np.int64))
        atoms.set_array("defect", grain_map.defect.astype(str))
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
