"""What happens every night."""

import dagster as dg
from dagster import RunsFilter

from nanodefect_assets.defs.cells import unfinished_cells
from nanodefect_assets.defs.jobs import make_sample
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.home import Home

MAX_TRIES = 3
_RECONCILE_TAG = "nanodefect/reconcile"


@dg.schedule(
    job=make_sample,
    cron_schedule="0 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks for samples that manifests say should exist and that were not made; removes old generations.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Ask for missing samples, each a bounded number of times for one revision, and remove what is no longer needed."""
    from nanodefect_assets.stores.intake import accepted_batches, current_manifest
    from nanodefect_assets.stores.pruning import prune_generations

    home = Home.of_environment().prepare()
    prune_generations(home)
    requests = []
    for batch in accepted_batches(home):
        manifest = current_manifest(home, batch)
        if manifest is None:
            continue
        for place in unfinished_cells(home, manifest):
            request = _request(context.instance, place, manifest.revision)
            if request is not None:
                requests.append(request)
    return requests


def _request(instance: dg.DagsterInstance, place: Place, revision: str) -> dg.RunRequest | None:
    tag = f"{place.sample}:{revision}"
    tries = instance.get_runs_count(RunsFilter(tags={_RECONCILE_TAG: tag}))
    if tries >= MAX_TRIES:
        return None
    register_places(instance, (place,))
    return dg.RunRequest(run_key=f"{tag}:{tries + 1}", partition_key=sample_key(place), tags={_RECONCILE_TAG: tag})


SCHEDULES = (nightly,)
