"""Reaching MLflow: the client, a busy database, and quick reads that spare the seconds of importing it."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from nanodefect_assets.stores.files import locked, sync_folder
from nanodefect_assets.stores.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

P = ParamSpec("P")
T = TypeVar("T")

_BUSY_S = 60.0
_TRIES = 3
"""MLflow waits 20 s for a busy SQLite database, whatever its address says; three tries make a minute."""

_DRAFT = ".making-"
_KNOWN_SCHEMAS = frozenset({"dc11669786a5"})
"""Versions of MLflow's tables, as its migrations name them, that `read_database` may be asked about."""


class TrackingUnavailable(RuntimeError):
    """MLflow's database cannot be used now; nothing in it was changed."""


def _unavailable(where: object, error: object) -> TrackingUnavailable:
    first_line = str(error).splitlines()[0]
    return TrackingUnavailable(
        f"The MLflow database cannot be used ({where}: {first_line}). Nothing was changed: the model in use stays. "
        "If it is locked, end the program that holds it; if it is gone, restore it; then materialise again."
    )


def open_tracking(home: Home) -> "MlflowClient":
    """Open the MLflow of a home, making its database if there is none; many processes may do so at once.

    Raises
    ------
    TrackingUnavailable
        If the database stays locked or is out of reach.
    """
    prepare_database(home)
    from mlflow import MlflowClient

    return patiently(MlflowClient, tracking_uri=home.mlflow_uri, registry_uri=home.mlflow_uri)


def prepare_database(home: Home) -> None:
    """Make the MLflow database of a home if there is none, and settle how this process uses MLflow.

    MLflow builds a new database in dozens of steps. Two processes that do so at once fail, and one killed half-way
    leaves a file that no MLflow can ever open; so it is built under another name, under a lock, and counts when whole.

    Raises
    ------
    TrackingUnavailable
        If the database is gone, see `has_database`.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    database = home.mlflow_database
    if database is None or has_database(home):
        return
    with locked(home.mlflow / "create.lock"):
        if not database.exists():
            _build(database, home.mlflow.absolute() / "artifacts")


def has_database(home: Home) -> bool:
    """Whether the MLflow database of a home, which is its own, is there; a fresh home has none.

    Raises
    ------
    TrackingUnavailable
        If it is gone while files of its runs are there: which model was in use is then not known, and neither a new
        database nor the model that ships may pass for the answer.
    """
    database = home.mlflow_database
    if database is not None and database.exists():
        return True
    artifacts = home.mlflow / "artifacts"
    if artifacts.exists() and any(artifacts.iterdir()):
        raise _unavailable(database, f"it is gone, but {artifacts} is not; to begin anew, move that away too")
    return False


def _build(database: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left_over in database.parent.glob(f"{_DRAFT}*"):
        left_over.unlink()
    draft = database.with_name(f"{_DRAFT}{token_hex(4)}.db")
    store = SqlAlchemyStore(f"sqlite:///{draft}", artifacts.as_uri())
    store.engine.dispose()
    draft.replace(database)
    sync_folder(database.parent)


def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call MLflow, trying again while another process holds the database.

    A transaction that was refused is rolled back whole, so it can be tried again.

    Raises
    ------
    TrackingUnavailable
        If the database stays locked or is out of reach.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    for attempt in range(1, _TRIES + 1):
        try:
            return call(*args, **kwargs)
        except MlflowException as error:
            if not _is_database_error(error):
                raise
            if "database is locked" not in str(error) or attempt == _TRIES:
                raise _unavailable("SQLite", error) from error
        except OperationalError as error:  # MLflow lets it through where it first opens a database
            raise _unavailable("SQLite", error) from error
    raise AssertionError("unreachable")


def _is_database_error(error: "MlflowException") -> bool:
    return error.error_code == "TEMPORARILY_UNAVAILABLE"


def read_database(path: Path, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]] | None:
    """Return the rows of a query on a home's own MLflow database, without importing MLflow.

    MLflow changes its tables from release to release: of a version that is not known here the answer is None, and
    MLflow itself is to be asked. A database without tables has no rows. The file is opened for writing although
    nothing is written: after a `kill -9` in the middle of a transaction SQLite must undo it before anything can be
    read.

    Raises
    ------
    TrackingUnavailable
        If the database stays locked or is not a database.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_S)) as connection:
            connection.execute("PRAGMA query_only = ON")
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' LIMIT 1").fetchall():
                return []
            return connection.execute(query, tuple(values)).fetchall() if _is_known(connection) else None
    except sqlite3.DatabaseError as error:
        raise _unavailable(path, error) from error


def _is_known(connection: sqlite3.Connection) -> bool:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    if not connection.execute(named).fetchall():
        return False
    versions = {version for (version,) in connection.execute("SELECT version_num FROM alembic_version")}
    return len(versions) == 1 and versions <= _KNOWN_SCHEMAS
