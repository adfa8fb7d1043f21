"""Rows of the declared tables as Parquet, checked on the way in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nanodefect_assets.domain.tables import Column, Table

FORMAT_VERSION = 1
READABLE_VERSIONS = (1,)
"""Versions of the format that readers know; a version once written stays here."""
_ARROW_TYPES = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}
_ROW_GROUP = 122_880
"""Rows that DuckDB handles at once."""


class SchemaError(ValueError):
    """Rows that are not what their table declares."""


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Parquet schema of `table`, with units and meanings, kind and version."""
    fields = [
        pa.field(
            column.name,
            _ARROW_TYPES[column.type],
            nullable=column.is_nullable,
            metadata={"meaning": column.meaning, "unit": column.unit},
        )
        for column in table.columns
    ]
    return pa.schema(fields, metadata={"kind": f"nanodefect/{table.name}", "version": str(FORMAT_VERSION)})


def check_rows(table: Table, frame: pd.DataFrame) -> pa.Table:
    """Return `frame` as Arrow rows of `table`.

    Raises
    ------
    SchemaError
        If a column is missing or unknown, has another type, lacks a value that must be there, or if the key repeats.
    """
    if missing := [name for name in table.names if name not in frame.columns]:
        raise SchemaError(f"Expected the columns of {table.name}. Missing: {missing}.")
    if unknown := [name for name in frame.columns if name not in table.names]:
        raise SchemaError(f"Expected only the columns of {table.name}. Unknown: {unknown}.")
    rows = pa.table([_arrow_column(table, column, frame[column.name]) for column in table.columns], arrow_schema(table))
    if len(frame) and (repeats := frame.duplicated(list(table.key))).any():
        example = frame.loc[repeats, list(table.key)].iloc[0].to_dict()
        raise SchemaError(f"Expected rows of {table.name} with distinct {table.key}. Repeated: {example}.")
    return rows


def _arrow_column(table: Table, column: Column, values: pd.Series) -> pa.Array:
    if column.type == "float" and np.isinf(pd.to_numeric(values, errors="coerce")).any():
        raise SchemaError(f"Expected finite numbers in {table.name}.{column.name}. Got infinity.")
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert(None)  # Arrow takes moments without a zone for UTC
    try:
        array = pa.Array.from_pandas(values, type=_ARROW_TYPES[column.type])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(f"Expected {column.type} in {table.name}.{column.name}. {error}") from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count and not column.is_nullable:
        raise SchemaError(f"Expected a value in every row of {table.name}.{column.name}. Missing: {array.null_count}.")
    return array


class RowsWriter:
    """Parquet file of one table, written as rows arrive; memory does not grow with it."""

    def __init__(self, path: Path, table: Table) -> None:
        self._table = table
        self._path = path
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._file: pq.ParquetWriter | None = None
        self.n_rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Check and append rows."""
        rows = check_rows(self._table, frame)
        self._waiting.append(rows)
        self._n_waiting += len(rows)
        self.n_rows += len(rows)
        if self._n_waiting >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        file = self._file or pq.ParquetWriter(self._path, arrow_schema(self._table), compression="zstd")
        self._file = file
        rows = pa.concat_tables(self._waiting) if self._waiting else arrow_schema(self._table).empty_table()
        file.write_table(rows, row_group_size=_ROW_GROUP)
        self._waiting, self._n_waiting = [], 0

    def close(self) -> None:
        """Write what waits and end the file; a table without rows becomes a file without rows."""
        if self._waiting or self._file is None:
            self._flush()
        if self._file is not None:
            self._file.close()


def read_rows(path: Path, table: Table) -> pd.DataFrame:
    """Read rows of `table`; a column that may be missing and came after the file was written is missing in all.

    Raises
    ------
    SchemaError
        If the file holds another kind of rows or a version that this reader does not know.
    """
    header = pq.read_schema(path).metadata or {}
    kind, version = header.get(b"kind", b"").decode(), header.get(b"version", b"").decode()
    if kind != f"nanodefect/{table.name}" or version not in map(str, READABLE_VERSIONS):
        raise SchemaError(
            f"{path}: expected nanodefect/{table.name} of a version in {READABLE_VERSIONS}, got {kind!r} {version!r}."
        )
    rows = pq.read_table(path).to_pandas()
    later = {column.name: None for column in table.columns if column.is_nullable and column.name not in rows}
    return rows.assign(**later)
