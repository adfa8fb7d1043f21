"""`nanodefect correct`."""

from pathlib import Path

import click

from nanodefect_assets.cli.ingest import say
from nanodefect_assets.domain.correction import check_pixel_size
from nanodefect_assets.domain.manifest_changes import calibration_jumps, pixel_sizes
from nanodefect_assets.stores.home import Home


def correct(
    home: Home,
    kind: str,
    batch: str,
    *,
    reason: str,
    author: str,
    target: str | None = None,
    value: str | None = None,
    mask: Path | None = None,
    table: Path | None = None,
) -> None:
    """Add a correction and make again what depends on it, and nothing else."""
    from nanodefect_assets.defs.instance import open_instance
    from nanodefect_assets.stores.corrections import add_correction, renamed_source, unfinished_renames

    if kind == "calibration" and target is not None and value is not None:
        check_pixel_size(value)
        _say_what_changes(home, batch, target, value)
    entry = add_correction(
        home, batch, kind=kind, reason=reason, author=author, target=target, value=value, mask=mask, table=table
    )
    say(f"Correction {entry.number} of {batch}: {kind} {target or ''} {value or ''}".rstrip())
    with open_instance(home) as instance:
        from nanodefect_assets.definitions import defs
        from nanodefect_assets.defs.ingest import ingest_batch, make_batch

        trouble = list(make_batch(defs, instance, home, batch, say).trouble)
        for old, new_id in unfinished_renames(home).items():
            trouble += ingest_batch(defs, instance, home, renamed_source(home, old, new_id), say).trouble
    for line in trouble:
        say(f"FAILED {line}")
    if trouble:
        raise click.ClickException("The correction is recorded, but not everything could be made again; see above.")


def _say_what_changes(home: Home, batch: str, target: str, value: str) -> None:
    """Tell the pixel sizes that go and the one that comes; a slip by a factor of ten is easily made."""
    from nanodefect_assets.stores.corrections import files_about

    found = pixel_sizes(files_about(home, batch, target))
    sizes = sorted({size for size in found.values() if size is not None})
    if sizes:
        say(f"Pixel size of {target}: {', '.join(f'{size:g}' for size in sizes)} nm becomes {value} nm")
    for jump in calibration_jumps(found, dict.fromkeys(found, float(value))):
        say(f"WARNING {jump}. If that is not meant, correct it again.")
