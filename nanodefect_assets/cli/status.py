"""`nanodefect status`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nanodefect_assets.domain.correction import new_id_of
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.home import Home

if TYPE_CHECKING:
    from dagster import RunsFilter

    from nanodefect_assets.domain.manifest import Manifest
    from nanodefect_assets.stores.arrivals import Arrived

SIZES = AssetName(group="population", noun="size_distribution")
REPORT = AssetName(group="population", noun="batch_report")
_MOST_DOUBTS = 3


def show_status(home: Home) -> None:
    """Say which batches are there, which samples are unfinished, what is refused and which runs were dead."""
    from nanodefect_assets.defs.cells import unfinished_cells
    from nanodefect_assets.defs.instance import open_instance
    from nanodefect_assets.defs.reaper import end_dead_runs
    from nanodefect_assets.stores.arrivals import read_arrivals
    from nanodefect_assets.stores.corrections import manifest_in_force
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
        click.echo(
            f"  {batch} {manifest.revision}: {len(manifest.files)} files, {len(manifest.refused)} refused, "
            f"{len(manifest.cells())} samples, {_state(home, manifest, missing)}"
        )
        for line in (_arrivals(read_arrivals(home, batch)), _doubts(home, manifest)):
            if line:
                click.echo(f"    {line}")
    waiting = sorted(path.name for path in home.landing.iterdir() if path.is_dir() and path.name not in batches)
    click.echo(f"Landing    {len(waiting)} folders not accepted{': ' if waiting else ''}{', '.join(waiting)}")
    refused = sorted(home.quarantine.glob("*/*/reason.json"), key=lambda path: path.stat().st_mtime_ns)
    last = f", the last: {refused[-1]}" if refused else ""
    click.echo(f"Quarantine {len(refused)} drops with refusals{last}")
    if home.warehouse.exists():
        age = datetime.now(UTC) - datetime.fromtimestamp(home.warehouse.stat().st_mtime, UTC)
        click.echo(f"Warehouse  {home.warehouse}, published {str(age).split('.')[0]} ago")
    else:
        click.echo("Warehouse  not published yet")


def _state(home: Home, manifest: "Manifest", missing: Sequence[Place]) -> str:
    """Say how far a batch has come, or that people have taken it out."""
    from nanodefect_assets.defs.cells import unjudged_cells, waits_for_model
    from nanodefect_assets.stores.corrections import read_corrections
    from nanodefect_assets.stores.generations import is_up_to_date

    if missing:
        return f"{len(missing)} to be made: {', '.join(str(place.aliquot) for place in missing)}"
    if waits_for_model(home, manifest):
        return "the model of its hands to be made"
    if unjudged_cells(home, manifest):
        return "its hands to be told"
    if manifest.files:
        is_summed_up = is_up_to_date(home, SIZES, Place(batch=manifest.batch))
        return "finished" if is_summed_up else "statistics to be made"
    corrections = read_corrections(home, manifest.batch)
    new_id = new_id_of(corrections)
    is_retracted = any(entry.kind == "retract" for entry in corrections)
    return f"goes on as {new_id}" if new_id else "retracted" if is_retracted else "every file vetoed"


def _arrivals(arrivals: "Sequence[Arrived]") -> str:
    """Say how often a batch came."""
    if not arrivals:
        return ""
    n_same = sum(not arrived.is_new_revision for arrived in arrivals)
    said = f", {n_same} of them with nothing new" if n_same else ""
    last = f"{arrivals[-1].at:%Y-%m-%d %H:%M} UTC from {arrivals[-1].source}"
    return f"came once, at {last}" if len(arrivals) == 1 else f"came {len(arrivals)} times{said}, the last at {last}"


def _doubts(home: Home, manifest: "Manifest") -> str:
    """Name the checks that did not pass when the page of a batch was made."""
    from nanodefect_assets.defs.population.batch_report import DOUBTS_FILE

    folder = home.current_folder(REPORT, Place(batch=manifest.batch))
    path = None if folder is None else folder / DOUBTS_FILE
    if not manifest.files or path is None or not path.is_file():
        return ""
    doubts: list[str] = json.loads(path.read_text(encoding="utf-8"))
    if not doubts:
        return ""
    more = f" and {len(doubts) - _MOST_DOUBTS} more" if len(doubts) > _MOST_DOUBTS else ""
    count = "1 check" if len(doubts) == 1 else f"{len(doubts)} checks"
    named = "; ".join(doubts[:_MOST_DOUBTS])
    return f"{count} did not pass: {named}{more}. See: nanodefect report {manifest.batch}"


def _active_filter() -> "RunsFilter":
    from dagster import DagsterRunStatus, RunsFilter

    return RunsFilter(statuses=[DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
