"""The DuckDB warehouse: a fresh file made from the generations in force, put under its name when it is whole.

DuckDB lets nobody read a file that somebody holds for writing. So the file that readers open is never written: one
loader at a time builds another beside it and replaces it. A reader keeps what it opened.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from os import getpid
from pathlib import Path
from secrets import token_hex

import duckdb

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.schemas import ALL
from nanodefect_assets.domain.tables import Table, integer, moment, text
from nanodefect_assets.stores.files import locked, sync_folder
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse_files import DRAFT, connect_reading, remove_drafts, set_aside_wal
from nanodefect_assets.stores.warehouse_rows import SUPERSEDED_TABLES, UnreadableError, fill_tables, find_unreadable
from nanodefect_assets.stores.warehouse_sources import LeftOut, Sources, collect_sources
from nanodefect_assets.stores.warehouse_sql import CONNECTION_CONFIG, create_table_sql, create_tables_sql, sql_name
from nanodefect_assets.stores.warehouse_views import VIEWS, create_views_sql, measured_particles

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
    left_out : tuple of LeftOut
        Generations in force that could not be read.
    skipped : tuple of Place
        Places that no manifest has any more.
    is_unchanged : bool
        Whether the published file was already made from these generations, and stayed.
    """

    path: Path
    n_rows: Mapping[str, int]
    n_generations: int
    left_out: tuple[LeftOut, ...]
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
            if _published_digest(home.warehouse) == _digest_of(sources):
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


def _digest_of(sources: Sources) -> str:
    """Return the SHA-256 over what the file is made from and by: generations, declarations, this package."""
    declared = create_tables_sql(SUPERSEDED_TABLES) + create_views_sql(
        (*VIEWS, measured_particles(is_all_simulated=False))
    )
    return hashlib.sha256("\0".join([sources.digest, version("nanodefect-assets"), declared]).encode()).hexdigest()


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
        left_out=sources.left_out,
        skipped=sources.skipped,
        is_unchanged=is_unchanged,
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {sql_name(table)}").fetchone()
    return 0 if row is None else int(row[0])


def _publish(home: Home, sources: Sources, on_step: OnStep) -> None:
    draft = home.warehouse.with_name(f"{DRAFT}{getpid()}-{token_hex(4)}.duckdb")
    try:
        _build(draft, home, sources, on_step)
        draft.chmod(0o444)
        set_aside_wal(home.warehouse)
        draft.replace(home.warehouse)
    finally:
        remove_drafts(draft.parent)
    sync_folder(home.warehouse.parent)


def _build(draft: Path, home: Home, sources: Sources, on_step: OnStep) -> None:
    with duckdb.connect(draft, config=CONNECTION_CONFIG) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(create_tables_sql(SUPERSEDED_TABLES))
        fill_tables(connection, home, sources, on_step)
        _describe_load(connection, sources)
        is_all_simulated = not any(_has_measured(connection, table) for table in ALL)
        connection.execute(create_views_sql((*VIEWS, measured_particles(is_all_simulated=is_all_simulated))))
        connection.execute("CHECKPOINT")


def _describe_load(connection: duckdb.DuckDBPyConnection, sources: Sources) -> None:
    connection.execute(create_table_sql(WAREHOUSE_INFO))
    connection.execute(
        "INSERT INTO warehouse_info VALUES (?, ?, ?, ?)",
        [datetime.now(UTC), version("nanodefect-assets"), _digest_of(sources), len(sources.current)],
    )


def _has_measured(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    if "is_simulated" not in table.names:
        return False
    found = connection.execute(f"SELECT 1 FROM {sql_name(table.name)} WHERE NOT is_simulated LIMIT 1")
    return found.fetchone() is not None
