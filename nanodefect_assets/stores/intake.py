"""Taking a batch in: read, checked, hashed and copied into ``raw``; killed anywhere and run again, it ends the same.

Nothing in the landing folder is ever changed. Of what is refused a copy goes to quarantine, with the reason.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Manifest, RefusedFile
from nanodefect_assets.domain.manifest_changes import changed_cells
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.arrival import Arrival, take_in
from nanodefect_assets.stores.arrivals import Arrived, record_arrival
from nanodefect_assets.stores.batch_yaml import read_batch_yaml
from nanodefect_assets.stores.files import locked
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.intake_replacing import check_goes_on
from nanodefect_assets.stores.landing import BATCH_YAML, Survey, survey
from nanodefect_assets.stores.probing import Probe, probe_entry
from nanodefect_assets.stores.quarantine import refuse_batch
from nanodefect_assets.stores.revision_writer import put_in_force
from nanodefect_assets.stores.revisions import current_manifest, latest_manifest

_LOCK = ".intake.lock"


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What became of a batch.

    Attributes
    ----------
    manifest : Manifest
        What is accepted of it now.
    is_new_revision : bool
        Whether it differs from what was accepted before.
    changed : tuple of Place
        Samples whose files, acquisition or conditions differ from before, new ones included.
    """

    manifest: Manifest
    is_new_revision: bool
    changed: tuple[Place, ...]

    @property
    def refused(self) -> tuple[RefusedFile, ...]:
        """Files that were not accepted."""
        return self.manifest.refused


def accept_batch(
    home: Home,
    source: Path,
    on_step: OnStep = ignore_progress,
    *,
    probe: Probe = probe_entry,
    may_replace: bool = True,
) -> Intake:
    """Take the batch that lies in `source` in; equal content is a recorded no-op.

    Parameters
    ----------
    home : Home
        Home that takes it.
    source : Path
        Folder that holds batch.yaml and the files; only read.
    on_step : callable
        Told how far the work has come.
    probe : callable
        Reads the header of a file.
    may_replace : bool
        Whether it may keep no file of what was accepted under its name before.

    Raises
    ------
    Refusal
        If nothing of the batch can be accepted, if it still changes, or if it is another that it may not replace.
    OSError
        If the disk is full; run again, it goes on where it stopped.
    """
    seen, spec, batch_yaml = read_landed(home, source)
    if not may_replace:
        check_goes_on(home, source, spec, seen)
    arrival = Arrival(home=home, source=source, seen=seen, spec=spec, batch_yaml=batch_yaml, on_step=on_step)
    with _full_disk_explained(home), locked(arrival.folder / _LOCK):
        before, latest = current_manifest(home, spec.batch), latest_manifest(home, spec.batch)
        manifest = take_in(arrival, latest, probe)
        if manifest != before:
            put_in_force(home, spec.batch, manifest.revision)
        intake = Intake(manifest=manifest, is_new_revision=manifest != before, changed=changed_cells(before, manifest))
        record_arrival(home, spec.batch, _arrived(source, intake))
    return intake


def read_landed(home: Home, source: Path) -> tuple[Survey, BatchSpec, bytes]:
    """Return what lies in the folder of a batch, what its batch.yaml says, and the bytes that say so.

    Raises
    ------
    Refusal
        If it cannot be understood; the quarantine then says so.
    """
    if not source.is_dir():
        raise Refusal("no_such_folder", expected="the folder of a batch", got="none there", file=str(source))
    try:
        seen = survey(source)
    except Refusal as refusal:
        refuse_batch(home, source, refusal)
        raise
    try:
        if (source / BATCH_YAML).is_symlink():
            raise Refusal("no_batch_yaml", expected="batch.yaml as a plain file", got="a link", file=BATCH_YAML)
        spec, content = read_batch_yaml(source / BATCH_YAML)
        _check_folder_name(home, source, spec)
    except Refusal as refusal:
        refuse_batch(home, source, refusal, seen.fingerprint)
        raise
    return seen, spec, content


def _check_folder_name(home: Home, source: Path, spec: BatchSpec) -> None:
    is_landing = source.absolute().parent == home.landing.absolute()
    if is_landing and source.name != spec.batch:
        raise Refusal(
            "wrong_batch",
            expected=f"the id of the folder, {source.name!r}",
            got=f"batch: {spec.batch}",
            file=BATCH_YAML,
            advice="Give the folder in landing the batch's id as its name, or mend `batch`.",
        )


def _arrived(source: Path, intake: Intake) -> Arrived:
    return Arrived(
        at=datetime.now(UTC),
        source=str(source),
        revision=intake.manifest.revision,
        fingerprint=intake.manifest.fingerprint,
        is_new_revision=intake.is_new_revision,
    )


@contextmanager
def _full_disk_explained(home: Home) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        advice = "Free space and run the intake again: it goes on where it stopped."
        raise OSError(error.errno, f"The disk that holds {home.root} is full ({error.strerror}). {advice}") from error
