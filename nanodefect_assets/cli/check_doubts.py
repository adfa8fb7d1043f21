"""What `nanodefect check` doubts of files that would be accepted: they can be read, and may still not be meant so."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np

from nanodefect_assets.domain.anchors import Anchor
from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.domain.condition_units import unit_doubts
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import sha256_of
from nanodefect_assets.stores.intake_plan import Plan, PlannedFile

PLAUSIBLE_NM: dict[str, tuple[float, float]] = {
    "hrtem": (0.002, 0.18),
    "hrstem": (0.002, 2.0),
    "tilt_series": (0.005, 5.0),
    "sem": (0.1, 1000.0),
}
"""Usual pixel sizes. Above 0.18 nm not even the widest lattice planes of metals and II-VI crystals (0.35 nm) show."""

_MOST_NAMED = 10
_PEEK_BYTES = 65_536


def doubts(folder: Path, spec: BatchSpec, plan: Plan) -> Iterator[str]:
    """Return the lines of what a person should look at before the batch is dropped."""
    yield from (f"conditions, {doubt}" for doubt in unit_doubts(spec.condition_rows()))
    yield from _lost_anchors(spec, plan.files)
    yield from _odd_pixel_sizes(plan.files)
    yield from _same_bytes(folder, plan.files)
    for file in plan.files:
        if file.facts.kind == "particle_table":
            yield from _lost_classes(folder, file, plan.files)


def _lost_anchors(spec: BatchSpec, files: Sequence[PlannedFile]) -> Iterator[str]:
    """Say which particles of known hand lie on no scanning micrograph: else it shows only after a training."""
    shapes = {file.path: file.facts.shape[-2:] for file in files if file.entry.modality == "sem"}
    for text in () if spec.chirality is None else spec.chirality.anchors:
        anchor = Anchor.of_text(text)
        shape = shapes.get(anchor.path.partition("@")[0])
        if shape is None:
            yield f"chirality, anchor {text!r}: no SEM image of this path would be accepted"
        elif anchor.position_px is not None and not np.all(np.less(anchor.position_px, shape)):
            yield f"chirality, anchor {text!r}: beyond the image of {shape[0]} rows and {shape[1]} columns"


def _odd_pixel_sizes(files: Sequence[PlannedFile]) -> Iterator[str]:
    of_size: dict[tuple[str, float], list[str]] = {}
    for file in files:
        size_nm, usual = file.agreed.acquisition.pixel_size_nm, PLAUSIBLE_NM.get(file.entry.modality)
        if size_nm is not None and usual is not None and not usual[0] <= size_nm <= usual[1]:
            of_size.setdefault((file.entry.modality, size_nm), []).append(file.path)
    for (modality, size_nm), paths in of_size.items():
        low, high = PLAUSIBLE_NM[modality]
        why = ": no lattice can be seen" if modality == "hrtem" and size_nm > high else ""
        yield f"{_named(paths)}: {size_nm:g} nm/px is unusual for {modality}, {low:g} to {high:g}{why}"


def _same_bytes(folder: Path, files: Sequence[PlannedFile]) -> Iterator[str]:
    """Name images that are the same file twice; only those of one size and beginning are read whole."""
    modality = {file.path: file.entry.modality for file in files}
    peeked: dict[tuple[int, bytes], list[str]] = {}
    for file in files:
        if file.entry.modality in (*MODALITIES, "tilt_series", "coordinates"):
            peeked.setdefault((file.size_bytes, _peek(folder / file.path)), []).append(file.path)
    for alike in (paths for paths in peeked.values() if len(paths) > 1):
        same: dict[str, list[str]] = {}
        for path in alike:
            same.setdefault(sha256_of(folder / path), []).append(path)
        for paths in (paths for paths in same.values() if len(paths) > 1):
            is_kept_once = {modality[path] for path in paths} <= set(MODALITIES)
            effect = "only the first is kept" if is_kept_once else f"what they show would count {len(paths)} times"
            yield f"{_named(paths)} are the same, byte for byte: {effect}"


def _peek(path: Path) -> bytes:
    with path.open("rb") as file:
        return sha256(file.read(_PEEK_BYTES)).digest()


def _lost_classes(folder: Path, file: PlannedFile, files: Sequence[PlannedFile]) -> Iterator[str]:
    """Say which rows of a table of classes would be set aside when they are read, and which classes are not known."""
    from nanodefect_assets.science.hrtem.fault_params import FaultClass
    from nanodefect_assets.stores.class_rows import class_doubts, match_class_rows
    from nanodefect_assets.stores.labels import read_particle_classes

    shapes = {
        other.path: other.facts.shape[-2:]
        for other in files
        if other.aliquot == file.aliquot and other.entry.modality in MODALITIES
    }
    table = read_particle_classes(folder / file.path)
    yield from (f"{file.path}: {doubt}" for doubt in class_doubts(table["class_name"], get_args(FaultClass)))
    matched = list(match_class_rows(table, file.path, shapes))
    lost = [(index + 2, row) for index, row in matched if isinstance(row, Refusal)]
    if lost:
        line, why = lost[0]
        said = f"{len(lost)} of {len(matched)} rows would be set aside"
        yield f"{file.path}: {said}; the first, line {line}: expected {why.expected}, got {why.got}"


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more
