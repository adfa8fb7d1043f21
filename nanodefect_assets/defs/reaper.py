"""Ending the runs whose process is gone.

`finally` does not run on `kill -9` or a power cut: Dagster then leaves the run STARTED and its slot taken for ever.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import psutil
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.processes import PROCESS_TAG, ProcessIdentity
from nanodefect_assets.stores.tracking import end_runs_of_dead_processes

_ACTIVE = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_PATIENCE = timedelta(minutes=3)
"""How long a run that was taken from the queue may take to tell which process works on it."""


def end_dead_runs(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """End every run whose process is gone: in Dagster, its pool slots, and its MLflow runs.

    Returns
    -------
    list of str
        The Dagster runs that were ended.
    """
    records = instance.get_run_records(RunsFilter(statuses=_ACTIVE))
    dead = [record for record in records if not _is_alive(instance, record)]
    for record in dead:
        run = record.dagster_run
        instance.report_run_failed(
            run, "The process of this run is gone (killed, or the machine was restarted). What it had finished is kept."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    ended = [record.dagster_run.run_id for record in dead]
    end_runs_of_dead_processes(home)
    return ended


def _is_alive(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    tag = _process_tag(instance, record.dagster_run)
    if tag is not None:
        return ProcessIdentity.of_text(tag).is_alive()
    begun = max(record.create_timestamp, record.update_timestamp)  # waiting in the queue is no part of it
    if begun.timestamp() < psutil.boot_time():
        return False
    pid = _pid_of_events(instance, record.dagster_run.run_id)
    if pid is not None and isinstance(instance.run_launcher, dg.DefaultRunLauncher):  # of this machine
        return psutil.pid_exists(pid)
    return datetime.now(UTC) - begun < _PATIENCE


def _process_tag(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the process that works on a run; when tried again, a run begins with all tags of the one that failed."""
    tag = run.tags.get(PROCESS_TAG)
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return None if parent is not None and parent.tags.get(PROCESS_TAG) == tag else tag


def _pid_of_events(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Return the process that the run's own events name, for a run that was killed before it was tagged."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        if entry.dagster_event is not None:
            pid = entry.dagster_event.engine_event_data.metadata.get("pid")
            if pid is not None and pid.value is not None:
                return int(str(pid.value))
    return None
