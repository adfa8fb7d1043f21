"""What could not be accepted: kept with its reason, under names that can do no harm."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from nanodefect_assets.domain.keys import BATCH_PATTERN
from nanodefect_assets.domain.manifest import RefusedFile
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.batch_yaml import MAX_BYTES
from nanodefect_assets.stores.files import locked, make_folder, remove_drafts, sync_tree, write_atomically
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.landing import BATCH_YAML, LandedFile

REASON = "reason.json"
_KIND = "nanodefect/quarantine"
_VERSION = 1
_LOCK = ".lock"
_LONGEST_PART = 200
_LONGEST_PATH = 1024
_SHARE_OF_FREE_SPACE = 0.5
"""Refused files larger than this share of what is free stay where they are: a hostile file must not fill the disk."""


def quarantine_name(name: str) -> str:
    """Return a harmless name for any `name`: itself if it is a batch key, else a slug of it and part of its hash."""
    if BATCH_PATTERN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"{slug or 'unnamed'}-{digest}"


def quarantine_path(path: str) -> str:
    """Return where a refused file goes below its folder: its own path if that is an ordinary one, else a safe name."""
    parts = path.split("/")
    is_ordinary = path.isprintable() and len(path.encode("utf-8", "surrogatepass")) <= _LONGEST_PATH
    is_short = all(len(part.encode("utf-8", "surrogatepass")) <= _LONGEST_PART for part in parts)
    is_inside = not path.startswith("/") and not {"", ".", ".."} & set(parts)
    return path if is_ordinary and is_short and is_inside and path != REASON else quarantine_name(path)


def set_aside(
    home: Home, name: str, fingerprint: str, source: Path, refused: Mapping[LandedFile | str, RefusedFile]
) -> Path:
    """Keep refused files with their reasons and return the folder; done before for the same bytes, it is left as it is.

    Parameters
    ----------
    home : Home
        Home whose quarantine is meant.
    name, fingerprint : str
        Name of the batch or of its folder, whatever it is, and fingerprint of what came.
    source : Path
        Folder that it came in.
    refused : mapping
        Refused files, as found in the source, or their path alone where there is nothing that can be copied.
    """
    folder = home.quarantine / quarantine_name(name) / fingerprint[:12]
    with locked(home.quarantine / _LOCK):
        if not (folder / REASON).is_file():
            make_folder(folder)
            reasons = [
                {**reason.model_dump(), "kept_as": _keep(source, file, folder)} for file, reason in refused.items()
            ]
            _write_reason(folder, name, source, reasons)
    return folder


def _keep(source: Path, file: LandedFile | str, folder: Path) -> str | None:
    """Copy a refused file and return its path in quarantine; None if it stays where it came."""
    if isinstance(file, str) or not file.is_regular:
        return None
    if file.size_bytes > _SHARE_OF_FREE_SPACE * shutil.disk_usage(folder).free:
        return None
    kept_as = quarantine_path(file.path)
    target = folder / kept_as
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source / file.path, target)
    except (PermissionError, FileNotFoundError):  # It may not be read: the reason says so, and it stays where it came.
        return None
    return kept_as


def refuse_batch(home: Home, source: Path, refusal: Refusal, fingerprint: str = "") -> Path:
    """Note that a whole batch was refused and return the folder that says why; its files stay where they came.

    Parameters
    ----------
    home : Home
        Home whose quarantine is meant.
    source : Path
        Folder that the batch came in; its name may be anything.
    refusal : Refusal
        Why.
    fingerprint : str
        Fingerprint of what came; without it, one of the reason.
    """
    digest = fingerprint or hashlib.sha256(str(refusal).encode("utf-8", "backslashreplace")).hexdigest()
    folder = home.quarantine / quarantine_name(source.name) / digest[:12]
    reason = {"path": refusal.file or source.name, "reason": refusal.reason, "expected": refusal.expected}
    with locked(home.quarantine / _LOCK):
        if not (folder / REASON).is_file():
            make_folder(folder)
            _copy_batch_yaml(source, folder)
            _write_reason(folder, source.name, source, [{**reason, "got": refusal.got, "advice": refusal.advice}])
    return folder


def _copy_batch_yaml(source: Path, folder: Path) -> None:
    spec = source / BATCH_YAML
    if spec.is_file() and not spec.is_symlink() and spec.stat().st_size <= MAX_BYTES:
        shutil.copyfile(spec, folder / BATCH_YAML)


def _write_reason(folder: Path, name: str, source: Path, refused: Iterable[Mapping[str, str | None]]) -> None:
    record = {"kind": _KIND, "version": _VERSION, "batch": name, "source": str(source), "refused": list(refused)}
    remove_drafts(folder / REASON)
    sync_tree(folder)  # who finds the reason takes the copies for whole
    write_atomically(folder / REASON, json.dumps(record, indent=1).encode())
