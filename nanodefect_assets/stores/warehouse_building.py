"""Building the file of the warehouse: tables with their comments, rows, views."""

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb

from nanodefect_assets.domain.progress import OnStep
from nanodefect_assets.domain.schemas import ALL
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse_content_views import aliquot_conditions, measured_particles
from nanodefect_assets.stores.warehouse_rows import SUPERSEDED_TABLES, fill_tables
from nanodefect_assets.stores.warehouse_sources import Sources
from nanodefect_assets.stores.warehouse_sql import (
    CONNECTION_CONFIG,
    WAREHOUSE_INFO,
    create_table_sql,
    create_tables_sql,
    sql_name,
)
from nanodefect_assets.stores.warehouse_views import VIEWS, View, create_views_sql


def digest_of(sources: Sources) -> str:
    """Return the SHA-256 over what the file is made from and by: generations, declarations, this package."""
    declared = create_tables_sql(SUPERSEDED_TABLES) + create_views_sql(
        (*VIEWS, measured_particles(is_all_simulated=False))
    )
    return hashlib.sha256("\0".join([sources.digest, version("nanodefect-assets"), declared]).encode()).hexdigest()


def build_warehouse(draft: Path, home: Home, sources: Sources, on_step: OnStep) -> None:
    """Write the warehouse that `sources` make into the new file `draft`.

    Raises
    ------
    UnreadableError, duckdb.Error
        If a file of rows cannot be read; `find_unreadable` tells which.
    """
    with duckdb.connect(draft, config=CONNECTION_CONFIG) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
        connection.execute("SET preserve_insertion_order = false")  # threads need not wait for one another
        connection.execute(f"BEGIN; {create_tables_sql(SUPERSEDED_TABLES)}; COMMIT")
        fill_tables(connection, home, sources, on_step)
        _describe_load(connection, sources)
        connection.execute(f"BEGIN; {create_views_sql((*VIEWS, *_views_of_content(connection)))}; COMMIT")
        connection.execute("CHECKPOINT")


def _describe_load(connection: duckdb.DuckDBPyConnection, sources: Sources) -> None:
    connection.execute(create_table_sql(WAREHOUSE_INFO))
    connection.execute(
        "INSERT INTO warehouse_info VALUES (?, ?, ?, ?)",
        [datetime.now(UTC), version("nanodefect-assets"), digest_of(sources), len(sources.current)],
    )


def _views_of_content(connection: duckdb.DuckDBPyConnection) -> tuple[View, ...]:
    """Return the views whose text depends on what the warehouse holds."""
    is_all_simulated = not any(_has_measured(connection, table) for table in ALL)
    conditions = connection.execute(
        "SELECT DISTINCT name, unit, value IS NOT NULL FROM conditions "
        "WHERE value IS NOT NULL OR text_value IS NOT NULL ORDER BY ALL"
    ).fetchall()
    return measured_particles(is_all_simulated=is_all_simulated), aliquot_conditions(conditions)


def _has_measured(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    if "is_simulated" not in table.names:
        return False
    found = connection.execute(f"SELECT 1 FROM {sql_name(table.name)} WHERE NOT is_simulated LIMIT 1")
    return found.fetchone() is not None
