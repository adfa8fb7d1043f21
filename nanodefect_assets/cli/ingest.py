"""`nanodefect ingest`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nanodefect_assets.cli.query import table_text
from nanodefect_assets.cli.refused import describe_refused
from nanodefect_assets.domain.condition_units import unit_doubts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse import run_query

if TYPE_CHECKING:
    from nanodefect_assets.domain.manifest import Manifest

SIZES_QUERY = """
SELECT synthesis_batch, aliquot_label AS aliquot, modality, n_micrographs, n_particles, n_edge,
       round(mean_diameter, 3) AS mean_diameter, round(mean_diameter_se, 3) AS standard_error,
       round(sd_diameter, 3) AS sd_diameter, length_unit AS unit, is_simulated
FROM aliquot_sizes
WHERE synthesis_batch IN ({batches})
ORDER BY synthesis_batch, aliquot_time
"""

READINGS_QUERY = """
SELECT synthesis_batch, structure_id, kind, crystal, n_atoms, n_grains, n_twin_planes,
       n_intrinsic_faults + n_extrinsic_faults AS n_stacking_faults, n_five_fold_axes, is_simulated
FROM particle_readings
WHERE synthesis_batch IN ({batches})
ORDER BY structure_id
"""

RECONSTRUCTIONS_QUERY = """
SELECT synthesis_batch, tilt_series_id, method, n_tilts, voxel_size_angstrom, round(r_factor, 3) AS r_factor,
       round(half_correlation, 3) AS half_correlation, is_simulated
FROM reconstructions
WHERE synthesis_batch IN ({batches})
ORDER BY tilt_series_id
"""

ASIDE_QUERY = """
SELECT asset, reason, count(*) AS n FROM refused
WHERE synthesis_batch = '{batch}' AND asset <> 'samples/intake' GROUP BY ALL ORDER BY ALL
"""

QUALITY_QUERY = "SELECT sample, dice FROM sample_mask_quality WHERE sample LIKE '{batch}/%' ORDER BY sample"

_STOPPED = 130
"""What a program that was stopped by Ctrl-C returns, by the custom of shells."""


def ingest_folders(home: Home, folders: tuple[Path, ...], *, replace: bool = False) -> None:
    """Take in one batch after the other; say what came of each, and fail at the end if one did."""
    from nanodefect_assets.defs.instance import open_instance
    from nanodefect_assets.defs.reaper import end_dead_runs

    with open_instance(home) as instance:
        from nanodefect_assets.definitions import defs
        from nanodefect_assets.defs.ingest import ingest_batch

        end_dead_runs(instance, home)
        batches, n_failed = [], 0
        for folder in folders:
            try:
                say_what_goes(home, folder.resolve(), replace=replace)
                done = ingest_batch(defs, instance, home, folder, say)
            except Refusal as refusal:
                say(f"REFUSED {folder}: {refusal}")
                n_failed += 1
                continue
            except KeyboardInterrupt:
                say("Stopped. What was finished is kept, and the same command goes on from there.")
                raise click.exceptions.Exit(_STOPPED) from None
            for line in done.trouble:
                say(f"FAILED {line}")
            n_failed += bool(done.trouble)
            if done.manifest is not None:
                batches.append(done.manifest.batch)
                _say_what_came(home, done.manifest.batch, len(done.made), len(done.failed))
                _say_what_to_doubt(home, done.manifest.batch, done.doubts)
    if batches:
        print_results(home, batches)
    if n_failed:
        raise click.ClickException(
            f"{n_failed} of {len(folders)} batches did not go through whole; the reasons are above."
        )


def print_results(home: Home, batches: list[str]) -> None:
    """Print the sizes in batches; of those without any, what their atoms are read as, else their reconstructions."""
    left = list(batches)
    for query in (SIZES_QUERY, READINGS_QUERY, RECONSTRUCTIONS_QUERY):
        quoted = ", ".join(f"'{batch}'" for batch in left) or "NULL"
        rows = run_query(home, query.format(batches=quoted))
        if rows.num_rows:
            click.echo(table_text(rows))
            had = set(rows.column("synthesis_batch").to_pylist())
            left = [batch for batch in left if batch not in had]


def say_what_goes(home: Home, folder: Path, *, replace: bool) -> None:
    """Say which files that were accepted before would leave the tables; refuse if it is all, unless `replace`."""
    from nanodefect_assets.stores.intake import read_landed
    from nanodefect_assets.stores.intake_replacing import check_goes_on, files_gone
    from nanodefect_assets.stores.revisions import current_manifest

    seen, spec, _ = read_landed(home, folder)
    if not replace:
        check_goes_on(home, folder, spec, seen)
    before = current_manifest(home, spec.batch)
    for path in files_gone(before, spec, seen):
        say(f"NO LONGER THERE {path}: it leaves the tables of {spec.batch}; its original is kept")


def _say_what_came(home: Home, batch: str, n_made: int, n_failed: int) -> None:
    from nanodefect_assets.stores.revisions import current_manifest

    manifest = current_manifest(home, batch)
    if manifest is None:
        return
    made = f"{n_made} samples made" if n_made or n_failed else "nothing new, so no sample was made again"
    failed = f", {n_failed} failed" if n_failed else ""
    say(f"{batch} {manifest.revision}: {len(manifest.files)} files accepted, {made}{failed}")
    for doubt in unit_doubts(manifest.conditions):
        say(f"  WARNING conditions, {doubt}")
    for jump in _jumps(home, manifest):
        say(f"  WARNING {jump}. If that is not meant, mend batch.yaml, or: nanodefect correct calibration")
    for line in describe_refused(manifest.refused):
        say(f"  {line}")


def _jumps(home: Home, manifest: "Manifest") -> tuple[str, ...]:
    """Say which pixel sizes this revision changes by much."""
    from nanodefect_assets.domain.manifest_changes import calibration_jumps, pixel_sizes
    from nanodefect_assets.stores.revisions import manifest_of, revisions

    names = revisions(home, manifest.batch)
    earlier = names[: names.index(manifest.revision)]
    if not earlier:
        return ()
    before = manifest_of(home, manifest.batch, earlier[-1])
    return calibration_jumps(pixel_sizes(before.files), pixel_sizes(manifest.files))


def _say_what_to_doubt(home: Home, batch: str, doubts: tuple[str, ...]) -> None:
    """Name the checks that did not pass, what was set aside after intake, and how well masks fit labels."""
    for doubt in doubts:
        say(f"  CHECK did not pass: {doubt}")
    for row in run_query(home, ASIDE_QUERY.format(batch=batch)).to_pylist():
        say(f"  set aside by {row['asset']}: {row['n']} ({row['reason']}); see the table refused")
    for row in run_query(home, QUALITY_QUERY.format(batch=batch)).to_pylist():
        say(f"  masks of {row['sample']} against their labels: Dice {row['dice']:.3f}")


def say(line: str) -> None:
    """Write a line of progress, apart from the result."""
    click.echo(line, err=True)
