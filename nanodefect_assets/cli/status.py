"""`nanodefect status`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.home import Home

if TYPE_CHECKING:
    from dagster import RunsFilter

SIZES = AssetName(group="population", noun="size_distribution")


def show_status(home: Home) -> None:
    """Say which batches are there, which samples are unfinished, what is refused and which runs were dead."""
    from nanodefect_assets.defs.cells import unfinished_cells
    from nanodefect_assets.defs.instance import open_instance
    from nanodefect_assets.defs.reaper import end_dead_runs
    from nanodefect_assets.stores.arrivals import read_arrivals
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import is_up_to_date
    from nanodefect_assets.stores.revisions import accepted_batches

    click.echo(f"Home       {home.root}")
    with open_instance(home) as instance:
        ended = end_dead_runs(instance, home)
        active = instance.get_runs_count(_active_filter())
    click.echo(f"Runs       {active} at work, {len(ended)} ended now because their process was gone")
    batches = accepted_batches(home)
    click.echo(f"Batches    {len(batches)} accepted")
    for batch in batches:
        manifest = manifest_in_force(home, batch)
        if manifest is None:
            continue
        missing = unfinished_cells(home, manifest)
        is_summed_up = is_up_to_date(home, SIZES, Place(batch=batch)) or not manifest.cells()
        state = "finished" if is_summed_up else "statistics to be made"
        if missing:
            state = f"{len(missing)} to be made: {', '.join(str(place.aliquot) for place in missing)}"
        click.echo(
            f"  {batch} {manifest.revision}: {len(manifest.files)} files, {len(manifest.refused)} refused, "
            f"{len(manifest.cells())} samples, {state}"
        )
        if arrivals := read_arrivals(home, batch):
            n_same = sum(not arrived.is_new_revision for arrived in arrivals)
            said = f", {n_same} of them with nothing new" if n_same else ""
            click.echo(
                f"    came {len(arrivals)} times{said}, the last at {arrivals[-1].at:%Y-%m-%d %H:%M} UTC "
                f"from {arrivals[-1].source}"
            )
    waiting = sorted(path.name for path in home.landing.iterdir() if path.is_dir() and path.name not in batches)
    click.echo(f"Landing    {len(waiting)} folders not accepted{': ' if waiting else ''}{', '.join(waiting)}")
    refused = sorted(home.quarantine.glob("*/*/reason.json"))
    last = f", the last: {refused[-1]}" if refused else ""
    click.echo(f"Quarantine {len(refused)} drops with refusals{last}")
    if home.warehouse.exists():
        age = datetime.now(UTC) - datetime.fromtimestamp(home.warehouse.stat().st_mtime, UTC)
        click.echo(f"Warehouse  {home.warehouse}, published {str(age).split('.')[0]} ago")
    else:
        click.echo("Warehouse  not published yet")


def _active_filter() -> "RunsFilter":
    from dagster import DagsterRunStatus, RunsFilter

    return RunsFilter(statuses=[DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
