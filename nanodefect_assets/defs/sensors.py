"""What watches: the landing folder, batches just accepted, and runs whose process is gone."""

import json
from collections.abc import Collection, Mapping
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.defs.cells import cells_to_make, made_samples
from nanodefect_assets.defs.jobs import accept_batch, make_sample
from nanodefect_assets.defs.partitions import register_places, sample_key, synthesis_batch
from nanodefect_assets.defs.reaper import end_dead_runs
from nanodefect_assets.defs.samples.intake import REFUSED_TAG
from nanodefect_assets.domain.keys import BATCH_PATTERN, Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.processes import ProcessIdentity

if TYPE_CHECKING:
    from nanodefect_assets.stores.landing import Survey

LANDING_TAG = "nanodefect/landing"
"""Tag of a run of intake: the folder in landing that it was asked for."""

STATE_TAG = "nanodefect/landing_state"
"""Tag of a run of intake: the state of that folder."""

INGEST_TAG = "nanodefect/ingest"
"""Tag of a run of `nanodefect ingest`: its process, which makes the samples of the batch itself."""

MAX_ATTEMPTS = 3
_VERSION_TAG = "nanodefect/version"
_PARTITION_TAG = "dagster/partition"
_NO_RETRIES = {"dagster/max_retries": "0"}
"""The sensor itself asks again for an intake whose process died: two parties would count the attempts apart."""

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=accept_batch,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sees batches in the landing folder that have stopped changing, and asks for their intake.",
)
def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for the intake of each batch that has its batch.yaml and did not change between two ticks."""
    home = Home.of_environment().prepare()
    before: dict[str, str] = json.loads(context.cursor or "{}")
    now = _look_at_landing(context, home)
    settled = {name: seen for name, seen in now.items() if before.get(name) == _state(seen)}
    requests = [
        request
        for name, seen in settled.items()
        if (request := _settled(context.instance, home, name, seen)) is not None
    ]
    batches = [request.partition_key for request in requests if request.partition_key]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[synthesis_batch.build_add_request(batches)] if batches else [],
        skip_reason=None if requests else _why_nothing(home, now, settled.keys()),
        cursor=json.dumps({name: _state(seen) for name, seen in now.items()}),
    )


def _why_nothing(home: Home, now: "Mapping[str, Survey | Refusal]", settled: Collection[str]) -> str:
    """Say what each kind of folder waits for, in the words that the automation page shows."""
    if not now:
        return f"No batch lies in {home.landing}."
    no_spec = [name for name, seen in now.items() if not isinstance(seen, Refusal) and not seen.has_batch_yaml]
    changing = [name for name in now if name not in settled and name not in no_spec]
    badly_named = [name for name in now if not BATCH_PATTERN.fullmatch(name) and name not in no_spec]
    groups = {
        "waiting for batch.yaml": no_spec,
        "new or still changing": changing,
        "refused, see quarantine, for a name that can be no batch id": badly_named,
    }
    said = [f"{why}: {', '.join(sorted(names)[:10])}" for why, names in groups.items() if names]
    return "; ".join(said) or f"All {len(now)} folders in {home.landing} were dealt with."


def _look_at_landing(context: dg.SensorEvaluationContext, home: Home) -> "dict[str, Survey | Refusal]":
    """Return what lies in each folder, or why it cannot be told; one folder's trouble is no other's."""
    from nanodefect_assets.stores.landing import landing_batches, survey

    now: dict[str, Survey | Refusal] = {}
    for folder in landing_batches(home):
        try:
            now[folder.name] = survey(folder)
        except Refusal as refusal:
            now[folder.name] = refusal
        except OSError as error:  # taken away meanwhile, or a file system in trouble: the next tick looks again
            context.log.warning(f"Could not look at {folder}: {error}")
    return now


def _state(seen: "Survey | Refusal") -> str:
    return str(seen) if isinstance(seen, Refusal) else seen.fingerprint


def _settled(instance: dg.DagsterInstance, home: Home, name: str, seen: "Survey | Refusal") -> dg.RunRequest | None:
    """Return the request for a folder that has stopped changing; None if there is nothing to ask for."""
    from nanodefect_assets.domain.keys import check_batch_key
    from nanodefect_assets.stores.quarantine import refuse_batch

    if isinstance(seen, Refusal):
        refuse_batch(home, home.landing / name, seen)
        return None
    if not seen.has_batch_yaml:
        return None
    if not BATCH_PATTERN.fullmatch(name):
        try:
            check_batch_key(name)
        except Refusal as refusal:
            refuse_batch(home, home.landing / name, refusal)
        return None
    return _intake_request(instance, name, seen)


def landing_tags(home: Home, folder: Path) -> dict[str, str]:
    """Return the tags of the intake of a folder in its present state; none if it does not lie in landing."""
    from nanodefect_assets.stores.landing import survey

    is_landing = folder.resolve().parent == home.landing.resolve()
    return _tags(folder.name, survey(folder)) if is_landing else {}


def _tags(name: str, seen: "Survey") -> dict[str, str]:
    return {LANDING_TAG: name, STATE_TAG: seen.fingerprint[:24], _VERSION_TAG: version("nanodefect-assets")}


def _intake_request(instance: dg.DagsterInstance, name: str, seen: "Survey") -> dg.RunRequest | None:
    """Return the request for a batch as it lies there; None if it was or is being dealt with, or failed too often.

    One intake of a batch is at work at a time. Only the runs since the folder last changed count, so that an earlier
    state, put back, is taken in again. What failed or was refused is tried again by another version of this package;
    what a person cancelled is not.
    """
    tags = _tags(name, seen)
    newest_first = instance.get_runs(RunsFilter(tags={LANDING_TAG: name}), limit=MAX_ATTEMPTS)
    if any(run.status in _UNFINISHED for run in newest_first):
        return None
    of_state = list(takewhile(lambda run: run.tags.get(STATE_TAG) == tags[STATE_TAG], newest_first))
    if any(run.status in (DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED) for run in of_state):
        return None
    failed = [run for run in of_state if run.tags.get(_VERSION_TAG) == tags[_VERSION_TAG]]
    if len(failed) >= MAX_ATTEMPTS or any(REFUSED_TAG in run.tags for run in failed):
        return None
    last = newest_first[0].run_id if newest_first else "first"
    return dg.RunRequest(run_key=f"{name} after {last}", partition_key=name, tags={**tags, **_NO_RETRIES})


@dg.sensor(
    job=make_sample,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the samples of a batch that was just accepted: those that are new or changed.",
)
def accepted_samples(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask once for each sample that a new materialisation of `samples/intake` left to be made.

    A sample waits while `nanodefect ingest` makes its batch, and while a run is at work on it that may have read older
    files.
    """
    home = Home.of_environment().prepare()
    cursor: dict[str, Any] = json.loads(context.cursor or "{}")
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(["samples", "intake"]), after_storage_id=cursor.get("after")),
        limit=50,
        ascending=True,
    )
    accepted_by = {str(record.partition_key): record.run_id for record in found.records}
    waiting: dict[str, str] = cursor.get("waiting", {})
    batches = {Place.of_sample(sample).batch or "" for sample in waiting} | accepted_by.keys()
    busy = busy_samples(context.instance)
    requests, still_waiting = [], {}
    for place in _cells_of(context.instance, home, sorted(batches)):
        intake_run_id = accepted_by.get(place.batch or "") or waiting.get(place.sample)
        if intake_run_id is None:
            continue
        if str(sample_key(place)) in busy or _is_being_ingested(context.instance, intake_run_id):
            still_waiting[place.sample] = intake_run_id
        else:
            requests.append(dg.RunRequest(partition_key=sample_key(place)))
    after = found.records[-1].storage_id if found.records else cursor.get("after")
    return dg.SensorResult(run_requests=requests, cursor=json.dumps({"after": after, "waiting": still_waiting}))


