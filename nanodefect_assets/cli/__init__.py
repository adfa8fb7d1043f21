"""The few verbs that Dagster's own command line lacks."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    from nanodefect_assets.stores.home import Home

_MATERIALS = ("Au", "Pd", "CdSe")
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class _Commands(click.Group):
    """Says what went wrong with a user's input in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            raise click.ClickException(str(refusal)) from refusal


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="NANODEFECT_HOME",
    default=Path("data"),
    show_default=True,
    help="Folder that holds everything (environment: NANODEFECT_HOME).",
)
@click.version_option(package_name="nanodefect-assets")
@click.pass_context
def main(ctx: click.Context, home: Path) -> None:
    """Electron microscopy of nanoparticles: from a folder of micrographs to particles in SQL."""
    from nanodefect_assets.stores.home import Home

    ctx.obj = Home(home.absolute())


@main.command("new-batch")
@click.argument("folder", type=_FOLDER)
@click.option("--batch", help="Id of the batch; the folder's name if not given.")
@click.option("--print", "only_print", is_flag=True, help="Print it; write nothing.")
def new_batch(folder: Path, batch: str | None, only_print: bool) -> None:
    """Write a commented batch.yaml for FOLDER, filling in what its files say of themselves."""
    from nanodefect_assets.stores.new_batch import draft_batch_yaml

    path = folder / "batch.yaml"
    text = draft_batch_yaml(folder, batch)
    if only_print:
        click.echo(text)
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise click.ClickException(
            f"{path} is there already, and is never overwritten. See it new with --print."
        ) from error
    click.echo(f"Wrote {path}. Read it, fill in what it asks for, then: nanodefect ingest {quote(str(folder))}")


@main.command()
@click.argument("folders", type=_FOLDER, nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Take a batch in that keeps no file of the earlier one of its name.")
@click.pass_obj
def ingest(home: "Home", folders: tuple[Path, ...], replace: bool) -> None:
    """Take in the batch in each of FOLDERS and make everything of it, without a running user interface."""
    from nanodefect_assets.cli.ingest import ingest_folders

    ingest_folders(home, folders, replace=replace)


@main.command()
@click.argument("folder", type=_FOLDER)
@click.pass_obj
def check(home: "Home", folder: Path) -> None:
    """Say what would happen to the batch in FOLDER if it were dropped as it is; nothing is written."""
    from nanodefect_assets.cli.check import check_folder

    check_folder(home, folder)


@main.group(name="correct")
def corrections() -> None:
    """Put something right in a batch that was accepted; what depends on it, and nothing else, is made again."""


def _correction(kind: str, doc: str, *arguments: str) -> None:
    """Add the verb of one kind of correction."""

    @corrections.command(kind, help=doc)
    @click.argument("batch")
    @click.option("--reason", required=True, help="Why; it stays in the table corrections.")
    @click.option("--author", required=True, envvar="NANODEFECT_AUTHOR", help="Who (environment: NANODEFECT_AUTHOR).")
    @click.pass_obj
    def verb(home: "Home", batch: str, reason: str, author: str, **more: str) -> None:
        from nanodefect_assets.cli.correct import correct

        mask, table = (Path(more[name]) if name in more else None for name in _FILES)
        target, value = more.get("target"), more.get("value")
        correct(home, kind, batch, reason=reason, author=author, target=target, value=value, mask=mask, table=table)

    for argument in reversed(arguments):
        kind_of = click.Path(exists=True, dir_okay=False) if argument in _FILES else None
        verb.params.insert(1, click.Argument([argument], type=kind_of, metavar=_METAVARS[argument]))


_FILES = ("mask", "table")
_METAVARS = {"target": "PATH", "value": "VALUE", "mask": "IMAGE", "table": "TABLE"}
_PATHS = "PATH is below the batch's folder, as in the table files, and may be a pattern such as '8h/*.tif'."
_correction("veto", f"Leave a file of BATCH out. {_PATHS}", "target")
_correction("restore", f"Take a vetoed file of BATCH in again. {_PATHS}", "target")
_correction("calibration", f"Set the pixel size of files of BATCH to VALUE nm. {_PATHS}", "target", "value")
_correction("mask", "Take IMAGE as the mask of one micrograph, PATH, in place of the segmenter's.", "target", "mask")
_correction(
    "alignment",
    "Take TABLE (CSV) as the alignment of one tilt series, PATH, in place of the computed one; begin with rows of the "
    "table alignments: nanodefect sql ... --format csv.",
    "target",
    "table",
)
_correction("retract", "Leave the whole BATCH out of every table. Nothing is deleted.")
_correction("reinstate", "Take a retracted BATCH in again.")
_correction("rename", "Let BATCH go on under the id VALUE.", "value")


@main.command()
@click.argument("query")
@click.option("--format", "style", type=click.Choice(["table", "csv", "parquet"]), default="table", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; standard output if not given."
)
@click.pass_obj
def sql(home: "Home", query: str, style: str, out: Path | None) -> None:
    """Ask the warehouse a question in SQL; it is only read."""
    from nanodefect_assets.cli.query import answer

    answer(home, query, style, out)


@main.command()
@click.argument("batch")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Copy the page to this file.")
@click.pass_obj
def report(home: "Home", batch: str, out: Path | None) -> None:
    """Say where the page of BATCH lies: conditions, images, sizes, checks and refusals in one HTML file."""
    from nanodefect_assets.cli.report import show_report

    show_report(home, batch, out)


@main.command()
@click.pass_obj
def status(home: "Home") -> None:
    """Say what is there and what is missing, and end runs whose process is gone."""
    from nanodefect_assets.cli.status import show_status

    show_status(home)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, help="Port of Dagster.")
