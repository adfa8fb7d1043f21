"""A first batch.yaml for a folder of files: what their names and metadata say is there, the rest can be filled in."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path, PurePosixPath

from nanodefect_assets.domain.batch_spec import IMAGE_MODALITIES, FileEntry
from nanodefect_assets.domain.keys import BATCH_PATTERN, aliquot_label, check_batch_key
from nanodefect_assets.domain.label_pairs import label_stem
from nanodefect_assets.domain.manifest import FileModality
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal, said_of
from nanodefect_assets.stores.intake_names import SIDECAR_ENDINGS, is_considered, unsafe_names
from nanodefect_assets.stores.intake_positions import named_files
from nanodefect_assets.stores.landing import BATCH_YAML, survey
from nanodefect_assets.stores.probing import TABLE_ENDINGS, Probe, check_readable, probe_entry
from nanodefect_assets.stores.suggestive_names import aliquot_of_name, is_called_label, modality_of_name

_NM_LINE = "length_unit: nm  # the numbers look like nanometres"
_VOXEL_LINE = 'length_unit: "??? angstrom"  # length of one unit of its numbers: the edge of a voxel; or nm, pm'
_SEM_MAKERS = ("zeiss", "helios", "quanta")

_MOST_SIZES_NAMED = 6
_MOST_SAID_ALONE = 2

_HEAD = """\
# What lies in this folder. Copy this file last: the batch is taken in when it is there and nothing changes any more.
batch: {batch}  # the name of the folder in landing
# material: Pd
# operator:
# robot_run_id:
# note:
# simulated: true  # if a computer made all of it

# conditions:  # numbers with their unit; add any field of your own
#   temperature: 90 degC
#   reagents:
#     - {{name: PVP, amount: 2.5 mL}}
#   stirring: 600 rpm

# aliquots:  # only needed for conditions of their own, or to declare them all
#   - {{time: 8 h, conditions: {{temperature: 95 degC}}}}
#   - {{time: 8 h, replicate: 2}}

files:  # every file is named by one entry; an exact path goes before patterns; modality is one of hrtem, hrstem,
  # sem, tilt_series, standard, comparison, coordinates, labels; without an aliquot it is the product at the end
