"""What happens every night."""

from hashlib import sha256
from importlib.metadata import version

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.defs.cells import cells_to_make, made_samples, sample_manifest
from nanodefect_assets.defs.jobs import make_sample
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.sensors import busy_samples
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.manifests import write_sample_manifest

MAX_TRIES = 3
RECONCILE_TAG = "nanodefect/reconcile"
"""Tag of a run asked for at night: sample, what it is to be made from, and version of this package."""

_FAILED = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


@dg.schedule(
    job=make_sample,
    cron_schedule="0 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks for samples that manifests say should exist and that were not made.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Ask for missing samples, each until it failed too often, for what it is made from and one version."""
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.revisions import accepted_batches

    home = Home.of_environment().prepare()
    busy, known = busy_samples(context.instance), made_samples(context.instance)
    requests = []
    for batch in accepted_batches(home):
        manifest = manifest_in_force(home, batch)
        if manifest is None:
            continue
        missing = cells_to_make(known, home, manifest)
        idle = [place for place in missing if str(sample_key(place)) not in busy]
        requests += [_request(context.instance, manifest, place) for place in idle]
    return [request for request in requests if request is not None]


def _request(instance: dg.DagsterInstance, manifest: Manifest, place: Place) -> dg.RunRequest | None:
    wanted = write_sample_manifest(sample_manifest(manifest, str(place.aliquot)))
    tag = f"{place.sample}:{sha256(wanted.encode()).hexdigest()[:12]}:{version('nanodefect-assets')}"
    failures = instance.get_runs_count(RunsFilter(tags={RECONCILE_TAG: tag}, statuses=_FAILED))
    if failures >= MAX_TRIES:
        return None
    register_places(instance, (place,))
    return dg.RunRequest(partition_key=sample_key(place), tags={RECONCILE_TAG: tag})


@dg.op(description="Remove generations that nothing needs, by the rule of `prune_generations`.")
def prune(context: dg.OpExecutionContext, home: HomeResource) -> None:
    """Remove old generations and what killed runs left unfinished."""
    from nanodefect_assets.stores.pruning import prune_generations

    pruned = prune_generations(home.home)
    context.log.info(
        f"Removed {len(pruned.removed)} old and {len(pruned.unfinished)} unfinished generations, "
        f"{pruned.size_bytes:,} bytes; {pruned.n_kept} stay."
    )


@dg.job(description="Remove old generations. A job of its own: a schedule's tick is stopped after a minute.")
def prune_old_generations() -> None:
    """Remove old generations."""
    prune()


nightly_pruning = dg.ScheduleDefinition(
    name="nightly_pruning",
    job=prune_old_generations,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Removes old generations.",
)

SCHEDULES = (nightly, nightly_pruning)
