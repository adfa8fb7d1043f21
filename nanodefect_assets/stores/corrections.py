"""Corrections by people: ``raw/<batch>/corrections/0001.json`` and so on, added and never edited."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nanodefect_assets.domain.correction import (
    Correction,
    CorrectionSheet,
    apply_corrections,
    changes_nothing,
    check_applies,
    check_pixel_size,
    files_named,
    in_force,
    new_id_of,
)
from nanodefect_assets.domain.keys import Place, check_batch_key
from nanodefect_assets.domain.manifest import Manifest, ManifestFile
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.domain.schemas import CORRECTIONS
from nanodefect_assets.stores.batch_yaml import parse_batch_yaml, read_sheet
from nanodefect_assets.stores.files import copy_hashing, locked, make_folder, sha256_of, sync_tree, write_atomically
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.landing import BATCH_YAML
from nanodefect_assets.stores.revision_writer import link_file
from nanodefect_assets.stores.revisions import (
    FILES,
    accepted_batches,
    batch_folder,
    current_manifest,
)

CORRECTIONS_ENDING = ".corrections.yaml"
"""How the name of a file of corrections in the landing folder ends."""

SAID_ALREADY = "said_already"
"""Reason of the refusal of an entry that would change nothing."""

_FOLDER = "corrections"
_ID_LINE = re.compile(r"^batch\s*:.*$", re.MULTILINE)


def read_corrections(home: Home, batch: str) -> tuple[Correction, ...]:
    """Return the corrections of a batch, in order."""
    paths = sorted((batch_folder(home, batch) / _FOLDER).glob("[0-9]*.json"))
    return tuple(Correction.model_validate_json(path.read_bytes()) for path in paths)


def manifest_in_force(home: Home, batch: str) -> Manifest | None:
    """Return the manifest of a batch as people have put it right; None if nothing of the batch was accepted."""
    manifest = current_manifest(home, batch)
    return None if manifest is None else apply_corrections(manifest, read_corrections(home, batch))


def existing_cells(home: Home) -> list[Place]:
    """Return the samples that exist, by the manifests in force."""
    manifests = (manifest_in_force(home, batch) for batch in accepted_batches(home))
    return [cell for manifest in manifests if manifest is not None for cell in manifest.cells()]


def add_correction(
    home: Home,
    batch: str,
    *,
    kind: str,
    reason: str,
    author: str,
    target: str | None = None,
    value: str | None = None,
    mask: Path | None = None,
    table: Path | None = None,
    source_sha256: str | None = None,
    source_entry: int | None = None,
) -> Correction:
    """Add an entry to the corrections of a batch.

    Parameters
    ----------
    home : Home
        Home that holds the batch.
    batch : str
        Batch that was accepted.
    kind, reason, author, target, value, source_sha256, source_entry : str or int
        As in `Correction`.
    mask : Path or None
        For `mask`: the image drawn by hand; it is copied to the corrections.
    table : Path or None
        For `alignment`: the table that holds instead of the computed one; it is copied too.

    Raises
    ------
    Refusal
        If there is no such batch, if the entry is not whole, if it is about nothing in the batch, or if it says what
        holds already.
    """
    manifest = current_manifest(home, batch)
    if manifest is None:
        advice = "See which there are: nanodefect status."
        raise Refusal("no_such_batch", expected="a batch that was accepted", got=batch, advice=advice)
    if kind == "calibration" and value is not None:
        check_pixel_size(value)
    folder = batch_folder(home, batch) / _FOLDER
    with locked(batch_folder(home, batch) / ".corrections.lock"):
        number = len(read_corrections(home, batch)) + 1
        given = table if mask is None else mask
        kept = None if given is None else f"{number:04d}-{given.name}"
        correction = _entry(
            number=number,
            kind=kind,
            target=target,
            value=value if kept is None else kept,
            reason=reason,
            author=author,
            made_at=datetime.now(UTC),
            source_sha256=source_sha256,
            source_entry=source_entry,
        )
        earlier = read_corrections(home, batch)
        check_applies(correction, manifest, earlier)
        _check_news(folder, correction, manifest, earlier, given)
        if correction.kind == "rename":
            _check_free(home, str(correction.value))
        make_folder(folder)
        if given is not None and kept is not None:
            _keep(given, folder / kept, correction.among(manifest.files)[0], correction.kind)
        write_atomically(folder / f"{number:04d}.json", correction.model_dump_json(indent=1).encode())
    return correction


def _entry(**fields: object) -> Correction:
    try:
        return Correction.model_validate(fields)
    except ValidationError as error:
        raise Refusal("bad_correction", expected="a whole correction", got=_described(error)) from error


def _described(error: ValidationError) -> str:
    """Say what is wrong with an entry, without the words of a program."""
    details = error.errors()
    fields = (".".join(map(str, detail["loc"])) for detail in details)
    messages = map(_message, details)
    said = (f"{field}: {text}" if field else text for field, text in zip(fields, messages, strict=True))
    return shortened("; ".join(said), 300)


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "string_too_short":
        return f"{detail['input']!r}, which has fewer than {detail.get('ctx', {})['min_length']} characters"
    return detail["msg"].removeprefix("Value error, ")


def _check_news(
    folder: Path, correction: Correction, manifest: Manifest, earlier: Sequence[Correction], given: Path | None
) -> None:
    """Refuse an entry that says again what an earlier one made so; files are compared by their bytes."""
    if given is not None:
        kept = {sha256_of(folder / str(entry.value)): entry.value for entry in earlier if entry.kind == correction.kind}
        correction = correction.model_copy(update={"value": kept.get(sha256_of(given), correction.value)})
    if (before := changes_nothing(correction, manifest, earlier)) is not None:
        raise Refusal(
            SAID_ALREADY,
            expected="something that does not hold yet",
            got=f"{correction.kind} {correction.target or manifest.batch}, so since correction {before.number}",
            advice="Nothing was recorded and nothing needs to be made again.",
        )


def _check_free(home: Home, batch: str) -> None:
    if current_manifest(home, check_batch_key(batch)) is not None or read_corrections(home, batch):
        raise Refusal("batch_exists", expected="an id that no batch has", got=batch)


def _keep(given: Path, target: Path, file: ManifestFile, kind: str) -> None:
    """Copy a mask or a table of an alignment to the corrections, if it can be of the file."""
    if kind == "mask":
        _keep_mask(given, target, file.shape)
        return
    from nanodefect_assets.stores.alignments import read_given_alignment

    read_given_alignment(given, file.tilt_angles_deg or ())
    copy_hashing(given, target)


def _keep_mask(mask: Path, target: Path, shape: tuple[int, ...] | None) -> None:
    from nanodefect_assets.stores.labels import check_drawn, read_label_image

    labels = read_label_image(mask)
    check_drawn(labels, mask.name)
    found = labels.shape
    if found != shape:
        expected = f"a mask of the micrograph's shape {shape}"
        raise Refusal("mask_shape", expected=expected, got=f"{found}", file=mask.name)
    copy_hashing(mask, target)


def mask_path(home: Home, batch: str, file: ManifestFile) -> Path | None:
    """Return the mask that was drawn by hand for a micrograph, or None."""
    return None if file.drawn_mask is None else batch_folder(home, batch) / _FOLDER / file.drawn_mask


def alignment_path(home: Home, batch: str, file: ManifestFile) -> Path | None:
    """Return the table of an alignment that a person gave for a tilt series, or None."""
    return None if file.given_alignment is None else batch_folder(home, batch) / _FOLDER / file.given_alignment


def renamed_source(home: Home, batch: str, new_id: str) -> Path:
    """Lay a renamed batch out as it came, under its new id, to be accepted like any other; its corrections go along.

    The files are linked, not copied. Done again after it was interrupted, it ends the same.

    Raises
    ------
    Refusal
        If the id in batch.yaml cannot be replaced.
    """
    manifest = current_manifest(home, batch)
    if manifest is None:
        raise Refusal("no_such_batch", expected="a batch that was accepted", got=batch)
    revision = batch_folder(home, batch) / manifest.revision
    target = batch_folder(home, batch) / _FOLDER / "renamed"
    for path in sorted((revision / FILES).rglob("*")):
        copy = target / path.relative_to(revision / FILES)
        if path.is_file() and not copy.exists():
            make_folder(copy.parent)
            if not link_file(path, copy):
                copy_hashing(path, copy)
    spec = (revision / BATCH_YAML).read_text(encoding="utf-8-sig")
    text, n_replaced = _ID_LINE.subn(f"batch: {new_id}", spec, count=1)
    if n_replaced != 1 or parse_batch_yaml(text).batch != new_id:
        advice = "Drop the batch again under its new id, and retract the old one."
        raise Refusal("id_not_found", expected="a line 'batch: ...' in batch.yaml", got="none", advice=advice)
    _hand_on(home, batch, new_id)
    sync_tree(target)
    write_atomically(target / BATCH_YAML, text.encode())
    return target


def _hand_on(home: Home, batch: str, new_id: str) -> None:
    """Let the corrections of a batch hold for its new id too."""
    source, target = (batch_folder(home, key) / _FOLDER for key in (batch, new_id))
    make_folder(target)
    for correction in read_corrections(home, batch):
        if correction.kind == "rename":
            continue
        if correction.has_file and correction.value is not None:
            copy_hashing(source / correction.value, target / correction.value)
        write_atomically(target / f"{correction.number:04d}.json", correction.model_dump_json(indent=1).encode())


def unfinished_renames(home: Home) -> dict[str, str]:
    """Return the batches that were renamed and of which nothing was accepted yet under the new id, with that id."""
    found = {batch: new_id_of(read_corrections(home, batch)) for batch in accepted_batches(home)}
    return {batch: new_id for batch, new_id in found.items() if new_id and current_manifest(home, new_id) is None}


def correction_rows(home: Home) -> pd.DataFrame:
    """Return the rows of `CORRECTIONS` of every batch."""
    rows = [row for batch in accepted_batches(home) for row in _rows(batch, read_corrections(home, batch))]
    return pd.DataFrame(rows, columns=list(CORRECTIONS.names))


def _rows(batch: str, corrections: Sequence[Correction]) -> list[dict[str, object]]:
    numbers = in_force(corrections)
    return [
        {
            "synthesis_batch": batch,
            "is_in_force": correction.number in numbers,
            **correction.model_dump(exclude={"source_sha256", "source_entry"}),
        }
        for correction in corrections
    ]


def idle_corrections(home: Home) -> dict[str, list[int]]:
    """Return, by batch, the corrections in force that are about no file of the batch any more."""
    idle: dict[str, list[int]] = {}
    for batch in accepted_batches(home):
        manifest, corrections = current_manifest(home, batch), read_corrections(home, batch)
        numbers = in_force(corrections)
        for correction in corrections:
            if manifest is not None and correction.number in numbers and not _is_about_something(correction, manifest):
                idle.setdefault(batch, []).append(correction.number)
    return idle


def _is_about_something(correction: Correction, manifest: Manifest) -> bool:
    return correction.target is None or bool(correction.among(manifest.files))


def landed_corrections(home: Home) -> list[Path]:
    """Return the files of corrections that lie in the landing folder, in order."""
    return sorted(path for path in home.landing.glob(f"*{CORRECTIONS_ENDING}") if path.is_file())


def add_corrections_of(home: Home, path: Path) -> tuple[str, tuple[Correction, ...]]:
    """Add the entries of a file of corrections; those that were added before, or say what holds, are passed over.

    Returns
    -------
    str, tuple of Correction
        The batch, and the entries that were added now.

    Raises
    ------
    Refusal
        If the file cannot be understood or an entry is about nothing; entries before that one are kept.
    """
    sheet = read_sheet(path, CorrectionSheet)
    digest = sha256_of(path)
    known = {entry.source_entry for entry in read_corrections(home, sheet.batch) if entry.source_sha256 == digest}
    added: list[Correction] = []
    for number, line in enumerate(sheet.corrections):
        if number in known:
            continue
        try:
            added.append(
                add_correction(
                    home,
                    sheet.batch,
                    kind=line.kind,
                    target=line.target,
                    value=line.value,
                    mask=None if line.mask is None else _beside(path, line.mask),
                    table=None if line.table is None else _beside(path, line.table),
                    reason=line.reason,
                    author=line.author or sheet.author,
                    source_sha256=digest,
                    source_entry=number,
                )
            )
        except Refusal as refusal:
            if refusal.reason != SAID_ALREADY:
                raise
    return sheet.batch, tuple(added)


def _beside(path: Path, name: str) -> Path:
    """Return a file that lies beside the file of corrections; no path leads elsewhere."""
    mask = path.parent / Path(name).name
    if Path(name).name != name or mask.is_symlink() or not mask.is_file():
        raise Refusal("no_such_file", expected="a file beside the file of corrections", got=repr(name), file=path.name)
    return mask


def count_corrections(home: Home) -> dict[str, int]:
    """Return how many corrections each batch has that has any."""
    counts: dict[str, int] = {}
    for path in home.raw.glob(f"*/{_FOLDER}/[0-9]*.json"):
        batch = path.parts[-3]
        counts[batch] = counts.get(batch, 0) + 1
    return dict(sorted(counts.items()))


def files_about(home: Home, batch: str, target: str) -> tuple[ManifestFile, ...]:
    """Return the files in force that a path or pattern names; none if nothing of the batch was accepted."""
    manifest = manifest_in_force(home, batch)
    return () if manifest is None else files_named(manifest.files, target)
