"""What watches: the landing folder, batches just accepted, and runs whose process is gone."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.defs.jobs import accept_batch, make_sample
from nanodefect_assets.defs.partitions import register_places, sample_key, synthesis_batch
from nanodefect_assets.defs.reaper import end_dead_runs
from nanodefect_assets.defs.samples.intake import REFUSED_TAG
from nanodefect_assets.domain.keys import BATCH_PATTERN, Place
from nanodefect_assets.stores.home import Home

LANDING_TAG = "nanodefect/landing"
"""Tag of a run of intake: the state of the landing folder that it was asked for."""

MAX_ATTEMPTS = 3
_ATTEMPT_TAG = "nanodefect/attempt"
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
    from nanodefect_assets.stores.landing import landing_batches, survey

    home = Home.of_environment().prepare()
    before: dict[str, str] = json.loads(context.cursor or "{}")
    now = {folder.name: survey(folder) for folder in landing_batches(home)}
    settled = [name for name, seen in now.items() if seen.has_batch_yaml and before.get(name) == seen.fingerprint]
    requests = [_intake_request(context.instance, home, name) for name in settled]
    requests = [request for request in requests if request is not None]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[
            synthesis_batch.build_add_request([request.partition_key for request in requests if request.partition_key])
        ]
        if requests
        else [],
        cursor=json.dumps({name: seen.fingerprint for name, seen in now.items()}),
    )


def landing_tags(folder: Path) -> dict[str, str]:
    """Return the tags of the intake of a folder in its present state."""
    from nanodefect_assets.stores.landing import survey

    return {LANDING_TAG: f"{folder.name}:{survey(folder).fingerprint[:24]}"}


def _intake_request(instance: dg.DagsterInstance, home: Home, name: str) -> dg.RunRequest | None:
    """Return the request for a batch as it lies there; None if it was dealt with or is being dealt with."""
    if not BATCH_PATTERN.fullmatch(name):
        _refuse_name(home, home.landing / name)
        return None
    tags = landing_tags(home.landing / name)
    runs = instance.get_runs(RunsFilter(tags=tags), limit=MAX_ATTEMPTS + 5)
    if any(run.status in (*_UNFINISHED, DagsterRunStatus.SUCCESS) or REFUSED_TAG in run.tags for run in runs):
        return None
    attempt = len(runs) + 1
    if attempt > MAX_ATTEMPTS:
        return None
    return dg.RunRequest(
        run_key=f"{tags[LANDING_TAG]}:{attempt}", partition_key=name, tags={**tags, _ATTEMPT_TAG: str(attempt)}
    )


def _refuse_name(home: Home, folder: Path) -> None:
    """Set aside a batch whose folder's name can be no batch key."""
    from nanodefect_assets.domain.keys import check_batch_key
    from nanodefect_assets.domain.refusal import Refusal
    from nanodefect_assets.stores.intake import refuse_batch

    try:
        check_batch_key(folder.name)
    except Refusal as refusal:
        refuse_batch(home, folder, refusal)


@dg.sensor(
    job=make_sample,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the samples of a batch that was just accepted: those that are new or changed.",
)
def accepted_samples(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for the samples that each new materialisation of `samples/intake` left to be made."""
    after = int(context.cursor) if context.cursor else None
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(["samples", "intake"]), after_storage_id=after),
        limit=50,
        ascending=True,
    )
    requests = []
    for record in found.records:
        materialization = record.asset_materialization
        cells: Any = materialization.metadata["cells_to_make"].value if materialization is not None else []
        places = [Place.of_sample(cell) for cell in cells]
        register_places(context.instance, tuple(places))
        requests += [
            dg.RunRequest(run_key=f"{record.storage_id}:{place.sample}", partition_key=sample_key(place))
            for place in places
        ]
    last = found.records[-1].storage_id if found.records else after
    return dg.SensorResult(run_requests=requests, cursor=None if last is None else str(last))


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed or whose machine was restarted.",
    job=accept_batch,
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
