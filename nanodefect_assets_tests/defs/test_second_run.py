"""Two processes that take batches in at once, in one home."""

import subprocess
import sys
from pathlib import Path

import pytest
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.stores.home import Home

pytestmark = pytest.mark.slow
COMMAND = Path(sys.executable).with_name("nanodefect")


def start(home, folder):
    """Start `nanodefect ingest`."""
    return subprocess.Popen(
        [str(COMMAND), "--home", str(home.root), "ingest", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(processes):
    """Wait for the processes; return what those said that failed."""
    said = [process.communicate(timeout=500)[0] for process in processes]
    return [text for text, process in zip(said, processes, strict=True) if process.returncode]


def check_all_runs_succeeded(home):
    with open_instance(home) as instance:
        n_runs = instance.get_runs_count()
        assert instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.SUCCESS])) == n_runs > 0


def test_two_runs_of_the_same_batch_end_as_one(home, write_batch, undisturbed, tables_of):
    folder = write_batch(home.landing / "discs-01")

    assert finish([start(home, folder), start(home, folder)]) == []

    assert tables_of(home) == tables_of(undisturbed)
    check_all_runs_succeeded(home)


def test_two_batches_at_once_end_as_one_after_the_other(home, write_batch, tmp_path, tables_of):
    one_by_one = Home(tmp_path / "one by one").prepare()
    for where in (home, one_by_one):
        for batch in ("discs-01", "discs-02"):
            folder = write_batch(where.landing / batch)
            spec = folder / "batch.yaml"
            spec.write_text(spec.read_text().replace("discs-01", batch))

    assert finish([start(home, home.landing / batch) for batch in ("discs-01", "discs-02")]) == []
    for batch in ("discs-01", "discs-02"):
        assert finish([start(one_by_one, one_by_one.landing / batch)]) == []

    assert tables_of(home) == tables_of(one_by_one)
    check_all_runs_succeeded(home)
