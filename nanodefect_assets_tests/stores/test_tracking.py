import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.stores import mlflow_client
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import TrackingUnavailable, open_tracking, patiently, read_database
from nanodefect_assets.stores.processes import ProcessIdentity
from nanodefect_assets.stores.tracking import (
    PROCESS_TAG,
    RunTags,
    end_runs_of_dead_processes,
    study_run,
    training_run,
)

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

TAGS = RunTags(asset=AssetName(group="hrtem", noun="segmenter"), partition="unet", code_version="3")

BEGIN_AND_WAIT = """
import sys, time
from pathlib import Path
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.tracking import training_run
with training_run(Home(Path(sys.argv[1])), experiment="killed", name="killed") as run:
    print(run.run_id, flush=True)
    time.sleep(600)
"""
OPEN = """
import sys
from pathlib import Path
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import open_tracking
print(len(open_tracking(Home(Path(sys.argv[1]))).search_experiments()))
"""
TRANSACTION_AND_WAIT = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE runs SET status = 'RUNNING'")
for n in range(2000):
    row = (f"filler{n}", "x" * 4000)
    connection.execute("INSERT INTO tags VALUES (?, ?, (SELECT run_uuid FROM runs LIMIT 1))", row)
print("spilled", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home")).prepare()


@pytest.fixture
def client(home):
    return open_tracking(home)


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def status_of(client, run_id):
    return client.get_run(run_id).info.status


def test_a_run_keeps_what_was_logged(home, client, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n")
    with training_run(home, experiment="logging", name="a run", tags=TAGS) as run:
        assert status_of(client, run.run_id) == "RUNNING"
        run.log_params({"size": 32, "optimiser": {"name": "adam", "rate": 1e-3}})
        run.log_metric("loss", 0.5, step=3)
        run.log_metrics({"dice": 0.75, "recall": float("nan")}, step=3)
        run.log_curve("curve", np.linspace(1, 0, 2500), first_step=1)
        run.log_png("pictures/mask.png", b"\x89PNG")
        run.log_text("report.md", "# good")
        run.log_folder(tmp_path, "tables")
        run.set_tag("colour", "green")

    kept = client.get_run(run.run_id)
    assert (kept.info.status, kept.info.run_name) == ("FINISHED", "a run")
    assert kept.data.params == {"size": "32", "optimiser.name": "adam", "optimiser.rate": "0.001"}
    assert (kept.data.metrics["loss"], kept.data.metrics["dice"]) == (0.5, 0.75)
    curve = client.get_metric_history(run.run_id, "curve")
    assert [point.step for point in curve] == list(range(1, 2501))
    assert kept.data.tags["colour"] == "green"
    folder = home.mlflow / "artifacts" / "logging" / run.run_id / "artifacts"
    assert (folder / "pictures" / "mask.png").read_bytes() == b"\x89PNG"
    assert (folder / "tables" / "table.csv").exists()
    assert (folder / "report.md").read_text() == "# good"


def test_a_run_says_what_it_belongs_to_and_which_process_works_on_it(home, client):
    with training_run(home, experiment="tags", name="a run", tags=TAGS) as run:
        tags = client.get_run(run.run_id).data.tags

    assert {name: value for name, value in tags.items() if name.startswith("nanodefect/")} == {
        "nanodefect/asset": "hrtem/segmenter",
        "nanodefect/partition": "unet",
        "nanodefect/code_version": "3",
        PROCESS_TAG: ProcessIdentity.of_this().to_text(),
    }


def test_the_environment_names_the_installed_packages(home, client):
    with training_run(home, experiment="environment", name="a run") as run:
        run.log_environment()

    lines = (home.mlflow / "artifacts" / "environment" / run.run_id / "artifacts" / "environment.txt").read_text()
    assert f"numpy=={np.__version__}" in lines.splitlines()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad labels"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(1), "KILLED")],
)
def test_what_the_body_raises_goes_on_and_ends_the_run(home, client, error, status):
    with pytest.raises(type(error)) as raised, training_run(home, experiment="ends", name="a run") as run:
        raise error

    assert raised.value is error
    assert status_of(client, run.run_id) == status
    assert client.get_run(run.run_id).data.tags["nanodefect/error"].startswith(type(error).__name__)


def test_trouble_with_the_registry_does_not_hide_what_went_wrong(home, monkeypatch):
    def gone(*_):
        raise TrackingUnavailable("gone")

    def train(run):
        monkeypatch.setattr(run, "set_tag", gone)
        raise ValueError("bad labels")

    with pytest.raises(ValueError, match="bad labels") as raised, training_run(home, experiment="e", name="r") as run:
        train(run)
    assert "could not be ended either: gone" in raised.value.__notes__[0]
    run.end("FAILED")


def test_nested_and_simultaneous_runs_do_not_mix(home, client):
    def train(n):
        with training_run(home, experiment="many", name=f"repeat {n}", parent_run_id=parent.run_id) as run:
            run.log_params({"n": n})
            run.log_metric("score", n)
        return n, run.run_id

    with training_run(home, experiment="many", name="study") as parent, ThreadPoolExecutor(4) as threads:
        repeats = list(threads.map(train, range(8)))

    for n, run_id in repeats:
        kept = client.get_run(run_id).data
        assert (kept.params, kept.metrics) == ({"n": str(n)}, {"score": n})
        assert kept.tags["mlflow.parentRunId"] == parent.run_id
    assert client.get_run(parent.run_id).data.params == {}


def test_a_study_has_one_gathering_run_that_is_never_left_running(home, client):
    first = study_run(home, experiment="study", name="architecture_study", tags=TAGS)

    assert study_run(home, experiment="study", name="architecture_study") == first
    assert study_run(home, experiment="study", name="another") != first
    kept = client.get_run(first)
    assert kept.info.status == "FINISHED"
    assert "nanodefect/partition" not in kept.data.tags
    with pytest.raises(ValueError, match="without quotation marks"):
        study_run(home, experiment="study", name="it's")


def test_a_deleted_experiment_comes_back(home, client):
    with training_run(home, experiment="deleted", name="a run"):
        pass
    client.delete_experiment(client.get_experiment_by_name("deleted").experiment_id)
    with training_run(home, experiment="deleted", name="a run") as run:
        pass

    assert status_of(client, run.run_id) == "FINISHED"


def test_runs_of_a_killed_process_are_ended_and_no_others(home, client):
    process = start(BEGIN_AND_WAIT, home.root)
    run_id = process.stdout.readline().strip()
    with training_run(home, experiment="killed", name="alive") as alive:
        foreign = client.create_run("0", run_name="by a person in a notebook").info.run_id
        assert end_runs_of_dead_processes(home) == []
        assert status_of(client, run_id) == "RUNNING"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

        assert end_runs_of_dead_processes(home) == [run_id]
        assert end_runs_of_dead_processes(home) == []
        assert status_of(client, run_id) == "KILLED"
        assert status_of(client, alive.run_id) == status_of(client, foreign) == "RUNNING"
    client.set_terminated(foreign)


def test_runs_from_before_a_reboot_are_ended(home, client, monkeypatch):
    with training_run(home, experiment="reboot", name="a run") as run:
        monkeypatch.setenv("NANODEFECT_BOOT_ID", "another-boot")

        assert end_runs_of_dead_processes(home) == [run.run_id]
        assert status_of(client, run.run_id) == "KILLED"


def test_a_tracking_server_elsewhere_is_asked_by_the_client(home, client, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.mlflow_uri)
    elsewhere = Home(tmp_path).prepare()
    assert elsewhere.mlflow_database is None
    assert home.mlflow_database is not None
    with training_run(elsewhere, experiment="elsewhere", name="a run") as run:
        monkeypatch.setenv("NANODEFECT_BOOT_ID", "another-boot")

        assert end_runs_of_dead_processes(elsewhere) == [run.run_id]
    assert not (tmp_path / "mlflow" / "mlflow.db").exists()


def test_without_dead_runs_mlflow_is_not_even_imported(home, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from nanodefect_assets.stores.home import Home\n"
        "from nanodefect_assets.stores.tracking import end_runs_of_dead_processes\n"
        "print([end_runs_of_dead_processes(Home(Path(root))) for root in sys.argv[1:]], 'mlflow' in sys.modules)"
    )
    assert start(code, tmp_path, home.root).communicate()[0].strip() == "[[], []] False"
    assert not (tmp_path / "mlflow").exists()


def test_a_transaction_cut_off_by_a_kill_is_undone_and_not_in_the_way(home, client):
    with training_run(home, experiment="journal", name="a run") as run:
        pass
    process = start(TRANSACTION_AND_WAIT, home.mlflow_database)
    assert process.stdout.readline() == "spilled\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (home.mlflow / "mlflow.db-journal").stat().st_size > 0

    assert end_runs_of_dead_processes(home) == []
    assert status_of(client, run.run_id) == "FINISHED"


def test_a_database_that_is_just_being_made_has_no_runs(tmp_path):
    home = Home(tmp_path).prepare()
    sqlite3.connect(home.mlflow_database).close()

    assert end_runs_of_dead_processes(home) == []


def test_a_locked_database_is_reported_in_words(home, client, monkeypatch):
    monkeypatch.setattr(mlflow_client, "_BUSY_S", 0.1)
    with closing(sqlite3.connect(home.mlflow_database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingUnavailable, match=r"locked\). Nothing was changed"):
            end_runs_of_dead_processes(home)


@pytest.mark.parametrize(
    ("tables", "rows"),
    [
        ("", []),
        ("CREATE TABLE runs (run_uuid)", None),
        ("CREATE TABLE alembic_version (version_num)", None),
        ("CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('later')", None),
    ],
    ids=["none", "no version", "version unknown to itself", "a later version"],
)
def test_tables_of_a_version_not_known_are_not_read(tmp_path, tables, rows):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.executescript(tables)

    assert read_database(tmp_path / "mlflow.db", "SELECT nonsense FROM nowhere") == rows


def test_where_mlflow_has_changed_its_tables_it_is_asked_itself(home, client, monkeypatch):
    monkeypatch.setattr(mlflow_client, "_KNOWN_SCHEMAS", frozenset())
    with training_run(home, experiment="migrated", name="a run") as run:
        assert end_runs_of_dead_processes(home) == []
        monkeypatch.setenv("NANODEFECT_BOOT_ID", "another-boot")

        assert end_runs_of_dead_processes(home) == [run.run_id]
        assert status_of(client, run.run_id) == "KILLED"


def test_a_file_that_is_no_database_is_reported_in_words(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"not a database, surely not" * 100)

    with pytest.raises(TrackingUnavailable, match="not a database"):
        read_database(path, "SELECT 1 FROM runs")


@pytest.mark.parametrize(("n_locked", "n_calls"), [(0, 1), (2, 3), (5, 3)])
def test_a_busy_database_is_tried_three_times(n_locked, n_calls):
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

    calls = []

    def call(value):
        calls.append(value)
        if len(calls) <= n_locked:
            raise MlflowException("(sqlite3.OperationalError) database is locked", TEMPORARILY_UNAVAILABLE)
        return value

    if n_locked < n_calls:
        assert patiently(call, 7) == 7
    else:
        with pytest.raises(TrackingUnavailable, match="database is locked"):
            patiently(call, 7)
    assert len(calls) == n_calls


def test_a_database_that_is_locked_when_mlflow_opens_it_is_reported_in_words():
    from sqlalchemy.exc import OperationalError

    def call():
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))

    with pytest.raises(TrackingUnavailable, match=r"locked\). Nothing was changed"):
        patiently(call)


def test_other_errors_of_mlflow_are_not_tried_again(client):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="not found"):
        patiently(client.get_run, "0" * 32)


@pytest.mark.slow
def test_processes_may_make_the_database_at_once_even_after_one_was_killed_at_it(tmp_path):
    home = Home(tmp_path).prepare()
    killed = start(OPEN, home.root)
    while not list(home.mlflow.glob(".making-*.db")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert not home.mlflow_database.exists()

    processes = [start(OPEN, home.root) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in processes] == ["1", "1"]
    assert not list(home.mlflow.glob(".making-*"))
