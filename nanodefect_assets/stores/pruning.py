"""Which old generations go: the one stated rule, and nothing that anything in force needs."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nanodefect_assets.domain.generation import Input
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.files import locked
from nanodefect_assets.stores.generations import WRITING, read_record
from nanodefect_assets.stores.home import RECORD, Home, follow_pointer

_GENERATION_NAME = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_UNFINISHED_AGE = timedelta(hours=1)
"""An unfinished folder younger than this may belong to a writer that is just about to lock it."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What pruning removed.

    Attributes
    ----------
    removed : tuple of Path
        Folders of finished generations.
    unfinished : tuple of Path
        Folders that dead writers left.
    size_bytes : int
        What they took together.
    n_kept : int
        Finished generations that stay.
    """

    removed: tuple[Path, ...]
    unfinished: tuple[Path, ...]
    size_bytes: int
    n_kept: int


def prune_generations(
    home: Home, *, keep: int = 2, younger_than_days: float = 7.0, now: datetime | None = None
) -> Pruned:
    """Remove old generations.

    What stays: the generation in force of every asset and place; whatever one in force was made from, through however
    many steps; of the others the newest `keep` of each asset and place and all younger than `younger_than_days`. What a
    dead writer left unfinished goes after an hour. Symbolic links are never followed.

    Raises
    ------
    Refusal
        If a record that is needed to tell what must stay cannot be read: then nothing is removed.
    """
    if keep < 0 or younger_than_days < 0:
        raise ValueError(f"Expected keep >= 0 and younger_than_days >= 0. Got {keep} and {younger_than_days}.")
    moment = datetime.now(UTC) if now is None else now
    needed = _needed_folders(home)
    before = moment - timedelta(days=younger_than_days)
    removed: list[Path] = []
    unfinished: list[Path] = []
    size_bytes = n_kept = 0
    for base in _bases(home.artifacts):
        with locked(base / ".pointer.lock"):
            finished, open_ones = _generations_in(base)
            old = _old_ones(finished, {*needed, follow_pointer(base)}, keep, before)
            dead = [folder for folder in open_ones if _is_dead(folder, moment - _UNFINISHED_AGE)]
            size_bytes += sum(_size_bytes(folder) for folder in (*old, *dead))
            n_kept += len(finished) - len(old)
            _remove(old, dead)
        removed += old
        unfinished += dead
    return Pruned(removed=tuple(removed), unfinished=tuple(unfinished), size_bytes=size_bytes, n_kept=n_kept)


def _remove(finished: Iterable[Path], unfinished: Iterable[Path]) -> None:
    for folder in finished:
        (folder / RECORD).unlink()  # a half-removed folder is then an unfinished one
        shutil.rmtree(folder)
    for folder in unfinished:
        shutil.rmtree(folder)


def _folders_in(folder: Path) -> list[Path]:
    """Return the real folders in `folder`, in order; symbolic links are none."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _bases(folder: Path, depth: int = 4) -> Iterator[Path]:
    """Yield the folders of group, asset, batch and aliquot: those that hold generations."""
    if depth == 0:
        yield folder
        return
    for inner in _folders_in(folder):
        yield from _bases(inner, depth - 1)


def _generations_in(base: Path) -> tuple[list[Path], list[Path]]:
    """Return the finished and the unfinished generations, oldest first: a name begins with its moment."""
    folders = [folder for folder in _folders_in(base) if _GENERATION_NAME.fullmatch(folder.name)]
    finished = [folder for folder in folders if (folder / RECORD).exists()]
    return finished, [folder for folder in folders if folder not in finished]


def _old_ones(finished: list[Path], needed: set[Path | None], keep: int, before: datetime) -> list[Path]:
    others = [folder for folder in finished if folder not in needed]
    candidates = others[: max(len(others) - keep, 0)]
    return [folder for folder in candidates if _modified_at(folder / RECORD) < before]


def _needed_folders(home: Home) -> set[Path]:
    """Return the generations in force and all that they were made from."""
    needed: set[Path] = set()
    waiting = [folder for _, _, folder in home.pointers()]
    while waiting:
        folder = waiting.pop()
        if folder not in needed:
            needed.add(folder)
            waiting += [home.folder_of(one.asset, one.place) / one.generation for one in _inputs_of(folder)]
    return needed


def _inputs_of(folder: Path) -> tuple[Input, ...]:
    if not (folder / RECORD).exists():
        return ()
    try:
        return read_record(folder).inputs
    except (OSError, ValueError) as error:
        raise Refusal(
            "unreadable_record",
            expected="a record that tells what a result was made from",
            got=shortened(" ".join(str(error).split()), 300),
            file=str(folder / RECORD),
            advice="Nothing was removed. Make the result again, or update nanodefect-assets, then prune.",
        ) from error


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)


def _is_dead(folder: Path, before: datetime) -> bool:
    """Whether an unfinished folder is old enough and locked by nobody."""
    if _modified_at(folder) >= before:
        return False
    try:
        with locked(folder / WRITING, blocking=False):
            return True
    except BlockingIOError:
        return False


def _size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
