"""The data dictionary: every table, column, unit and meaning, from the declarations alone."""

from collections.abc import Iterable

from nanodefect_assets.domain.schemas import ALL, PARTICLES
from nanodefect_assets.domain.tables import Column
from nanodefect_assets.stores.warehouse_content_views import aliquot_conditions, measured_particles
from nanodefect_assets.stores.warehouse_sql import WAREHOUSE_INFO, warehouse_columns
from nanodefect_assets.stores.warehouse_views import VIEWS


def data_dictionary_markdown() -> str:
    """Return the tables and views of the warehouse as Markdown, ending in a newline."""
    parts = ["## Tables"]
    for table in (*ALL, WAREHOUSE_INFO):
        parts += [f"### `{table.name}`", table.meaning, _columns_markdown(warehouse_columns(table))]
    parts.append("## Views")
    for view in (*VIEWS, aliquot_conditions([])):
        parts += [f"### `{view.name}`", view.meaning, _columns_markdown(view.columns)]
    parts.append(
        "The view has one more column for every condition, such as `temperature_c`, with its unit in its comment."
    )
    measured = measured_particles(is_all_simulated=False)
    parts += [f"### `{measured.name}`", f"{measured.meaning} Columns of `{PARTICLES.name}`."]
    return "\n\n".join(parts) + "\n"


def _columns_markdown(columns: Iterable[Column]) -> str:
    rows = ["| column | type | unit | missing? | meaning |", "|---|---|---|---|---|", *map(_row_markdown, columns)]
    return "\n".join(rows)


def _row_markdown(column: Column) -> str:
    cells = (f"`{column.name}`", column.type, column.unit, "may be" if column.is_nullable else "", column.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
