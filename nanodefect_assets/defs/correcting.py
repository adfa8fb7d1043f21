"""What watches for corrections by people, from the command line or dropped into the landing folder."""

import json
from collections.abc import Iterator

import dagster as dg

from nanodefect_assets.defs.cells import cells_to_make, made_samples
from nanodefect_assets.defs.jobs import ACCEPT_BATCH, PUBLISH, accept_batch, make_sample, publish_warehouse
from nanodefect_assets.defs.partitions import register_batch, register_places, sample_key
from nanodefect_assets.defs.sensors import busy_samples
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.home import Home


@dg.sensor(
    jobs=[accept_batch, make_sample, publish_warehouse],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes in files of corrections, and asks for what depends on a new correction.",
)
def corrected(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for the samples of each batch that has new corrections, and for the tables.

    A batch waits while a run is at work on it that may have begun before the correction.
    """
    from nanodefect_assets.stores.corrections import count_corrections, unfinished_renames

    home = Home.of_environment().prepare()
    before: dict[str, dict[str, str]] = json.loads(context.cursor or "{}")
    seen = _take_in_landed(context, home, before.get("landed", {}))
    counts = {batch: str(n) for batch, n in count_corrections(home).items()}
    handled = before.get("counts", {})
    busy = {key.split("|")[-1] for key in busy_samples(context.instance)}
    new = [batch for batch, n in counts.items() if handled.get(batch, "0") != n]
    changed = [batch for batch in new if batch not in busy]
    requests = [request for batch in changed for request in _samples_of(context.instance, home, batch)]
    requests += [_rename_request(context.instance, home, *ids) for ids in unfinished_renames(home).items()]
    if changed:
        requests.append(dg.RunRequest(job_name=PUBLISH))
    counts |= {batch: handled.get(batch, "0") for batch in new if batch in busy}
    return dg.SensorResult(run_requests=requests, cursor=json.dumps({"landed": seen, "counts": counts}))


def _take_in_landed(context: dg.SensorEvaluationContext, home: Home, before: dict[str, str]) -> dict[str, str]:
    """Take in the files of corrections that did not change between two ticks; return the state of all."""
    from nanodefect_assets.stores.corrections import add_corrections_of, landed_corrections
    from nanodefect_assets.stores.quarantine import refuse_batch

    seen = {}
    for path in landed_corrections(home):
        found = path.stat()
        state = f"{found.st_size} {found.st_mtime_ns}"
        was = before.get(path.name, "")
        seen[path.name] = was if was == f"done {state}" else state
        if was != state:
            continue
        try:
            batch, added = add_corrections_of(home, path)
            context.log.info(f"{path.name}: {len(added)} corrections of {batch}")
        except Refusal as refusal:
            context.log.error(f"{path.name}: {refusal}")
            refuse_batch(home, path, refusal)
        seen[path.name] = f"done {state}"
    return seen


def _rename_request(instance: dg.DagsterInstance, home: Home, batch: str, new_id: str) -> dg.RunRequest:
    """Ask for the intake of a renamed batch under its new id."""
    from nanodefect_assets.stores.corrections import renamed_source

    register_batch(instance, new_id)
    source = renamed_source(home, batch, new_id)
    return dg.RunRequest(
        job_name=ACCEPT_BATCH,
        run_key=f"rename {batch} to {new_id}",
        partition_key=new_id,
        run_config={"ops": {"samples__intake": {"config": {"source": str(source)}}}},
    )


def _samples_of(instance: dg.DagsterInstance, home: Home, batch: str) -> Iterator[dg.RunRequest]:
    from nanodefect_assets.stores.corrections import manifest_in_force

    manifest = manifest_in_force(home, batch)
    if manifest is None:
        return
    cells = cells_to_make(made_samples(instance), home, manifest)
    register_places(instance, cells)
    for place in cells:
        yield dg.RunRequest(job_name=make_sample.name, partition_key=sample_key(place))
