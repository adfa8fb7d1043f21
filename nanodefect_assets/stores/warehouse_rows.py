"""Filling the warehouse's tables from the Parquet files and the records of generations."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from nanodefect_assets.domain.generation import Generation
from nanodefect_assets.domain.progress import OnStep, Progress
from nanodefect_assets.domain.schemas import (
    FILES,
    GENERATION_INPUTS,
    GENERATIONS,
    MASKS,
    MICROGRAPHS,
    RUNS,
    provenance_of,
)
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.stores.generations import StoredGeneration
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.rows import READABLE_VERSIONS
from nanodefect_assets.stores.warehouse_sources import Sources, table_files
from nanodefect_assets.stores.warehouse_sql import CONNECTION_CONFIG, SUPERSEDED, create_table_sql, sql_name, sql_text

_LINEAGE_TABLES: tuple[Table, ...] = (MASKS, MICROGRAPHS, FILES)
SUPERSEDED_TABLES: tuple[Table, ...] = (*_LINEAGE_TABLES, GENERATIONS, GENERATION_INPUTS)
"""Tables whose superseded rows are kept as long as something in force was made from them."""

DatedFiles = Sequence[tuple[Path, Generation]]


class UnreadableError(ValueError):
    """A Parquet file that is not what its name promises."""


def fill_tables(connection: duckdb.DuckDBPyConnection, home: Home, sources: Sources, on_step: OnStep) -> None:
    """Fill every declared table.

    Raises
    ------
    UnreadableError, duckdb.Error
        If a file cannot be read; `find_unreadable` tells which.
    """
    files = table_files(sources.current)
    for done, (table, dated) in enumerate(files.items()):
        on_step(Progress(task="loading tables", done=done, total=len(files), detail=table.name))
        fill_table(connection, table, dated)
    superseded = table_files(sources.superseded)
    for table in _LINEAGE_TABLES:
        fill_table(connection, table, superseded[table], SUPERSEDED)
    _fill_records(connection, home, sources.current, "main")
    _fill_records(connection, home, sources.superseded, SUPERSEDED)
    _fill_runs(connection, sources.current)
    on_step(Progress(task="loading tables", done=len(files), total=len(files)))


def fill_table(connection: duckdb.DuckDBPyConnection, table: Table, dated: DatedFiles, schema: str = "main") -> None:
    """Append the rows of some files to `table`, each with the provenance of its generation."""
    if not dated:
        return
    by_path = {str(path): (path, generation) for path, generation in dated}
    for names, paths in _files_by_columns(connection, table, list(by_path)):
        _insert(connection, table, schema, names, [by_path[path] for path in paths])


def _files_by_columns(
    connection: duckdb.DuckDBPyConnection, table: Table, paths: list[str]
) -> list[tuple[list[str], list[str]]]:
    """Return declared columns and files that hold just those: older files lack columns that were added since."""
    patterns = [_literal_pattern(path) for path in paths]
    _check_headers(connection, table, patterns)
    found = connection.execute(
        "SELECT names, list(file_name ORDER BY file_name) FROM (SELECT file_name, list(name ORDER BY name) AS names "
        "FROM parquet_schema(?) WHERE num_children IS NULL GROUP BY file_name) GROUP BY names ORDER BY names",
        [patterns],
    ).fetchall()
    required = {column.name for column in table.columns if not column.is_nullable}
    groups = []
    for names, files in found:
        if missing := required - set(names):
            raise UnreadableError(f"{files[0]}: {table.name} without {sorted(missing)}")
        groups.append(([name for name in table.names if name in names], files))
    return groups


def _check_headers(connection: duckdb.DuckDBPyConnection, table: Table, patterns: list[str]) -> None:
    kinds = sql_text(f"nanodefect/{table.name}")
    bad = connection.execute(
        "SELECT file_name, kind, version FROM (SELECT file_name, "
        "max(value::VARCHAR) FILTER (key::VARCHAR = 'kind') AS kind, "
        "max(value::VARCHAR) FILTER (key::VARCHAR = 'version') AS version "
        "FROM parquet_kv_metadata($patterns) GROUP BY file_name) "
        f"WHERE kind IS DISTINCT FROM {kinds} OR version IS NULL OR NOT list_contains($versions, version) LIMIT 1",
        {"patterns": patterns, "versions": [str(number) for number in READABLE_VERSIONS]},
    ).fetchone()
    if bad is not None:
        raise UnreadableError(f"{bad[0]}: rows of {bad[1]}, version {bad[2]}; update nanodefect-assets to read them")


def _literal_pattern(path: str) -> str:
    """Return a pattern that matches `path` alone: DuckDB takes every path for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: Table, schema: str, names: list[str], dated: DatedFiles
) -> None:
    provenance = [column.name for column in provenance_of(table)]
    origins = pa.table(
        {
            "file": [str(path) for path, _ in dated],
            "sample": [generation.origin.place.sample for _, generation in dated],
            "synthesis_batch": [generation.origin.place.batch for _, generation in dated],
            "aliquot_time": [generation.origin.place.aliquot for _, generation in dated],
            "generation": [generation.name for _, generation in dated],
            "run_size": [generation.origin.run_size for _, generation in dated],
            "params_hash": [generation.origin.params_hash for _, generation in dated],
            "code_version": [generation.origin.code_version for _, generation in dated],
        }
    )
    connection.register("origins", origins)
    connection.execute(
        f"INSERT INTO {sql_name(schema, table.name)} ({', '.join(map(sql_name, [*provenance, *names]))}) "
        f"SELECT {', '.join(sql_name('origins', name) for name in provenance)}, "
        f"{', '.join(sql_name('stored', name) for name in names)} "
        "FROM read_parquet(?, filename = true, hive_partitioning = false) AS stored "
        "JOIN origins ON origins.file = stored.filename",
        [[_literal_pattern(str(path)) for path, _ in dated]],
    )
    connection.unregister("origins")


