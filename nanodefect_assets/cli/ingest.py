"""`nanodefect ingest`."""

from pathlib import Path

import click

from nanodefect_assets.cli.query import print_rows
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.home import Home

SIZES_QUERY = """
SELECT synthesis_batch, aliquot_label AS aliquot, n_micrographs, n_particles, n_edge,
       round(mean_diameter, 3) AS mean_diameter, round(mean_diameter_se, 3) AS standard_error,
       round(sd_diameter, 3) AS sd_diameter, length_unit AS unit, is_simulated
FROM aliquot_sizes
WHERE synthesis_batch IN ({batches})
ORDER BY synthesis_batch, aliquot_time
"""


def ingest_folders(home: Home, folders: tuple[Path, ...]) -> None:
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
                done = ingest_batch(defs, instance, home, folder, say)
            except Refusal as refusal:
                say(f"REFUSED {folder}: {refusal}")
                n_failed += 1
                continue
            for line in done.trouble:
                say(f"FAILED {line}")
            n_failed += bool(done.trouble)
            if done.manifest is not None:
                batches.append(done.manifest.batch)
                _say_what_came(home, done.manifest.batch, len(done.made))
    if batches:
        print_rows(home, SIZES_QUERY.format(batches=", ".join(f"'{batch}'" for batch in batches)))
    if n_failed:
        raise click.ClickException(
            f"{n_failed} of {len(folders)} batches did not go through whole; the reasons are above."
        )


def _say_what_came(home: Home, batch: str, n_made: int) -> None:
    from nanodefect_assets.stores.revisions import current_manifest

    manifest = current_manifest(home, batch)
    if manifest is None:
        return
    say(f"{batch} {manifest.revision}: {len(manifest.files)} files accepted, {n_made} samples made")
    for file in manifest.refused:
        say(f"  refused {file.path}: expected {file.expected}, got {file.got}. {file.advice}")


def say(line: str) -> None:
    """Write a line of progress, apart from the result."""
    click.echo(line, err=True)
