"""The names in a batch's folder: which are its files, which belong to another file, which cannot be accepted."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from nanodefect_assets.domain.batch_spec import BatchSpec, FileEntry
from nanodefect_assets.domain.globs import LONGEST_PATH, is_pattern, is_relative, matches, same_form
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.landing import BATCH_YAML, LandedFile

SIDECAR_ENDINGS = (".mdoc", ".rawtlt", ".tlt", ".emi")
"""Files that describe the file beside them and hold no image of their own."""

_SERIES = re.compile(r"_\d+$")


@dataclass(frozen=True, kw_only=True)
class SortedNames:
    """The names of a folder, sorted out.

    Attributes
    ----------
    declared : dict of str to FileEntry
        Files of the batch and the entry that declares each, by path.
    owner_of : dict of str to str
        Files that belong to one of these, and to which.
    refusals : dict of str to Refusal
        What cannot be accepted, by path.
    tables : dict of str to tuple of str
        Tables of positions and all the files that each is for; `owner_of` names one of these.
    """

    declared: Mapping[str, FileEntry]
    owner_of: Mapping[str, str]
    refusals: Mapping[str, Refusal]
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def is_considered(file: LandedFile) -> bool:
    """Whether a name counts at all: batch.yaml and hidden files do not."""
    return file.path != BATCH_YAML and not file.is_hidden


def sort_names(files: Iterable[LandedFile], spec: BatchSpec) -> SortedNames:
    """Sort out the names of a folder after its batch.yaml."""
    names = [file for file in files if is_considered(file)]
    refusals = unsafe_names(names)
    unsafe = list(refusals)
    declared: dict[str, FileEntry] = {}
    undeclared: list[str] = []
    for path in (file.path for file in names if file.path not in refusals):
        try:
            entry = spec.entry_for(path)
        except Refusal as refusal:
            refusals[path] = refusal
            continue
        if entry is None:
            undeclared.append(path)
        else:
            declared[path] = entry
    tables = _owners_of_tables(declared, unsafe)
    for path, owner in _owners(declared, unsafe).items():
        for each in tables.get(path, (owner,)) if path in unsafe else ():
            refusals[each] = _sidecar_unsafe(path)
            declared.pop(each, None)
    owner_of = _owners(declared, undeclared)
    for path in undeclared:
        if path not in owner_of:
            refusals[path] = _not_declared(path)
    refusals |= _missing_files(spec, [file.path for file in names], declared)
    files_of_batch = {path: entry for path, entry in declared.items() if path not in owner_of}
    tables = _owners_of_tables(files_of_batch, owner_of)
    return SortedNames(declared=files_of_batch, owner_of=owner_of, refusals=refusals, tables=tables)


def find_sidecar(source: Path, names: SortedNames, path: str) -> Path | None:
    """Return where a file that batch.yaml names as belonging to others lies, if it is a plain file of the folder."""
    found = next((name for name in names.owner_of if same_form(name) == same_form(path)), None)
    return None if found is None else source / found


def unsafe_names(names: list[LandedFile]) -> dict[str, Refusal]:
    """Return a refusal for every name that cannot be accepted whatever it holds, by path."""
    spellings = Counter(same_form(file.path).casefold() for file in names)
    found = ((file.path, _unsafe_name(file, spellings)) for file in names)
    return {path: refusal for path, refusal in found if refusal is not None}


def _unsafe_name(file: LandedFile, spellings: Mapping[str, int]) -> Refusal | None:
    if not file.is_regular:
        return Refusal(
            "not_a_file",
            expected="a plain file",
            got="a link, pipe or device",
            file=file.path,
            advice="Copy the file itself into the batch's folder.",
        )
    if not is_relative(file.path):
        return Refusal(
            "bad_name",
            expected=f"a path of at most {LONGEST_PATH} printable characters in UTF-8, without backslashes",
            got=shortened(repr(file.path), 120),
            file=file.path,
            advice="Rename the file.",
        )
    if spellings[same_form(file.path).casefold()] > 1:
        return Refusal(
            "name_clash",
            expected="names that differ by more than upper and lower case",
            got=f"{spellings[same_form(file.path).casefold()]} files of this name",
            file=file.path,
            advice="Rename all but one: on many computers they are one file.",
        )
    return None


def _not_declared(path: str) -> Refusal:
    return Refusal(
        "not_declared",
        expected="an entry under files in batch.yaml",
        got="none that names the file",
        file=path,
        advice="Add an entry with its modality, or leave the file out.",
    )


def _sidecar_unsafe(sidecar: str) -> Refusal:
    """Return why a file goes with its sidecar: a reader would follow a link beside it."""
    return Refusal(
        "sidecar_refused",
        expected="files beside it that can be accepted",
        got=f"{sidecar!r}, which cannot",
        advice="Mend or take away that file.",
    )


def _missing_files(spec: BatchSpec, names: list[str], declared: Mapping[str, FileEntry]) -> dict[str, Refusal]:
    """Return a refusal for every entry that no name in the folder fits, and for files beside it that are not there."""
    used = {id(entry) for entry in declared.values()}
    present = {same_form(name) for name in names}
    others = [name for name in names if name not in declared]
    missing: dict[str, Refusal] = {}
    for entry in spec.files:
        if id(entry) not in used and not _fits_any(entry.path, names, present):
            missing[entry.path] = _no_such_file(entry.path, f"a file that fits the entry {entry.where}", others)
        for beside in (entry.tilt_angles_file, entry.positions):
            if beside is not None and same_form(beside) not in present:
                missing[beside] = _no_such_file(beside, f"the file that the entry {entry.where} names", others)
    return missing


def _fits_any(path: str, names: list[str], present: set[str]) -> bool:
    return same_form(path) in present or (is_pattern(path) and any(matches(path, name) for name in names))


def _no_such_file(path: str, expected: str, others: Sequence[str]) -> Refusal:
    near = get_close_matches(path, others, n=1)
    copy_it = "Copy it too (the folder holds the whole batch, earlier aliquots as well), or take the entry out."
    return Refusal(
        "no_such_file",
        expected=f"{expected} of batch.yaml",
        got="none in the folder",
        file=path,
        advice=f"Did you mean {near[0]!r}?" if near else copy_it,
    )


def _owners(declared: Mapping[str, FileEntry], undeclared: Iterable[str]) -> dict[str, str]:
    """Return to which declared file each sidecar belongs."""
    by_path = {same_form(path): path for path in declared}
    named = {
        same_form(beside): path
        for path, entry in declared.items()
        for beside in (entry.tilt_angles_file, entry.positions)
        if beside is not None
    }
    by_stem: dict[str, str] = {}
    for path in sorted(declared):
        if not path.lower().endswith(SIDECAR_ENDINGS):
            for stem in _stems(path):
                by_stem.setdefault(stem, path)
    owners: dict[str, str] = {}
    for path in (*undeclared, *declared):
        form = same_form(path)
        owner = named.get(form) or _owner(path, by_path, by_stem)
        if owner is not None and owner != path:
            owners[path] = owner
    return owners


def _owners_of_tables(declared: Mapping[str, FileEntry], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the tables of positions among `names`, and all the files that each is for."""
    owners: dict[str, list[str]] = {}
    for path, entry in declared.items():
        if entry.positions is not None:
            owners.setdefault(same_form(entry.positions), []).append(path)
    return {path: tuple(owners[same_form(path)]) for path in names if same_form(path) in owners}


def _stems(path: str) -> tuple[str, ...]:
    """Return what sidecars of a file are called, without their ending: ``a_1.ser`` belongs to ``a.emi``."""
    stem = same_form(str(PurePosixPath(path).with_suffix("")))
    return (stem, _SERIES.sub("", stem)) if path.lower().endswith(".ser") else (stem,)


def _owner(path: str, by_path: Mapping[str, str], by_stem: Mapping[str, str]) -> str | None:
    form = same_form(path)
    if path.lower().endswith(SIDECAR_ENDINGS):
        beside = str(PurePosixPath(form).with_suffix(""))
        return by_path.get(beside) or by_stem.get(beside)
    if path.lower().endswith(".ser") and path not in by_path.values():
        emi = (f"{_stems(path)[-1]}{ending}" for ending in (".emi", ".EMI"))
        return next((by_path[name] for name in emi if name in by_path), None)
    return None
