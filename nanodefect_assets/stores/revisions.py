"""Accepted originals: ``raw/<batch>/<revision>/``, of which a pointer names the one in force.

A revision holds ``files/`` (read-only originals), ``batch.yaml``, ``journal.jsonl`` (what was copied, in order) and
``manifest.json``. The manifest is written last: a revision without one was never finished and does not count.
"""

import re
from pathlib import Path

from nanodefect_assets.domain.keys import check_batch_key
from nanodefect_assets.domain.manifest import Manifest, ManifestFile
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.home import POINTER, Home, follow_pointer

FILES = "files"
MANIFEST = "manifest.json"
_REVISION = re.compile(r"r(\d{4,})")


def batch_folder(home: Home, batch: str) -> Path:
    """Return the folder that holds the revisions of a batch."""
    return home.raw / check_batch_key(batch)


def current_manifest(home: Home, batch: str) -> Manifest | None:
    """Return the manifest of the revision in force, or None if nothing of the batch was accepted."""
    folder = follow_pointer(batch_folder(home, batch))
    return None if folder is None else _read_manifest(folder)


def manifest_of(home: Home, batch: str, revision: str) -> Manifest:
    """Return the manifest of one revision.

    Raises
    ------
    Refusal
        If there is no such revision, or if it was never finished.
    """
    folder = batch_folder(home, batch) / revision
    if not _REVISION.fullmatch(revision) or not (folder / MANIFEST).is_file():
        raise Refusal(
            "no_such_revision", expected=f"an accepted revision of {batch}", got=shortened(repr(revision), 40)
        )
    return _read_manifest(folder)


def _read_manifest(folder: Path) -> Manifest:
    return Manifest.model_validate_json((folder / MANIFEST).read_bytes())


def latest_manifest(home: Home, batch: str) -> Manifest | None:
    """Return the manifest of the last finished revision; it is not in force if its intake was killed at the end."""
    finished = [name for name in revisions(home, batch) if (batch_folder(home, batch) / name / MANIFEST).is_file()]
    return manifest_of(home, batch, finished[-1]) if finished else None


def revisions(home: Home, batch: str) -> list[str]:
    """Return the names of all revisions of a batch, finished or not, in order."""
    folder = batch_folder(home, batch)
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted((name for name in names if _REVISION.fullmatch(name)), key=_number)


def _number(revision: str) -> int:
    return int(revision[1:])


def revision_after(latest: Manifest | None) -> str:
    """Return the name of the revision after the last finished one."""
    return f"r{1 if latest is None else _number(latest.revision) + 1:04d}"


def accepted_batches(home: Home) -> list[str]:
    """Return the batches of which something was accepted, in order."""
    return sorted(pointer.parent.name for pointer in home.raw.glob(f"*/{POINTER}"))


def raw_path(home: Home, manifest: Manifest, file: ManifestFile) -> Path:
    """Return where the accepted original of a file lies: in the revision in which it arrived, which never goes."""
    return batch_folder(home, manifest.batch) / file.since_revision / FILES / file.path
