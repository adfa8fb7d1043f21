"""Writing one revision of a batch: every file copied is journalled, so that a killed copy goes on where it stopped."""

import errno
import json
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.domain.progress import OnStep, Progress
from nanodefect_assets.stores.files import (
    copy_hashing,
    make_folder,
    remove_drafts,
    sync_folder,
    sync_tree,
    write_atomically,
)
from nanodefect_assets.stores.home import POINTER, Home
from nanodefect_assets.stores.landing import BATCH_YAML
from nanodefect_assets.stores.revisions import FILES, MANIFEST, batch_folder

JOURNAL = "journal.jsonl"
_N_THREADS = 4
_READ_ONLY = 0o444
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
"""What file systems answer that cannot give a file a second name."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A line of the journal: a file that lies in the revision in full."""

    path: str
    sha256: str
    size_bytes: int


def read_journal(folder: Path) -> tuple[str | None, list[Copied]]:
    """Return the fingerprint of the source and what was copied; a last line cut short by a kill is left out."""
    try:
        lines = (folder / JOURNAL).read_text().split("\n")[:-1]
    except FileNotFoundError:
        return None, []
    records = [json.loads(line) for line in lines]
    return (records[0]["source"], [Copied(**record) for record in records[1:]]) if records else (None, [])


class RevisionWriter:
    """A revision being written.

    Parameters
    ----------
    folder : Path
        Where it goes: ``raw/<batch>/<revision>``.
    source : Path
        Folder that the files come from.
    fingerprint : str
        Of the source, as `survey` gives it: what an earlier try copied counts only if nothing has changed since.
    """

    def __init__(self, folder: Path, source: Path, fingerprint: str) -> None:
        self.folder = folder
        self._source = source
        found, copied = read_journal(folder)
        if found != fingerprint and folder.exists():
            shutil.rmtree(folder)
            copied = []
        make_folder(folder / FILES)
        for draft in (folder / FILES).rglob(".*.part"):
            draft.unlink()
        for name in (JOURNAL, MANIFEST):
            remove_drafts(folder / name)
        self._copied = {file.path: file for file in copied if self._is_there(file)}
        header = json.dumps({"source": fingerprint})
        lines = [header, *(json.dumps(asdict(file)) for file in self._copied.values())]
        write_atomically(folder / JOURNAL, ("\n".join(lines) + "\n").encode())

    def _is_there(self, file: Copied) -> bool:
        target = self.folder / FILES / file.path
        return target.is_file() and target.stat().st_size == file.size_bytes

    def copy(
        self, paths: Collection[str], known: Mapping[str, str], stock: Mapping[str, Path], on_step: OnStep
    ) -> dict[str, str]:
        """Bring files into the revision and return the SHA-256 of each by path.

        Parameters
        ----------
        paths : collection of str
            Paths below the source.
        known : mapping of str to str
            SHA-256 of files of the source, as far as it is known, by path.
        stock : mapping of str to Path
            Files of an earlier revision by their SHA-256: these get a second name and are not copied.
        on_step : callable
            Called after each file.
        """
        waiting = [path for path in sorted(paths) if path not in self._copied]
        for folder in {(self.folder / FILES / path).parent for path in waiting}:
            folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / JOURNAL).open("a") as journal, ThreadPoolExecutor(_N_THREADS) as threads:
            try:
                for file in threads.map(lambda path: self._bring(path, known.get(path, ""), stock), waiting):
                    journal.write(json.dumps(asdict(file)) + "\n")
                    journal.flush()
                    self._copied[file.path] = file
                    on_step(Progress(task="copying", done=len(self._copied), total=len(paths), detail=file.path))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        return {path: self._copied[path].sha256 for path in paths}

    def _bring(self, path: str, digest: str, stock: Mapping[str, Path]) -> Copied:
        target = self.folder / FILES / path
        if digest not in stock or not link_file(stock[digest], target):
            digest = copy_hashing(self._source / path, target)
            target.chmod(_READ_ONLY)
        return Copied(path=path, sha256=digest, size_bytes=target.stat().st_size)

    def commit(self, manifest: Manifest, batch_yaml: bytes) -> None:
        """Finish the revision, with the batch.yaml that its manifest was made from: from here on it counts."""
        remove_drafts(self.folder / BATCH_YAML)
        write_atomically(self.folder / BATCH_YAML, batch_yaml)
        sync_tree(self.folder)
        write_atomically(self.folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
        sync_folder(self.folder.parent)


def link_file(existing: Path, target: Path) -> bool:
    """Give `existing` a second name; False where the file system cannot."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(existing)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def stock_of(folder: Path) -> dict[str, Path]:
    """Return the files of a finished revision by their SHA-256."""
    return {file.sha256: folder / FILES / file.path for file in read_journal(folder)[1]}


def put_in_force(home: Home, batch: str, revision: str) -> None:
    """Make `revision` the one that readers see."""
    pointer = batch_folder(home, batch) / POINTER
    remove_drafts(pointer)
    write_atomically(pointer, f"{revision}\n".encode())
