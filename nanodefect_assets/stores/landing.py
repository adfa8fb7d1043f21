"""What lies in a landing folder, seen without opening a file: cheap enough for a sensor's tick."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.home import Home

BATCH_YAML = "batch.yaml"
MAX_FILES = 100_000
_JUNK = {"thumbs.db", "desktop.ini", ".ds_store"}


@dataclass(frozen=True, kw_only=True)
class LandedFile:
    """One name in a batch's folder that is not a folder.

    Attributes
    ----------
    path : str
        Path below the batch's folder, with forward slashes; bytes that are not UTF-8 as surrogates.
    size_bytes, mtime_ns : int
        Size, and time of the last change in nanoseconds since the epoch.
    is_regular : bool
        Whether it is a plain file: no link, pipe, socket or device.
    permissions : int
        Who may read, write and execute it, as in chmod.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    is_regular: bool
    permissions: int = 0o644

    @property
    def is_hidden(self) -> bool:
        """Whether the file or a folder above it is hidden, as copies under way and notes of file managers are."""
        return any(part.startswith(".") for part in self.path.split("/"))


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A folder at one moment.

    Attributes
    ----------
    fingerprint : str
        SHA-256 over paths, sizes, times and who may read; equal twice in a row means that copying has ended.
    n_files, size_bytes : int
        Files, and their size together.
    has_batch_yaml : bool
        Whether batch.yaml, which is copied last, is there.
    files : tuple of LandedFile
        The files, in the order of their paths.
    """

    fingerprint: str
    n_files: int
    size_bytes: int
    has_batch_yaml: bool
    files: tuple[LandedFile, ...] = field(repr=False)


def survey(folder: Path, limit_files: int = MAX_FILES) -> Survey:
    """Look at a batch's folder without opening a file or following a link.

    Raises
    ------
    Refusal
        If there are more than `limit_files` files, or a folder that may not be read.
    """
    found: list[LandedFile] = []
    for file in _walk(folder):
        found.append(file)
        if len(found) > limit_files:
            raise Refusal(
                "too_many_files",
                expected=f"at most {limit_files:,} files in a batch",
                got="more",
                file=folder.name,
                advice="Split the batch, or pack frames into stacks.",
            )
    files = tuple(sorted(found, key=lambda file: file.path))
    return Survey(
        fingerprint=_fingerprint(files),
        n_files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        has_batch_yaml=any(file.path == BATCH_YAML for file in files),
        files=files,
    )


def _fingerprint(files: tuple[LandedFile, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        who_reads = file.permissions & 0o444  # a file that may be read now is tried again
        facts = f"\0{file.size_bytes}\0{file.mtime_ns}\0{file.is_regular}\0{who_reads:o}\n"
        digest.update(os.fsencode(file.path) + facts.encode())
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[LandedFile]:
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            entries = list(os.scandir(folder / prefix))
        except FileNotFoundError:
            if not prefix:
                raise
            continue  # Taken away while we look: the next survey sees another folder.
        except PermissionError as error:
            raise _unreadable(prefix or folder.name) from error
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{prefix}{entry.name}/")
            elif entry.name.lower() not in _JUNK:
                yield from _landed(entry, prefix)


def _landed(entry: os.DirEntry[str], prefix: str) -> Iterator[LandedFile]:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    yield LandedFile(
        path=f"{prefix}{entry.name}",
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        is_regular=stat.S_ISREG(status.st_mode),
        permissions=stat.S_IMODE(status.st_mode),
    )


def _unreadable(folder: str) -> Refusal:
    return Refusal(
        "unreadable_folder",
        expected="folders that may be read",
        got="no permission",
        file=folder,
        advice="Give the user who runs Dagster the right to read it, for example chmod -R a+rX.",
    )


def landing_batches(home: Home) -> list[Path]:
    """Return the folders that lie in the landing folder, in order; hidden ones and links are left out."""
    try:
        entries = list(os.scandir(home.landing))
    except FileNotFoundError:
        return []
    folders = (entry for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."))
    return sorted(Path(entry.path) for entry in folders)
