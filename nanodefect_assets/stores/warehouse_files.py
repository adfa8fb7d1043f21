"""The published file of the warehouse: opening it, and what may lie beside it."""

import shutil
import time
import warnings
from pathlib import Path

import duckdb

from nanodefect_assets.stores.warehouse_sql import CONNECTION_CONFIG, sql_text

DRAFT = ".build-"
"""Beginning of the names of files that a loader still builds."""
CATALOG = "nanodefect"
"""Name of the warehouse in a reader's connection."""


def connect_reading(path: Path, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published file for reading, in a connection that sees nothing else of the machine.

    The file is attached rather than opened: `duckdb.connect` would give a second connection of one process the file
    that the first one opened, though another has been published since.

    Parameters
    ----------
    path : Path
        The published file.
    spill : Path or None
        Folder for what does not fit into memory. Without one the connection can open no file at all any more, for
        reading or writing: DuckDB's `enable_external_access = false` alone still lets `COPY` overwrite the attached
        file itself, also from inside a `SELECT`.
    """
    connection = duckdb.connect(config={**CONNECTION_CONFIG, "temp_directory": "" if spill is None else str(spill)})
    try:
        connection.execute(f"ATTACH {sql_text(str(path))} AS {CATALOG} (READ_ONLY)")
        connection.execute(f"USE {CATALOG}; SET TimeZone = 'UTC'; SET enable_external_access = false")
        if spill is None:
            connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def wal_beside(path: Path) -> Path:
    """Return where DuckDB puts the write-ahead log of the file `path`."""
    return path.with_name(f"{path.name}.wal")


def set_aside_wal(path: Path) -> None:
    """Rename a write-ahead log that lies beside the published file.

    Ours never has one: somebody opened the file for writing. Left there, it would make the next file unreadable.
    """
    wal = wal_beside(path)
    if not wal.exists():
        return
    aside = wal.with_name(f"{wal.name}.foreign-{time.time_ns()}")
    wal.rename(aside)
    warnings.warn(
        f"{wal.name} lay beside the warehouse: somebody opened it for writing, and what was written there is not kept. "
        f"It is now {aside.name}.",
        stacklevel=2,
    )


def remove_drafts(folder: Path) -> None:
    """Remove what dead loaders left; whoever holds the lock is the only loader alive."""
    for path in folder.glob(f"{DRAFT}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
