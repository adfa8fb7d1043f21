"""`nanodefect check`."""

from pathlib import Path

import click

from nanodefect_assets.cli.check_doubts import doubts
from nanodefect_assets.cli.check_maps import describe_maps
from nanodefect_assets.cli.refused import describe_refused
from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.domain.manifest_changes import calibration_jumps, pixel_sizes
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.intake_plan import Plan, PlannedFile


def check_folder(home: Home, folder: Path) -> None:
    """Say what would happen to a batch if it were dropped as it is; nothing is written."""
    from nanodefect_assets.stores.batch_yaml import read_batch_yaml
    from nanodefect_assets.stores.corrections import read_corrections
    from nanodefect_assets.stores.intake_plan import plan_batch
    from nanodefect_assets.stores.intake_replacing import another_batch
    from nanodefect_assets.stores.landing import survey
    from nanodefect_assets.stores.revisions import current_manifest

    spec, _ = read_batch_yaml(folder / "batch.yaml")
    seen = survey(folder)
    plan = plan_batch(folder, spec, seen)
    n_files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    click.echo(f"Batch {spec.batch}: {n_files} would be accepted, {len(plan.refused)} refused")
    for aliquot in sorted({file.aliquot for file in plan.files}):
        click.echo(f"  {aliquot}")
        for file in (file for file in plan.files if file.aliquot == aliquot):
            click.echo(f"    {file.path}: {_describe(file)}")
    for line in doubts(folder, spec, plan):
        click.echo(f"  WARNING {line}")
    for line in describe_maps(folder, plan):
        click.echo(f"  {line}")
    for line in describe_refused(plan.refused, _if_declared(folder, plan)):
        click.echo(f"  {line}")
    before = current_manifest(home, spec.batch)
    if before is not None:
        _compare(before, plan)
        if another := another_batch(home, folder, spec, seen):
            click.echo(f"  WARNING it would be refused: {another}")
        if corrections := read_corrections(home, spec.batch):
            click.echo(f"  {len(corrections)} corrections of {spec.batch} would go on to hold")
    if not plan.files:
        raise click.ClickException("Nothing of this batch would be accepted.")


def _if_declared(folder: Path, plan: Plan) -> dict[str, str]:
    """Say of files that batch.yaml does not name why they could not be taken in even then."""
    from nanodefect_assets.stores.new_batch import why_left_out

    undeclared = [file.path for file in plan.refused if file.reason == "not_declared"]
    return {
        path: f"even with one it would be refused: {why}" for path in undeclared if (why := why_left_out(folder, path))
    }


def _describe(file: PlannedFile) -> str:
    """Say what a file holds and how it is calibrated."""
    shape = " x ".join(map(str, file.facts.shape))
    size = file.agreed.acquisition.pixel_size_nm
    said = [file.entry.modality, file.facts.format, shape]
    if file.entry.modality not in ("labels", "coordinates", "standard"):
        said.append("uncalibrated" if size is None else f"{size:.6g} nm/px from {file.agreed.source}")
    if file.agreed.tilt_angles_deg:
        said.append(f"{min(file.agreed.tilt_angles_deg):g} to {max(file.agreed.tilt_angles_deg):g} deg")
    if file.entry.second_scan_of is not None:
        said.append(f"second scans of {file.entry.second_scan_of}")
    if file.entry.standard is not None:
        said.append(f"scan measured on {file.entry.standard}")
    if file.entry.image_before is not None:
        said.append(f"sample compared in {file.entry.image_before} and {file.entry.image_after}")
    if file.label_of is not None:
        said.append(f"labels of {file.label_of}")
    return ", ".join([*said, *file.facts.notes])


def _compare(before: Manifest, plan: Plan) -> None:
    """Say what differs from what was accepted earlier."""
    had, has = {file.path for file in before.files}, {file.path for file in plan.files}
    click.echo(f"  {before.batch} is there already, in revision {before.revision}: {len(has - had)} new files")
    planned = {file.path: file.agreed.acquisition.pixel_size_nm for file in plan.files}
    for jump in calibration_jumps(pixel_sizes(before.files), planned):
        click.echo(f"  WARNING {jump}. Is that meant?")
    for path in sorted(had - has):
        click.echo(f"  NO LONGER THERE {path}: it would leave the tables; its original is kept")
