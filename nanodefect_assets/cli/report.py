"""`nanodefect report`."""

from pathlib import Path

import click

from nanodefect_assets.defs.population.batch_report import REPORT_FILE
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place, check_batch_key
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import write_atomically
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.home import Home

REPORT = AssetName(group="population", noun="batch_report")


def show_report(home: Home, batch: str, out: Path | None) -> None:
    """Say where the page of a batch lies, or copy it to `out`."""
    found = current_generation(home, REPORT, Place(batch=check_batch_key(batch)))
    if found is None:
        raise Refusal(
            "no_report",
            expected=f"a batch of which {REPORT} was made",
            got=f"{batch}, of which it was not",
            advice="`nanodefect status` lists the batches; materialise population/batch_report of this one.",
        )
    page = found.folder / REPORT_FILE
    if out is None:
        click.echo(page)
        return
    write_atomically(out, page.read_bytes())
    click.echo(f"Wrote {out}")
