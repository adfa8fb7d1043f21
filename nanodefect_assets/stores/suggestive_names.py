"""What the names of files, and of the folders above them, suggest of what they hold."""

import re
from collections import Counter
from pathlib import PurePosixPath

from nanodefect_assets.domain.keys import aliquot_key
from nanodefect_assets.domain.label_pairs import label_stem
from nanodefect_assets.domain.manifest import FileModality
from nanodefect_assets.domain.refusal import Refusal

_COORDINATE_ENDINGS = (".xyz", ".extxyz", ".cif")
_TIME = re.compile(r"(?:^|[^0-9a-z.])(t\d{7}(?:-r\d{1,2})?|\d+(?:\.\d+)?\s*(?:s|min|h|d))(?![0-9a-z])", re.IGNORECASE)
_LABEL_FOLDERS = {"label", "labels", "mask", "masks", "annotation", "annotations"}
_HINTS: tuple[tuple[str, FileModality], ...] = (("sem", "sem"), ("stem", "hrstem"), ("haadf", "hrstem"))


def modality_of_name(path: str, stems: Counter[str]) -> FileModality:
    """Return the modality that the names of a file and of the folders above it suggest."""
    pure = PurePosixPath(path)
    words = re.split(r"[^a-z]+", path.lower())
    if pure.suffix.lower() in _COORDINATE_ENDINGS:
        return "coordinates"
    is_twin = pure.suffix.lower() == ".png" and stems[str(pure.with_suffix(""))] > 1
    if (
        is_twin
        or label_stem(path) != pure.stem
        or is_called_label(path)
        or _LABEL_FOLDERS & {part.lower() for part in pure.parts[:-1]}
    ):
        return "labels"
    for word, modality in _HINTS:
        if word in words:
            return modality
    return "hrtem"


def is_called_label(path: str) -> bool:
    """Whether a file has no other name than ``label``, ``mask`` or the like."""
    return PurePosixPath(path).stem.lower() in _LABEL_FOLDERS


def aliquot_of_name(path: str) -> str | None:
    """Return the aliquot that a folder above the file names: ``8h``, ``45 s``, ``t0028800``, ``end``."""
    for part in reversed(PurePosixPath(path).parts[:-1]):
        if part.lower() == "end":
            return "end"
        found = _TIME.search(part.lower())
        if found is not None:
            return _key_or_none(found[1])
    return None


def _key_or_none(time: str) -> str | None:
    try:
        return aliquot_key(time)
    except Refusal:  # A name that only looks like a time, such as 0.5 s: the user says what it is.
        return None