def busy_samples(instance: dg.DagsterInstance) -> set[str]:
    """Return the partition keys on which runs are at work or wait for it."""
    return {run.tags.get(_PARTITION_TAG, "") for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED))}


def _is_being_ingested(instance: dg.DagsterInstance, intake_run_id: str) -> bool:
    run = instance.get_run_by_id(intake_run_id)
    tag = None if run is None else run.tags.get(INGEST_TAG)
    return tag is not None and ProcessIdentity.of_text(tag).is_alive()


def _cells_of(instance: dg.DagsterInstance, home: Home, batches: list[str]) -> list[Place]:
    """Return the samples of batches that are to be made, known to Dagster."""
    from nanodefect_assets.stores.corrections import manifest_in_force

    manifests = (manifest_in_force(home, batch) for batch in batches)
    known = made_samples(instance)
    cells = [place for manifest in manifests if manifest for place in cells_to_make(known, home, manifest)]
    register_places(instance, tuple(cells))
    return cells


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed or whose machine was restarted.",
)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """End the runs whose process is gone."""
    ended = end_dead_runs(context.instance, Home.of_environment().prepare())
    return dg.SkipReason(
        f"Ended {len(ended)} runs whose process is gone: {', '.join(ended)}" if ended else "All runs live."
    )


changes = dg.AutomationConditionSensorDefinition(
    "changes",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes again what stands below something that changed.",
)

SENSORS = (landing, accepted_samples, dead_runs, changes)
