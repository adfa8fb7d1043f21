"""Read any file of a batch: its facts without its pixels, or its frames one at a time, upright.

Everything that is wrong with a file is a `Refusal`; nothing else leaves this module.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal, cast

import numpy as np

from nanodefect_assets.domain.manifest import FileModality
from nanodefect_assets.domain.rawfile import Coordinates, RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.boundary import guarded, refusing_damage
from nanodefect_assets.stores.raw.detect import detect_format
from nanodefect_assets.stores.raw.opened import Opened, with_rows_from

RowOrder = Literal["top", "bottom"]
_Opener = Callable[[Path], AbstractContextManager[Opened]]
_ROOM = "nanodefect_assets.stores.raw"
_OPENERS = {
    "tiff": (f"{_ROOM}.tiff", "open_tiff"),
    "mrc": (f"{_ROOM}.mrc", "open_mrc"),
    "dm3": (f"{_ROOM}.digitalmicrograph", "open_digitalmicrograph"),
    "dm4": (f"{_ROOM}.digitalmicrograph", "open_digitalmicrograph"),
    "hdf5": (f"{_ROOM}.hdf5", "open_hdf5"),
    "ser": (f"{_ROOM}.ser", "open_ser"),
    "emi": (f"{_ROOM}.ser", "open_emi"),
    "png": (f"{_ROOM}.picture", "open_picture"),
    "jpeg": (f"{_ROOM}.picture", "open_picture"),
}
"""Module and function that open each format; imported when a file of it comes, since some are heavy."""


def probe_file(path: Path, modality: FileModality | None = None, *, row_order: RowOrder | None = None) -> RawFacts:
    """Return what the header of a file says; pixels are read only of SER files, whose reader cannot leave them out.

    Parameters
    ----------
    path : Path
        The file. Tilt angles and SerialEM's mdoc are found beside it.
    modality : str or None
        What batch.yaml says that the file holds. For ``coordinates`` the atoms are read; for ``tilt_series`` a single
        image is refused, and so are coordinates for anything else.
    row_order : str or None
        Where the file's first row lies in the image as seen, if batch.yaml says so; else as is usual for the format.

    Raises
    ------
    Refusal
        If the file cannot be read, or is not what it should be.
    """
    if _is_coordinates(path, modality):
        return facts_of_atoms(path, read_coordinates(path))
    with refusing_damage(path), ExitStack() as stack:
        facts = _open(path, stack).facts
        _check_modality(facts, modality)
    return _ordered(_scanned(facts), row_order)


def read_frames(
    path: Path, modality: FileModality | None = None, *, row_order: RowOrder | None = None
) -> Iterator[np.ndarray]:
    """Yield the frames of a file, each of shape (row, col), one at a time, row 0 at the top of the image as seen.

    The data bar that a scanning microscope writes under its image is no image, and is left out.
    The type of the pixels is that of the file, in native byte order. A blank image is refused; frames of a stack
    are micrographs of their own, for the caller to check with `check_not_blank`, and of a tilt series alignment leaves
    out what is blank.
    Parameters are those of `probe_file`.
    """
    with ExitStack() as stack:
        with refusing_damage(path):
            opened = _open(path, stack)
            _check_modality(opened.facts, modality)
        order = row_order or opened.facts.acquisition.row_order
        is_upside_down = (order == "bottom") != opened.turns_rows
        for index, whole in enumerate(guarded(opened.frames, path)):
            frame = whole[: len(whole) - opened.facts.data_bar_rows]
            if opened.facts.kind == "image":
                check_not_blank(frame, _name(path, opened.facts, index))
            yield np.ascontiguousarray(frame[::-1]) if is_upside_down else frame


def read_image(path: Path, modality: FileModality | None = None, *, row_order: RowOrder | None = None) -> np.ndarray:
    """Return the one image of a file, of shape (row, col), upright; a stack is refused."""
    facts = probe_file(path, modality)
    if facts.kind != "image":
        raise Refusal(
            "not_a_single_image",
            expected="a single image",
            got=f"{facts.kind} of shape {facts.shape}",
            file=path.name,
            advice="Read its frames one by one, or drop the image alone.",
        )
    return next(read_frames(path, modality, row_order=row_order))


def read_coordinates(path: Path, *, scale_angstrom_per_unit: float | None = None) -> Coordinates:
    """Return the atoms of a coordinate file; see `coordinates.read_atoms`."""
    from nanodefect_assets.stores.raw.coordinates import read_atoms

    with refusing_damage(path):
        _check_text(path)
        return read_atoms(path, scale_angstrom_per_unit=scale_angstrom_per_unit)


def check_not_blank(frame: np.ndarray, name: str = "") -> None:
    """Refuse a frame whose pixels all have one value, or none that is a number; `name` is the file to blame."""
    low, high = frame.min(), frame.max()
    if low == high or (frame.dtype.kind == "f" and not np.isfinite(frame).any()):
        raise Refusal(
            "blank_image",
            expected="an image with contrast",
            got=f"the value {low} in every pixel" if low == high else "no finite value in any pixel",
            file=name,
            advice="The beam was blanked or the export went wrong: leave this image out.",
        )


def _open(path: Path, stack: ExitStack) -> Opened:
    name = detect_format(path)
    if name not in _OPENERS:
        raise Refusal("not_an_image", expected="an image", got="a text file", advice="State modality: coordinates.")
    module, function = _OPENERS[name]
    opener = cast(_Opener, getattr(import_module(module), function))
    return stack.enter_context(opener(path))


def _name(path: Path, facts: RawFacts, index: int) -> str:
    return path.name if facts.kind == "image" else f"{path.name} frame {index}"


def _is_coordinates(path: Path, modality: str | None) -> bool:
    return modality == "coordinates" or (modality is None and path.suffix.lower() in (".xyz", ".extxyz", ".cif"))


def _check_text(path: Path) -> None:
    name = detect_format(path)
    if name != "text":
        raise Refusal(
            "not_coordinates",
            expected="atoms as .xyz, .extxyz or .cif",
            got=f"a file of format {name}",
            advice="State the modality of this file in batch.yaml.",
        )


def _check_modality(facts: RawFacts, modality: str | None) -> None:
    if modality == "tilt_series" and facts.n_frames < 2:
        raise Refusal(
            "wrong_modality",
            expected="a tilt series of two or more frames",
            got=f"a single image of shape {facts.shape}",
            advice="Drop the whole stack, or state the modality of this image.",
        )


def _scanned(facts: RawFacts) -> RawFacts:
    """Return what is said of a file, of the image alone where there is a data bar."""
    if not facts.data_bar_rows:
        return facts
    *axes, n_rows, n_cols = facts.shape
    said = f"{facts.data_bar_rows} rows of a data bar at the bottom are left out"
    return replace(facts, shape=(*axes, n_rows - facts.data_bar_rows, n_cols), notes=(*facts.notes, said))


def _ordered(facts: RawFacts, row_order: RowOrder | None) -> RawFacts:
    if row_order is None:
        return facts
    return replace(facts, acquisition=with_rows_from(facts.acquisition, row_order))


def facts_of_atoms(path: Path, atoms: Coordinates) -> RawFacts:
    """Return what a coordinate file is, from the atoms that were read from it."""
    return RawFacts(
        format=path.suffix[1:].upper(),
        kind="coordinates",
        shape=atoms.positions_angstrom.shape,
        dtype=atoms.positions_angstrom.dtype.name,
        length_unit=atoms.length_unit,
        notes=(f"median distance to the nearest atom {atoms.nearest_neighbour_angstrom:.3f} angstrom",),
    )
