"""One arrival of a batch: whether the same came before, and the revision that it becomes if not."""

import errno
import hashlib
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.domain.progress import OnStep, Progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import sha256_of
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.intake_names import is_considered
from nanodefect_assets.stores.intake_plan import Plan, plan_batch, printable
from nanodefect_assets.stores.landing import LandedFile, Survey, survey
from nanodefect_assets.stores.probing import Probe
from nanodefect_assets.stores.quarantine import set_aside
from nanodefect_assets.stores.revision_writer import RevisionWriter, stock_of
from nanodefect_assets.stores.revisions import batch_folder, revision_after

_N_THREADS = 2
_UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A batch that lies in a folder, to be taken in.

    Attributes
    ----------
    home : Home
        Home that takes it.
    source : Path
        Folder that it lies in.
    seen, spec : Survey, BatchSpec
        What lies there, and what its batch.yaml says.
    batch_yaml : bytes
        The batch.yaml that was read: it may be another by now.
    on_step : callable
        Told how far the work has come.
    """

    home: Home
    source: Path
    seen: Survey
    spec: BatchSpec
    batch_yaml: bytes
    on_step: OnStep

    @property
    def files(self) -> list[LandedFile]:
        """Files that count, hidden ones and batch.yaml left out."""
        return [file for file in self.seen.files if is_considered(file)]

    @property
    def folder(self) -> Path:
        """Folder of the batch's revisions."""
        return batch_folder(self.home, self.spec.batch)


def take_in(arrival: Arrival, latest: Manifest | None, probe: Probe) -> Manifest:
    """Write a new revision of a batch and return its manifest; or the last one if the same came again.

    Where files of the last one were refused they are tried again, since readers learn new formats.

    Raises
    ------
    Refusal
        If no file can be accepted, or if files change meanwhile.
    """
    known = {} if latest is None else _hash_files(arrival, {})
    if latest is not None and not latest.refused and _fingerprint(arrival, known) == latest.fingerprint:
        return latest
    plan = plan_batch(arrival.source, arrival.spec, arrival.seen, probe, arrival.on_step)
    if not plan.files:
        raise _nothing_accepted(arrival, plan, known)
    if latest is not None:
        manifest = _manifest(arrival, plan, known, latest.revision, latest)
        if manifest == latest:
            return latest
    return _write_revision(arrival, plan, latest, known)


def _hash_files(arrival: Arrival, known: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of every plain file of the source by path, those in `known` taken over."""
    paths = [file.path for file in arrival.files if file.is_regular and file.path not in known]
    digests: dict[str, str] = {}
    with ThreadPoolExecutor(_N_THREADS) as threads:
        for path, digest in zip(paths, threads.map(lambda path: _hash(arrival.source / path), paths), strict=True):
            digests[path] = digest
            arrival.on_step(Progress(task="comparing", done=len(digests), total=len(paths), detail=path))
    return {**known, **digests}


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except PermissionError:  # Refused as unreadable when it is probed.
        return _UNREADABLE


def _fingerprint(arrival: Arrival, known: Mapping[str, str]) -> str:
    digest = hashlib.sha256(f"{hashlib.sha256(arrival.batch_yaml).hexdigest()}\n".encode())
    for file in arrival.files:
        content = known[file.path] if file.is_regular else "not a file"
        digest.update(os.fsencode(file.path) + f"\0{content}\n".encode())
    return digest.hexdigest()


def _write_revision(arrival: Arrival, plan: Plan, latest: Manifest | None, known: Mapping[str, str]) -> Manifest:
    revision = revision_after(latest)
    paths = [*(file.path for file in plan.files), *plan.sidecars]
    stock = {} if latest is None else stock_of(arrival.folder / latest.revision)
    _check_space(arrival, {path for path in paths if known.get(path) not in stock})
    writer = RevisionWriter(arrival.folder / revision, arrival.source, arrival.seen.fingerprint)
    copied = writer.copy(paths, known, stock, arrival.on_step)
    digests = _hash_files(arrival, {**known, **copied})
    manifest = _manifest(arrival, plan, digests, revision, latest)
    _check_still_same(arrival)
    _set_refused_aside(arrival, plan, manifest.fingerprint)
    writer.commit(manifest, arrival.batch_yaml)
    return manifest


def _manifest(
    arrival: Arrival, plan: Plan, known: Mapping[str, str], revision: str, latest: Manifest | None
) -> Manifest:
    spec = arrival.spec
    before = {} if latest is None else {(file.path, file.sha256): file.since_revision for file in latest.files}
    return Manifest(
        batch=spec.batch,
        revision=revision,
        fingerprint=_fingerprint(arrival, known),
        material=spec.material,
        operator=spec.operator,
        robot_run_id=spec.robot_run_id,
        note=spec.note,
        chirality=spec.manifest_chirality(),
        conditions=spec.condition_rows(),
        aliquots=spec.aliquot_keys(),
        files=tuple(
            file.manifest_file(known[file.path], before.get((file.path, known[file.path]), revision))
            for file in plan.files
        ),
        refused=plan.refused,
    )


def _check_space(arrival: Arrival, paths: set[str]) -> None:
    needed = sum(file.size_bytes for file in arrival.seen.files if file.path in paths)
    free = shutil.disk_usage(arrival.folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes needed, {free:,} free")


def _check_still_same(arrival: Arrival) -> None:
    if survey(arrival.source).fingerprint != arrival.seen.fingerprint:
        raise Refusal(
            "still_changing",
            expected="a folder that stays as it is while it is read",
            got="files that changed meanwhile",
            file=arrival.source.name,
            advice="Wait until copying has ended (copy batch.yaml last), then drop it again.",
        )


def _set_refused_aside(arrival: Arrival, plan: Plan, fingerprint: str) -> None:
    if plan.refused:
        found = {printable(file.path): file for file in arrival.seen.files}
        refused = {found.get(file.path, file.path): file for file in plan.refused}
        set_aside(arrival.home, arrival.spec.batch, fingerprint, arrival.source, refused)


def _nothing_accepted(arrival: Arrival, plan: Plan, known: Mapping[str, str]) -> Refusal:
    """Set all of a batch aside and return why."""
    _set_refused_aside(arrival, plan, _fingerprint(arrival, _hash_files(arrival, known)))
    first = plan.refused[0]
    return Refusal(
        "no_file_accepted",
        expected="at least one file that can be accepted",
        got=f"{len(plan.refused)} refused; the first, {first.path}: expected {first.expected}, got {first.got}",
        file=arrival.spec.batch,
        advice=first.advice,
    )
