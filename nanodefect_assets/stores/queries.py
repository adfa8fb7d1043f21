"""Asking the published warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import locked
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse_files import connect_reading, set_aside_wal, wal_beside


@contextmanager
def open_warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published warehouse for reading; the connection keeps what it opened until it ends.

    Raises
    ------
    Refusal
        If there is no warehouse yet.
    """
    connection = _connect(home)
    try:
        yield connection
    finally:
        connection.close()


def _connect(home: Home) -> duckdb.DuckDBPyConnection:
    if not home.warehouse.exists():
        raise Refusal(
            "no_warehouse",
            expected="a warehouse",
            got="none made yet",
            advice="Materialise population/warehouse, or drop a batch into the landing folder and wait.",
        )
    try:
        return connect_reading(home.warehouse)
    except duckdb.Error as error:
        if not wal_beside(home.warehouse).exists():
            raise _unreadable(error) from error
    with locked(home.warehouse.parent / "load.lock"):
        set_aside_wal(home.warehouse)
    try:
        return connect_reading(home.warehouse)
    except duckdb.Error as error:
        raise _unreadable(error) from error


def _unreadable(error: duckdb.Error) -> Refusal:
    return Refusal(
        "unreadable_warehouse",
        expected="a warehouse that DuckDB can open",
        got=str(error).splitlines()[0],
        advice="Close programs that hold it for writing; then materialise population/warehouse, which makes it anew.",
    )


def run_query(home: Home, sql: str) -> pa.Table:
    """Return the rows that a statement of SQL selects.

    Raises
    ------
    Refusal
        If there is no warehouse yet, or with DuckDB's own words if it does not accept the statement.
    """
    with open_warehouse(home) as connection:
        try:
            result = connection.sql(sql)
            return pa.table({}) if result is None else result.to_arrow_table()
        except duckdb.Error as error:
            raise Refusal("bad_sql", expected="SQL that DuckDB accepts", got=str(error)) from error


def describe_tables(home: Home) -> pa.Table:
    """Return every column of every table and view: table, column, type and meaning with its unit."""
    return run_query(
        home,
        """
        SELECT columns.table_name AS "table", columns.column_name AS "column", columns.data_type AS "type",
               columns.comment AS meaning
        FROM duckdb_columns() AS columns
        WHERE NOT columns.internal AND columns.schema_name = 'main'
        ORDER BY columns.table_name, columns.column_index
        """,
    )
