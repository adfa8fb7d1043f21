"""Writing files so that nobody ever reads half of one, and locks that die with their process."""

import fcntl
import glob
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

_CHUNK_BYTES = 1 << 20


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        yield


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def seal_folder(folder: Path) -> str:
    """Bring every file below `folder` to the disk and return one SHA-256 over their names and bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if len(paths) > 1:
        with ThreadPoolExecutor() as threads:
            digests = list(threads.map(_seal, paths))
    else:
        digests = [_seal(path) for path in paths]
    total = hashlib.sha256()
    for path, digest in zip(paths, digests, strict=True):
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()


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
