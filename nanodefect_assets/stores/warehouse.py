"""The DuckDB warehouse: a fresh file made from the generations in force, put under its name when it is whole.

DuckDB lets nobody read a file that somebody holds for writing. So the file that readers open is never written: one
loader at a time builds another beside it and replaces it. A reader keeps what it opened.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import getpid
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.schemas import ALL
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.stores.files import locked, sync_folder
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse_building import build_warehouse, digest_of
from nanodefect_assets.stores.warehouse_files import DRAFT, connect_reading, remove_drafts, set_aside_wal, wal_beside
from nanodefect_assets.stores.warehouse_rows import UnreadableError, find_unreadable
from nanodefect_assets.stores.warehouse_sources import Sources, collect_sources
from nanodefect_assets.stores.warehouse_sql import sql_name

_QUESTIONS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)
"""Statements that only ask: DESCRIBE, SHOW, SUMMARIZE and WITH are SELECT to DuckDB, and PIVOT is MULTI."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a load of the warehouse came to.

    Attributes
    ----------
    path : Path
        The file that readers open.
    n_rows : mapping of str to int
        Rows of each table.
    n_generations : int
        Generations read.
    left_out : mapping of str to str
        Generations in force that could not be read, by their folder below the home's artifacts, and why.
    skipped : tuple of Place
        Places that no manifest has any more.
    is_unchanged : bool
        Whether the published file was already made from these generations, and stayed.
    """

    path: Path
    n_rows: Mapping[str, int]
    n_generations: int
    left_out: Mapping[str, str]
    skipped: tuple[Place, ...]
    is_unchanged: bool


def load_warehouse(
    home: Home, *, existing: Collection[Place] | None = None, on_step: OnStep = ignore_progress
) -> Loaded:
    """Publish a warehouse made from the generations in force; waits while another process does so.

    A generation that cannot be read is left out and reported; it never sinks the load.

    Parameters
    ----------
    home : Home
        Where the generations lie.
    existing : collection of Place or None
        Samples that the accepted manifests have; None if every place is to be taken.
    on_step : callable
        Told after every table.
    """
    with locked(home.warehouse.parent / "load.lock"):
        remove_drafts(home.warehouse.parent)
        unreadable: dict[Path, str] = {}
        while True:
            sources = collect_sources(home, existing).without(unreadable)
            if _published_digest(home.warehouse) == digest_of(sources):
                return _loaded(home, sources, is_unchanged=True)
            try:
                _publish(home, sources, on_step)
            except (UnreadableError, duckdb.Error):
                found = find_unreadable(sources)
                if not found:
                    raise
                unreadable |= found
            else:
                return _loaded(home, sources, is_unchanged=False)


def _published_digest(path: Path) -> str | None:
    """Return the digest that the published file carries; None if there is none or it is not one of ours."""
    if not path.exists():
        return None
    try:
        with connect_reading(path) as connection:
            row = connection.execute("SELECT source_digest FROM warehouse_info").fetchone()
    except duckdb.Error:
        return None
    return None if row is None else str(row[0])


def _loaded(home: Home, sources: Sources, *, is_unchanged: bool) -> Loaded:
    with connect_reading(home.warehouse) as connection:
        counts = {table.name: _count(connection, table.name) for table in ALL}
    return Loaded(
        path=home.warehouse,
        n_rows=counts,
        n_generations=len(sources.current),
        left_out={one.folder.relative_to(home.artifacts).as_posix(): one.reason for one in sources.left_out},
        skipped=sources.skipped,
        is_unchanged=is_unchanged,
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {sql_name(table)}").fetchone()
    return 0 if row is None else int(row[0])


def _publish(home: Home, sources: Sources, on_step: OnStep) -> None:
    draft = home.warehouse.with_name(f"{DRAFT}{getpid()}-{token_hex(4)}.duckdb")
    try:
        build_warehouse(draft, home, sources, on_step)
        draft.chmod(0o444)
        set_aside_wal(home.warehouse)
        draft.replace(home.warehouse)
    finally:
        remove_drafts(draft.parent)
    sync_folder(home.warehouse.parent)


@contextmanager
def open_warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published warehouse for questions of ours; the connection keeps what it opened until it ends.

    What does not fit into memory goes to a folder of its own. Statements that people write go through `run_query`.

    Raises
    ------
    Refusal
        If there is no warehouse yet.
    """
    with TemporaryDirectory(prefix="nanodefect-sql-") as spill, closing(_connect(home, Path(spill))) as connection:
        yield connection


def _connect(home: Home, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    if not home.warehouse.exists():
        raise Refusal(
            "no_warehouse",
            expected="a warehouse",
            got="none made yet",
            advice="Materialise population/warehouse, or drop a batch into the landing folder and wait.",
        )
    try:
        return connect_reading(home.warehouse, spill)
    except duckdb.Error as error:
        if not wal_beside(home.warehouse).exists():
            raise _unreadable(error) from error
    with locked(home.warehouse.parent / "load.lock"):
        set_aside_wal(home.warehouse)
    try:
        return connect_reading(home.warehouse, spill)
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
    """Return the rows that one statement of SQL selects; it can read the warehouse and nothing else, and write nothing.

    Raises
    ------
    Refusal
        If there is no warehouse yet, if the statement does more than ask, or with DuckDB's own words if it does not
        accept the statement.
    """
    with closing(_connect(home)) as connection:
        try:
            _check_asks(connection.extract_statements(sql))
            result = connection.sql(sql)
            return pa.table({}) if result is None else result.to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise _too_large(error) from error
        except duckdb.Error as error:
            raise Refusal("bad_sql", expected="SQL that DuckDB accepts", got=str(error)) from error


def _too_large(error: duckdb.Error) -> Refusal:
    return Refusal(
        "query_too_large",
        expected="a query that fits into memory",
        got=str(error).splitlines()[0],
        advice="Ask for fewer columns or rows, or aggregate first.",
    )


def _check_asks(statements: Sequence[duckdb.Statement]) -> None:
    """Refuse what is no single question; the connection without files is what makes the others harmless."""
    kinds = [statement.type for statement in statements]
    if len(kinds) != 1 or kinds[0] not in _QUESTIONS:
        raise Refusal(
            "not_a_question",
            expected="one statement that only reads: SELECT, WITH, FROM, PIVOT, EXPLAIN, DESCRIBE, SHOW or SUMMARIZE",
            got=", ".join(kind.name for kind in kinds) or "none",
            advice="Results are written with --format and --out.",
        )


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


def repeated_keys(home: Home) -> dict[str, list[str]]:
    """Return, for every table with rows of the same key, a few of those keys as text."""
    with open_warehouse(home) as connection:
        return {table.name: repeated for table in ALL if (repeated := _repeated_keys(connection, table))}


def _repeated_keys(connection: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Return up to ten keys that more than one row of `table` has."""
    name, key = sql_name(table.name), ", ".join(map(sql_name, table.key))
    distinct = connection.execute(f"SELECT count(DISTINCT hash({key})) = count(*) FROM {name}").fetchone()
    if distinct == (True,):  # as many hashes as rows: no key can repeat, and nothing long was compared
        return []
    rows = connection.execute(
        f"SELECT concat_ws(' ', {key}) FROM {name} GROUP BY {key} HAVING count(*) > 1 ORDER BY ALL LIMIT 10"
    )
    return [str(row[0]) for row in rows.fetchall()]
