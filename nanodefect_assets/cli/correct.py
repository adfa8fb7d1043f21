"""`nanodefect correct`."""

from pathlib import Path

import click

from nanodefect_assets.cli.ingest import say
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
) -> None:
    """Add a correction and make again what depends on it, and nothing else."""
    from nanodefect_assets.defs.instance import open_instance
    from nanodefect_assets.stores.corrections import add_correction

    entry = add_correction(home, batch, kind=kind, reason=reason, author=author, target=target, value=value, mask=mask)
    say(f"Correction {entry.number} of {batch}: {kind} {target or ''} {value or ''}".rstrip())
    with open_instance(home) as instance:
        from nanodefect_assets.definitions import defs
        from nanodefect_assets.defs.ingest import make_batch

        batches = [batch] if kind != "rename" or value is None else [batch, value]
        trouble = [line for name in batches for line in make_batch(defs, instance, home, name, say).trouble]
    for line in trouble:
        say(f"FAILED {line}")
    if trouble:
        raise click.ClickException("The correction is recorded, but not everything could be made again; see above.")
