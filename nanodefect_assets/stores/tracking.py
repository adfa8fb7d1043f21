"""Runs in MLflow: one per trained or tuned thing, told by its tags what it belongs to.

Everything goes through a client and a run id. MLflow's own `start_run` keeps the active run in global state, which two
materialisations in one process would share.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.stores.files import locked
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import TrackingUnavailable, open_tracking, patiently, read_database
from nanodefect_assets.stores.processes import PROCESS_TAG, ProcessIdentity

if TYPE_CHECKING:
    from mlflow import MlflowClient

STUDY_TAG = "nanodefect/study"
_PARENT_TAG = "mlflow.parentRunId"

_MOST_METRICS = 1000
_MOST_PARAMS = 100
_PAGE = 1000

_RUNNING = """
    SELECT runs.run_uuid, tags.value
    FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = ?
    WHERE runs.status = 'RUNNING' AND runs.lifecycle_stage = 'active'
"""


class Figure(Protocol):
    """What a matplotlib figure can do, so that nothing here needs matplotlib."""

    def savefig(self, fname: Any, *, format: str) -> None:
        """Write the figure."""


@dataclass(frozen=True, kw_only=True)
class RunTags:
    """What a run belongs to.

    Attributes
    ----------
    asset : AssetName or None
        Asset that the run makes.
    partition : str or None
        Its partition, as Dagster writes it.
    dagster_run_id : str or None
        Dagster run that works on it.
    code_version : str or None
        Version of the asset's science.
    data_fingerprint : str or None
        SHA-256 over the data that went in.
    """

    asset: AssetName | None = None
    partition: str | None = None
    dagster_run_id: str | None = None
    code_version: str | None = None
    data_fingerprint: str | None = None

    def as_tags(self) -> dict[str, str]:
        """Return the tags as MLflow keeps them; what is not known has none."""
        known = {
            "asset": self.asset,
            "partition": self.partition,
            "dagster_run_id": self.dagster_run_id,
            "code_version": self.code_version,
            "data_fingerprint": self.data_fingerprint,
        }
        return {f"nanodefect/{name}": str(value) for name, value in known.items() if value is not None}


class TrainingRun:
    """An MLflow run being written."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters; a mapping inside a mapping becomes ``outer.inner``."""
        from mlflow.entities import Param

        for some in _in_batches([Param(name, str(value)) for name, value in _flat(params)], _MOST_PARAMS):
            patiently(self._client.log_batch, self.run_id, params=some)

    def log_metric(self, name: str, value: float, step: int = 0) -> None:
        """Record one number."""
        self.log_metrics({name: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record several numbers of one step, in one transaction."""
        self._log_points((name, value, step) for name, value in metrics.items())

    def log_curve(self, name: str, values: Sequence[float], *, first_step: int = 0) -> None:
        """Record a whole curve, a number per step, in one transaction."""
        self._log_points((name, value, step) for step, value in enumerate(values, first_step))

    def _log_points(self, points: Iterable[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now_ms, step) for name, value, step in points]
        for some in _in_batches(metrics, _MOST_METRICS):
            patiently(self._client.log_batch, self.run_id, metrics=some)

    def log_text(self, path: str, text: str) -> None:
        """Keep a text under a name such as ``report.md``."""
        self._client.log_text(self.run_id, text, path)

    def log_png(self, path: str, png: bytes) -> None:
        """Keep a picture under a name such as ``curves/loss.png``."""
        self._client.log_stream(self.run_id, BytesIO(png), path)

    def log_figure(self, path: str, figure: Figure) -> None:
        """Keep a matplotlib figure as a PNG."""
        buffer = BytesIO()
        figure.savefig(buffer, format="png")
        self.log_png(path, buffer.getvalue())

    def log_folder(self, folder: Path, path: str | None = None) -> None:
        """Keep all files of a folder, below `path` if given."""
        self._client.log_artifacts(self.run_id, str(folder), path)

    def log_environment(self) -> None:
        """Keep the versions of every installed package, as ``environment.txt``."""
        installed = sorted({f"{found.name}=={found.version}" for found in distributions()}, key=str.lower)
        self.log_text("environment.txt", "\n".join(installed) + "\n")

    def set_tag(self, name: str, value: str) -> None:
        """Record a tag."""
        patiently(self._client.set_tag, self.run_id, name, value)

    def end(self, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """End the run; `training_run` does it."""
        patiently(self._client.set_terminated, self.run_id, status)


@contextmanager
def training_run(
    home: Home, *, experiment: str, name: str, tags: RunTags | None = None, parent_run_id: str | None = None
) -> Iterator[TrainingRun]:
    """Keep an MLflow run while the body trains or tunes something.

    The run ends FINISHED; FAILED if the body raises; KILLED if it is interrupted. What the body raised goes on.
    If the process itself is killed, `end_runs_of_dead_processes` ends the run.

    Raises
    ------
    TrackingUnavailable
        If MLflow's database stays locked or is out of reach.
    """
    client = open_tracking(home)
    all_tags = {**(tags or RunTags()).as_tags(), PROCESS_TAG: ProcessIdentity.of_this().to_text()}
    if parent_run_id is not None:
        all_tags[_PARENT_TAG] = parent_run_id
    experiment_id = _experiment_id(client, home, experiment)
    run = TrainingRun(client, patiently(client.create_run, experiment_id, run_name=name, tags=all_tags).info.run_id)
    try:
        yield run
    except BaseException as error:
        _end_after(run, error)
        raise
    run.end("FINISHED")


def _end_after(run: TrainingRun, error: BaseException) -> None:
    """End a run that did not come to its end; trouble in doing so is told beside `error`, not in its place."""
    from mlflow.exceptions import MlflowException

    try:
        run.set_tag("nanodefect/error", f"{type(error).__name__}: {error}"[:5000])
        run.end("FAILED" if isinstance(error, Exception) else "KILLED")
    except (MlflowException, TrackingUnavailable) as trouble:
        error.add_note(f"MLflow run {run.run_id} could not be ended either: {trouble}")


def study_run(home: Home, *, experiment: str, name: str, tags: RunTags | None = None) -> str:
    """Return the id of the run that gathers a study's runs, made when first asked for.

    The partitions of a study may train at different times, so the gathering run is FINISHED from the start.
    """
    if "'" in name:
        raise ValueError(f"Expected the name of a study without quotation marks. Got {name!r}.")
    client = open_tracking(home)
    experiment_id = _experiment_id(client, home, experiment)
    with locked(home.mlflow / "study.lock"):
        query = f"tags.`{STUDY_TAG}` = '{name}'"
        found = patiently(client.search_runs, [experiment_id], query, max_results=1, order_by=["start_time ASC"])
        if found:
            return found[0].info.run_id
        all_tags = {**replace(tags or RunTags(), partition=None).as_tags(), STUDY_TAG: name}
        run_id = patiently(client.create_run, experiment_id, run_name=name, tags=all_tags).info.run_id
        patiently(client.set_terminated, run_id, "FINISHED")
        return run_id


def _experiment_id(client: "MlflowClient", home: Home, name: str) -> str:
    found = patiently(client.get_experiment_by_name, name)
    if found is None:
        return _new_experiment_id(client, home, name)
    if found.lifecycle_stage == "deleted":
        patiently(client.restore_experiment, found.experiment_id)
    return found.experiment_id


def _new_experiment_id(client: "MlflowClient", home: Home, name: str) -> str:
    is_own = home.mlflow_database is not None
    location = (home.mlflow.absolute() / "artifacts" / name).as_uri() if is_own else None
    with locked(home.mlflow / "create.lock"):
        found = patiently(client.get_experiment_by_name, name)
        return found.experiment_id if found else patiently(client.create_experiment, name, location)


def end_runs_of_dead_processes(home: Home) -> list[str]:
    """End, as KILLED, every run whose process is gone; runs that nothing of ours began are left alone.

    Returns
    -------
    list of str
        Ids of the MLflow runs that were ended.
    """
    dead = [run_id for run_id, process in _running(home) if not ProcessIdentity.of_text(process).is_alive()]
    if dead:
        client = open_tracking(home)
        for run_id in dead:
            patiently(client.set_terminated, run_id, "KILLED")
    return dead


def _running(home: Home) -> list[tuple[str, str]]:
    """Return run and process of every run that says it is running; asked of SQLite itself where that is possible."""
    database = home.mlflow_database
    if database is None:
        return _running_by_client(home)
    if not database.exists():
        return []
    rows = read_database(database, _RUNNING, (PROCESS_TAG,))
    return _running_by_client(home) if rows is None else [(run_id, process) for run_id, process in rows]


def _running_by_client(home: Home) -> list[tuple[str, str]]:
    client = open_tracking(home)
    experiments = patiently(client.search_experiments)
    runs, token = [], None
    while token != "":
        page = patiently(
            client.search_runs,
            [experiment.experiment_id for experiment in experiments],
            "attributes.status = 'RUNNING'",
            max_results=_PAGE,
            page_token=token,
        )
        runs += [(run.info.run_id, run.data.tags[PROCESS_TAG]) for run in page if PROCESS_TAG in run.data.tags]
        token = page.token or ""
    return runs


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _in_batches(items: list[Any], most: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), most):
        yield items[start : start + most]
