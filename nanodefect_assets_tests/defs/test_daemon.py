"""Dagster's own daemon, killed in the middle of a run and started again: nobody asks for anything."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.defs.instance import open_instance

pytestmark = pytest.mark.slow
DAEMON = Path(sys.executable).with_name("dagster-daemon")
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@contextmanager
def daemon(home, log):
    """Run the daemon with its code location; kill it and all its children at the end."""
    command = [str(DAEMON), "run", "-m", "nanodefect_assets.definitions"]
    environment = {**os.environ, "DAGSTER_HOME": str(home.dagster), "NANODEFECT_HOME": str(home.root)}
    with log.open("a") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=home.root, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        kill_tree(process)


def kill_tree(process):
    """Kill a process and all below it, also those that lead a session of their own, as a power cut does."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in tree:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.wait(timeout=30)


def wait_until(condition, what, timeout_s):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.2)
    pytest.fail(f"Waited {timeout_s} s in vain for {what}.")


def test_a_daemon_killed_in_the_middle_of_a_run_goes_on_where_it_stopped(
    home, write_batch, undisturbed, tables_of, tmp_path
):
    write_batch(home.landing / "discs-01")
    log = tmp_path / "daemon.txt"
    with open_instance(home) as instance:

        def runs(job, *statuses):
            return instance.get_runs(RunsFilter(job_name=job, statuses=list(statuses)))

        with daemon(home, log):
            wait_until(lambda: runs("make_sample", DagsterRunStatus.STARTED), "a sample being made", 240)
            time.sleep(1.5)
        assert runs("make_sample", DagsterRunStatus.STARTED), "the kill came in the middle of a run"

        with daemon(home, log):
            wait_until(lambda: is_same_as(home, undisturbed, tables_of), "the tables of an undisturbed run", 500)
            wait_until(
                lambda: not instance.get_runs(RunsFilter(statuses=UNFINISHED)), "all runs to have come to an end", 200
            )


def is_same_as(home, undisturbed, tables_of):
    return home.warehouse.exists() and tables_of(home) == tables_of(undisturbed)
