"""`nanodefect sql`."""

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nanodefect_assets.stores.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_ROWS = 200


def answer(home: Home, query: str, style: str, out: Path | None) -> None:
    """Run a query and write its rows as a table, CSV or Parquet."""
    from nanodefect_assets.stores.warehouse import run_query

    rows = run_query(home, query)
    if style == "parquet":
        if out is None:
            raise click.UsageError("Parquet is no text: say where to write it with --out FILE.")
        import pyarrow.parquet as pq

        pq.write_table(rows, out)
    elif style == "csv":
        write_csv(rows, out)
    else:
        text = table_text(rows)
        if out is None:
            click.echo(text)
        else:
            out.write_text(text + "\n")
    if out is not None:
        click.echo(f"Wrote {rows.num_rows} rows to {out}.", err=True)


def write_csv(rows: "pa.Table", out: Path | None) -> None:
    """Write rows as CSV, with quotes only where a value needs them: many readers take them for a part of the text."""
    import pyarrow as pa
    import pyarrow.csv as pv

    buffer = BytesIO()
    try:
        pv.write_csv(rows, buffer, pv.WriteOptions(quoting_style="none", quoting_header="none"))
    except pa.ArrowInvalid:
        buffer = BytesIO()
        pv.write_csv(rows, buffer)
    if out is None:
        sys.stdout.buffer.write(buffer.getbuffer())
    else:
        out.write_bytes(buffer.getbuffer())


def print_rows(home: Home, query: str) -> None:
    """Print the rows of a query as a table."""
    from nanodefect_assets.stores.warehouse import run_query

    click.echo(table_text(run_query(home, query)))


def table_text(rows: "pa.Table") -> str:
    """Lay rows out in columns."""
    shown = rows.slice(0, _MAX_ROWS)
    columns = [  # By position: a join may have two columns of one name.
        [name, *(_cell(value) for value in column.to_pylist())]
        for name, column in zip(shown.column_names, shown.columns, strict=True)
    ]
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]
    rule = "  ".join("-" * width for width in widths)
    more = rows.num_rows - shown.num_rows
    tail = [f"... and {more} more rows; all of them with --format csv."] if more else []
    return "\n".join([lines[0], rule, *lines[1:], f"({rows.num_rows} rows)", *tail])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