"""


@dataclass(frozen=True, kw_only=True)
class _Guess:
    """What a file seems to be; files of one guess can share an entry."""

    modality: FileModality
    aliquot: str | None
    has_calibration: bool
    positions: str | None = None
    label_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class _File:
    path: str
    guess: _Guess
    facts: RawFacts


@dataclass(frozen=True, kw_only=True)
class _Trouble:
    """A file that is left out, why, and for coordinates the line about their unit to be uncommented."""

    path: str
    why: str
    unit_line: str = ""


def draft_batch_yaml(folder: Path, batch: str | None = None, *, probe: Probe = probe_entry) -> str:
    """Return a commented batch.yaml for the files in `folder`; nothing is written.

    Parameters
    ----------
    folder : Path
        Folder of the files.
    batch : str or None
        Id of the batch; without it, made from the folder's name.
    probe : callable
        Reads the header of a file.

    Raises
    ------
    Refusal
        If no file in the folder can be read.
    """
    key = check_batch_key(batch) if batch is not None else _slug(folder.absolute().name)
    files, troubles = _look(folder, probe)
    if not files and not any(map(_can_be_mended, troubles)):
        raise Refusal(
            "nothing_to_describe",
            expected="files of a microscope, or coordinates",
            got="; ".join(f"{trouble.path}: {trouble.why}" for trouble in troubles[:3]) or "an empty folder",
            file=str(folder),
        )
    files, troubles = _with_positions(folder, _with_aliquots(files), troubles)
    groups: dict[tuple[str, str], list[_File]] = {}
    for file in files:
        path = PurePosixPath(file.path)
        groups.setdefault((str(path.parent), path.suffix), []).append(file)
    entries = [line for place, group in sorted(groups.items()) for line in _entries(*place, group)]
    comments = list(_comments(troubles))
    return _HEAD.format(batch=json.dumps(key)) + "\n".join([*entries, *comments]) + "\n"


def _with_aliquots(files: list[_File]) -> list[_File]:
    """Give labels whose folders name no aliquot that of the only image of their name."""
    of_stem: dict[str, set[str | None]] = {}
    for file in files:
        if file.guess.modality in MODALITIES:
            of_stem.setdefault(PurePosixPath(file.path).stem, set()).add(file.guess.aliquot)

    def mended(file: _File) -> _File:
        file = _with_only_image(file, files)
        found = of_stem.get(label_stem(file.path), set())
        if file.guess.modality != "labels" or file.guess.aliquot is not None or len(found) != 1:
            return file
        return replace(file, guess=replace(file.guess, aliquot=next(iter(found))))

    return [mended(file) for file in files]


def _with_only_image(file: _File, files: Sequence[_File]) -> _File:
    """Give a file that is called just ``label`` the image beside it, if there is only one."""
    folder = PurePosixPath(file.path).parent
    images = [other for other in files if other.guess.modality in MODALITIES]
    beside = [image for image in images if PurePosixPath(image.path).parent == folder]
    if file.guess.modality != "labels" or not is_called_label(file.path) or len(beside) != 1:
        return file
    guess = replace(file.guess, label_of=beside[0].path, aliquot=beside[0].guess.aliquot)
    return replace(file, guess=guess)


def _with_positions(folder: Path, files: list[_File], troubles: list[_Trouble]) -> tuple[list[_File], list[_Trouble]]:
    """Give images the table of positions that names them, and take such tables off the list of what is left out."""
    table_of: dict[str, str] = {}
    images = [file.path for file in files if file.guess.modality in MODALITIES]
    for path in (trouble.path for trouble in troubles):
        if PurePosixPath(path).suffix.lower() in TABLE_ENDINGS and (folder / path).is_file():
            table_of |= dict.fromkeys(named_files(folder, path, images), path)
    placed = [
        replace(file, guess=replace(file.guess, positions=table_of.get(file.path))) if file.path in table_of else file
        for file in files
    ]
    return placed, [trouble for trouble in troubles if trouble.path not in table_of.values()]


def _can_be_mended(trouble: _Trouble) -> bool:
    """Whether a file that was left out may only lack what a person can say of it."""
    return bool(trouble.unit_line) or PurePosixPath(trouble.path).suffix.lower() in TABLE_ENDINGS


def _comments(troubles: Sequence[_Trouble]) -> Iterable[str]:
    """Return the lines about what is left out; a reason that many files share is said once."""
    of_reason: dict[str, list[_Trouble]] = {}
    for trouble in troubles:
        of_reason.setdefault(trouble.why, []).append(trouble)
    for why, alike in of_reason.items():
        if len(alike) > _MOST_SAID_ALONE and not any(map(_can_be_mended, alike)):
            yield f"  # left out: {len(alike)} files ({why}):"
            yield from (f"  #   {trouble.path}" for trouble in alike)
        else:
            yield from (line for trouble in alike for line in _left_out(trouble))


def _left_out(trouble: _Trouble) -> list[str]:
    """Return the commented entry of a file that cannot be taken in as it is, and why."""
    said = f"  # left out: {trouble.path} ({trouble.why})"
    fields = _fields_to_complete(trouble)
    if not fields:
        return [said]
    aliquot = aliquot_of_name(trouble.path)
    place = [] if aliquot is None else [f"aliquot: {aliquot_label(aliquot)}"]
    path = f"  # - path: {json.dumps(trouble.path, ensure_ascii=False)}"
    return [said, path, *(f"  #   {field}" for field in (fields[0], *place, *fields[1:]))]


def _fields_to_complete(trouble: _Trouble) -> list[str]:
    """Return the fields of an entry that would take a file in; none if nothing that a person says can."""
    if trouble.unit_line:
        return ["modality: coordinates", trouble.unit_line]
    if _can_be_mended(trouble):
        return ["modality: labels  # columns: micrograph, class, and particle or row, col"]
    return []


def write_draft(folder: Path, batch: str | None = None) -> Path:
    """Write a commented batch.yaml into `folder` and return its path.

    Raises
    ------
    Refusal
        If there is one already: it is never overwritten.
    """
    path = folder / BATCH_YAML
    text = draft_batch_yaml(folder, batch)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Refusal("batch_yaml_exists", expected="a folder without batch.yaml", got=f"{path}") from error
    return path


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    return slug if BATCH_PATTERN.fullmatch(slug) else "my-batch"


def _look(folder: Path, probe: Probe) -> tuple[list[_File], list[_Trouble]]:
    """Return what can be described, and the rest with the reason."""
    names = [file for file in survey(folder).files if is_considered(file)]
    stems = Counter(str(PurePosixPath(file.path).with_suffix("")) for file in names)
    unsafe = unsafe_names(names)
    troubles = [_Trouble(path=repr(path), why=refusal.got) for path, refusal in unsafe.items()]
    files: list[_File] = []
    for file in names:
        if file.path in unsafe or file.path.lower().endswith(SIDECAR_ENDINGS):
            continue
        try:
            files.append(_describe(folder, file.path, stems, probe))
        except Refusal as refusal:
            unit_line = _unit_line(folder, file.path, probe) if refusal.reason == "implausible_length_unit" else ""
            troubles.append(_Trouble(path=file.path, why=_why(refusal), unit_line=unit_line))
    return files, troubles


def _unit_line(folder: Path, path: str, probe: Probe) -> str:
    """Return the line that would say the unit of coordinates that are not in ångström.

    A length that is not known is no number: one that could be taken in unread would stay, whatever it is wrong by.
    """
    try:
        probe(folder / path, FileEntry(path=escape(path), modality="coordinates", length_unit="nm"))
    except Refusal:  # they are no nanometres either
        return _VOXEL_LINE
    return _NM_LINE


def why_left_out(folder: Path, path: str, *, probe: Probe = probe_entry) -> str | None:
    """Return why a draft would leave out a file of `folder`; None if it would not."""
    if path.lower().endswith(SIDECAR_ENDINGS):
        return "there would have to be an image of this name, which it goes with"
    try:
        _describe(folder, path, Counter(), probe)
    except Refusal as refusal:
        return _why(refusal)
    return None


def _why(refusal: Refusal) -> str:
    if refusal.reason == "unknown_format":
        return "in no format of images or coordinates that is known"
    advice = refusal.advice if refusal.reason == "wrong_ending" else ""  # what to do is a word
    return said_of(refusal.expected, refusal.got, advice).removesuffix(".").replace("\n", " ")


def _describe(folder: Path, path: str, stems: Counter[str], probe: Probe) -> _File:
    modality = modality_of_name(path, stems)
    check_readable(folder / path)
    facts = probe(folder / path, FileEntry(path=escape(path), modality=modality))
    if facts.kind == "tilt_series":
        modality = "tilt_series"
    elif facts.kind == "coordinates":
        modality = "coordinates"
    elif modality == "hrtem" and "STEM" in facts.format:
        modality = "hrstem"
    elif modality == "hrtem" and any(maker in facts.format.lower() for maker in _SEM_MAKERS):
        modality = "sem"
    guess = _Guess(
        modality=modality,
        aliquot=aliquot_of_name(path),
        has_calibration=facts.acquisition.pixel_size_nm is not None,
    )
    return _File(path=path, guess=guess, facts=facts)


def _entries(folder: str, ending: str, files: Sequence[_File]) -> Iterable[str]:
    """Return entries of files of one folder and ending: a pattern for most of them and exact paths for the others."""
    [(most, _)] = Counter(file.guess for file in files).most_common(1)
    usual = [file for file in files if file.guess == most]
    prefix = "" if folder == "." else f"{escape(folder)}/"
    pattern = f"{prefix}*{escape(ending)}" if ending and len(usual) > 1 else escape(usual[0].path)
    yield from _entry(pattern, usual)
    for file in files:
        if file.guess != most:
            yield from _entry(file.path, [file])


def _entry(path: str, files: Sequence[_File]) -> Iterable[str]:
    guess = files[0].guess
    yield f"  - path: {json.dumps(path, ensure_ascii=False)}" + (f"  # {len(files)} files" if len(files) > 1 else "")
    yield f"    modality: {guess.modality}"
    if guess.aliquot is not None:
        yield f"    aliquot: {aliquot_label(guess.aliquot)}"
    if guess.label_of is not None:
        yield f"    label_of: {json.dumps(guess.label_of, ensure_ascii=False)}"
    if guess.modality not in IMAGE_MODALITIES:
        return
    if guess.positions is not None:
        yield f"    positions: {json.dumps(guess.positions, ensure_ascii=False)}"
        yield "    # stage: {x: right, y: up}  # which way x and y grow in the image"
    if not guess.has_calibration:
        yield "    uncalibrated: true  # no pixel size in the files: if you know it, write instead pixel_size_nm: 0.05"
        return
    yield f"    # pixel_size_nm: {_sizes_found(files)}, from the files themselves"


def _sizes_found(files: Sequence[_File]) -> str:
    """Name every pixel size that the files of an entry say, with how many say it; only the ends of very many."""
    sizes_nm = sorted(file.facts.acquisition.pixel_size_nm or 0.0 for file in files)
    counts = Counter(f"{size_nm:.6g}" for size_nm in sizes_nm)
    if len(counts) == 1:
        return next(iter(counts))
    if len(counts) > _MOST_SIZES_NAMED:
        return f"{len(counts)} different ones, {sizes_nm[0]:.6g} to {sizes_nm[-1]:.6g}"
    return ", ".join(f"{size} ({n} of {len(files)})" for size, n in counts.items())
