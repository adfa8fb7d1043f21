"""Writing files so that nobody ever reads half of one, and locks that die with their process."""

import fcntl
import glob
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

T = TypeVar("T")

_CHUNK_BYTES = 1 << 20


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it that are missing, so that their names survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` under `path`: readers see the old file or the whole new one, also after a power cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file and bring it to the disk; what a writer that was killed left of a line goes.

    Only for who holds the lock under which the file is written.
    """
    is_new = not path.exists()
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def read_lines(path: Path) -> list[bytes]:
    """Return the whole lines of a file that `append_line` wrote; none without a file."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def remove_drafts(path: Path) -> None:
    """Remove what writers of `path` left that were killed; only for who holds the lock under which it is written."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*-*"):
        draft.unlink()


@contextmanager
def locked(path: Path, *, blocking: bool = True) -> Iterator[None]:
    """Hold the lock file `path`; the lock ends with the process, however it ends.

    Raises
    ------
    BlockingIOError
        If another process holds it and `blocking` is False.
    """
    make_folder(path.parent)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        yield


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_folder(folder: Path) -> str:
    """Return one SHA-256 over the names and bytes of every file below `folder` but hidden ones."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    total = hashlib.sha256()
    for path, digest in zip(paths, _for_each(sha256_of, paths), strict=True):
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()


def sync_tree(folder: Path) -> None:
    """Make all that lies in `folder` survive a power cut: the bytes of every file, then names from below upwards."""
    files, folders = [], []
    for parent, _, names in os.walk(folder):
        folders.append(Path(parent))
        files += [Path(parent, name) for name in names]
    _for_each(_sync, files)
    for path in reversed(folders):
        _sync(path)


def _for_each(work: Callable[[Path], T], paths: Sequence[Path]) -> list[T]:
    """Apply `work`, which waits for the disk, to every path, in several threads where there are several."""
    if len(paths) < 2:
        return [work(path) for path in paths]
    with ThreadPoolExecutor() as threads:
        return list(threads.map(work, paths))


def copy_hashing(source: Path, target: Path) -> str:
    """Copy a file's bytes, bring them to the disk and return their SHA-256; `target` appears only when whole."""
    draft = target.with_name(f".{token_hex(4)}.part")
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reader, draft.open("xb") as writer:
            while chunk := reader.read(_CHUNK_BYTES):
                digest.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return digest.hexdigest()