def _insert_dicts(connection: duckdb.DuckDBPyConnection, table: Table, schema: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    connection.register("records", pa.Table.from_pylist(rows))
    names = ", ".join(map(sql_name, table.names))
    connection.execute(f"INSERT INTO {sql_name(schema, table.name)} ({names}) SELECT {names} FROM records")
    connection.unregister("records")


def _fill_records(
    connection: duckdb.DuckDBPyConnection, home: Home, generations: Iterable[StoredGeneration], schema: str
) -> None:
    """Append generations and their inputs, as their records have them."""
    stored = tuple(generations)
    _insert_dicts(connection, GENERATIONS, schema, [_generation_row(home, one) for one in stored])
    _insert_dicts(connection, GENERATION_INPUTS, schema, [row for one in stored for row in _input_rows(one.record)])


def _generation_row(home: Home, stored: StoredGeneration) -> dict[str, Any]:
    record, origin = stored.record, stored.record.origin
    return {
        "generation": record.name,
        "asset": str(origin.asset),
        "sample": origin.place.sample,
        "path": stored.folder.relative_to(home.artifacts).as_posix(),
        "run_size": origin.run_size,
        "params_hash": origin.params_hash,
        "params": json.dumps(dict(origin.params), sort_keys=True),
        "code_version": origin.code_version,
        "package_version": record.package_version,
        "content_digest": record.content_digest,
        "dagster_run_id": origin.dagster_run_id,
        "mlflow_run_id": origin.mlflow_run_id,
        "n_items": record.n_items,
        "n_refused": record.n_refused,
        "created_at": record.created_at,
    }


def _input_rows(record: Generation) -> list[dict[str, Any]]:
    return [
        {
            "generation": record.name,
            "input_asset": str(parent.asset),
            "input_sample": parent.place.sample,
            "input_generation": parent.generation,
        }
        for parent in record.inputs
    ]


def _fill_runs(connection: duckdb.DuckDBPyConnection, generations: Iterable[StoredGeneration]) -> None:
    """Append the Dagster runs that made generations in force."""
    rows = [
        {"run": origin.dagster_run_id, "job": origin.job_name, "made_at": stored.record.created_at}
        for stored in generations
        if (origin := stored.record.origin).dagster_run_id is not None
    ]
    if not rows:
        return
    connection.register("made", pa.Table.from_pylist(rows))
    connection.execute(
        f"INSERT INTO {sql_name(RUNS.name)} ({', '.join(RUNS.names)}) "
        "SELECT run, any_value(job)::VARCHAR, count(*), min(made_at), max(made_at) FROM made GROUP BY run ORDER BY run"
    )
    connection.unregister("made")


def find_unreadable(sources: Sources) -> dict[Path, str]:
    """Return the folders of the generations that hold a file of rows that cannot be read, with the reason."""
    found: dict[Path, str] = {}
    with duckdb.connect(config=CONNECTION_CONFIG) as connection:
        for table, dated in table_files((*sources.current, *sources.superseded)).items():
            for path, generation in dated:
                connection.execute(f"DROP TABLE IF EXISTS {sql_name(table.name)}; {create_table_sql(table)}")
                try:
                    fill_table(connection, table, [(path, generation)])
                except (UnreadableError, duckdb.Error) as error:
                    found.setdefault(path.parent, f"{path.name}: " + " ".join(str(error).split())[:500])
            connection.execute(f"DROP TABLE IF EXISTS {sql_name(table.name)}")
    return found