@click.option("--mlflow-port", default=5000, show_default=True, help="Port of MLflow.")
@click.pass_obj
def ui(home: "Home", host: str, port: int, mlflow_port: int) -> None:
    """Run Dagster (with its sensors) and MLflow until interrupted."""
    from nanodefect_assets.cli.servers import run_servers

    run_servers(home, host, port, mlflow_port)


@main.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write into, else landing.")
@click.option("--material", "materials", type=click.Choice(_MATERIALS), multiple=True, help="May be repeated.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(["hrtem", "hrstem", "tilt_series", "coordinates"]),
    multiple=True,
    help="What each batch holds; may be repeated.",
)
@click.option(
    "--chiral",
    "looks",
    type=click.Choice(["ideal", "as_synthesised"]),
    help="Instead of crystals, chiral Te particles in SEM: mirror images, or the rarer hand smaller and less faceted.",
)
@click.option("--aliquot", "growth_times", multiple=True, help="Growth time such as '8 h'; may be repeated.")
@click.option("--micrographs", "n_micrographs", type=int, help="Micrographs of each kind in each aliquot.")
@click.option("--seed", type=int, help="The same seed gives the same bytes.")
@click.option("--prefix", help="How the ids of the batches begin.")
@click.pass_obj
def simulate(home: "Home", out: Path | None, **more: object) -> None:
    """Write simulated batches, marked as such, in the formats of microscopes: one for each material."""
    from nanodefect_assets.cli.simulate import write_simulated
    from nanodefect_assets.cli.simulate_chiral import write_chiral

    chosen = {key: value for key, value in more.items() if value}
    if "looks" in chosen and chosen.keys() & {"materials", "kinds"}:
        raise click.UsageError("--chiral is Te in SEM: leave --material and --kind out.")
    write = write_chiral if "looks" in chosen else write_simulated
    write(home.prepare().landing if out is None else out, chosen)


@main.command("compare-simulators")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def compare_simulators(out: Path) -> None:
    """Compare the fast simulators with multislice (minutes): numbers and figures in the folder OUT."""
    from nanodefect_assets.cli.agreement import compare_all
    from nanodefect_assets.science.synthetic.params import AgreementParams

    compare_all(out, AgreementParams())


@main.command()
@click.pass_obj
def demo(home: "Home") -> None:
    """Simulate two batches, take them in, and show what came of them."""
    from nanodefect_assets.cli.demo import run_demo

    run_demo(home)
