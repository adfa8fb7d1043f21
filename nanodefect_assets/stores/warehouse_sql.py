"""The declared tables in DuckDB's words: names, types and comments."""

from collections.abc import Iterable, Iterator

from nanodefect_assets.domain.schemas import ALL, WRITTEN, provenance_of
from nanodefect_assets.domain.tables import Column, Table, integer, moment, text

SUPERSEDED = "superseded"
"""Schema that holds rows no longer in force from which something in force was made; `particle_lineage` needs them."""

CONNECTION_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""DuckDB would else try to download extensions."""

WAREHOUSE_INFO = Table(
    name="warehouse_info",
    meaning="How this file was made, in one row.",
    columns=(
        moment("built_at", "When the file was made (UTC)."),
        text("package_version", "Version of nanodefect-assets that made it."),
        text("source_digest", "SHA-256 over the generations that it was made from and the declarations of its tables."),
        integer("n_generations", "Generations in force that it holds."),
    ),
    key=("source_digest",),
)
"""The table that tells how the file was made."""

_TYPES = {
    "text": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "time": "TIMESTAMP WITH TIME ZONE",
}


def sql_type(column: Column) -> str:
    """Return DuckDB's name of a column's type."""
    return _TYPES[column.type]


def sql_text(value: str) -> str:
    """Return `value` as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def sql_name(*parts: str) -> str:
    """Return a name of one or more parts as SQL has it, quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def warehouse_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns that `table` has in the warehouse: what assets write comes behind its provenance."""
    return (*provenance_of(table), *table.columns) if table in WRITTEN else table.columns


def _definition(column: Column) -> str:
    return f"{sql_name(column.name)} {sql_type(column)}{'' if column.is_nullable else ' NOT NULL'}"


def create_table_sql(table: Table, schema: str = "main") -> str:
    """Return the statements that make `table`, empty, with its comments."""
    columns = warehouse_columns(table)
    name = sql_name(schema, table.name)
    create = f"CREATE TABLE {name} ({', '.join(_definition(column) for column in columns)})"
    return "; ".join([create, *comments_sql("TABLE", name, table.meaning, columns)])


def comments_sql(kind: str, name: str, meaning: str, columns: Iterable[Column]) -> Iterator[str]:
    """Yield the statements that comment a table or view (`kind`) and its columns."""
    yield f"COMMENT ON {kind} {name} IS {sql_text(meaning)}"
    for column in columns:
        yield f"COMMENT ON COLUMN {name}.{sql_name(column.name)} IS {sql_text(column.comment)}"


def create_tables_sql(superseded: Iterable[Table]) -> str:
    """Return the statements that make every table, and those of `superseded` once more for rows no longer in force."""
    current = [create_table_sql(table) for table in ALL]
    earlier = [create_table_sql(table, SUPERSEDED) for table in superseded]
    return "; ".join([*current, f"CREATE SCHEMA {SUPERSEDED}", *earlier])
