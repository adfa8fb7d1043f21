"""SIGKILL at any moment: what is readable then, and what a second run makes of it."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dagster import DagsterRunStatus, RunsFilter

from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.reaper import end_dead_runs
from nanodefect_assets.stores.files import sha256_of
from nanodefect_assets.stores.generations import read_record
from nanodefect_assets.stores.home import RECORD, Home
from nanodefect_assets.stores.revisions import current_manifest, raw_path
from nanodefect_assets.stores.warehouse import run_query

UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
SMALL_YAML = """\
batch: discs-01
material: Au
conditions: {temperature: 90 degC}
files:
  - {path: "1h/*.tif", modality: hrstem}
  - {path: "1h/labels/*.png", modality: labels}
"""
FIRST_BOOT, NEXT_BOOT = "first boot", "next boot"


class Server:
    """The process that takes batches in, each time in a fork that may be killed."""

    def __init__(self, log):
        self.log = log
        program = [sys.executable, str(Path(__file__).with_name("forked_ingest.py"))]
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
            )

    def __call__(self, home, *, kill_at=None, kind="files", boot_id=FIRST_BOOT):
        command = {"home": str(home.root), "folder": str(home.landing / "discs-01"), "kill_at": kill_at}
        self.process.stdin.write(json.dumps({**command, "kind": kind, "boot_id": boot_id}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["status"] in (0, -signal.SIGKILL), self.log.read_text()[-3000:]
        return answer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "stderr.txt")
    yield server
    server.process.stdin.close()
    assert server.process.wait(timeout=30) == 0
    server.process.stdout.close()


@pytest.fixture
def small(write_batch, home):
    """A home with a batch of one aliquot in its landing folder."""
    write_batch(home.landing / "discs-01", SMALL_YAML)
    return home


@pytest.fixture(scope="module")
def reference(run, write_batch, tables_of, tmp_path_factory):
    """Tables of an undisturbed run, and how many events a kill can be put before."""
    home = Home(tmp_path_factory.mktemp("reference") / "home").prepare()
    write_batch(home.landing / "discs-01", SMALL_YAML)
    answer = run(home)
    assert answer["status"] == 0
    return tables_of(home), answer["events"]


def check_nothing_half_written_is_readable(home):
    """Look at everything that a reader can reach."""
    for _, _, folder in home.pointers():
        assert read_record(folder).content_digest == digest_of(folder)
    manifest = current_manifest(home, "discs-01")
    for file in manifest.files if manifest else ():
        assert sha256_of(raw_path(home, manifest, file)) == file.sha256
    if home.warehouse.exists():
        (n_tables,) = run_query(home, "SELECT count(*) AS n FROM duckdb_tables() WHERE NOT internal").to_pylist()
        assert n_tables["n"] > 10


def digest_of(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    lines = (f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_no_run_stays(home, monkeypatch, boot_id):
    monkeypatch.setenv("NANODEFECT_BOOT_ID", boot_id)
    with open_instance(home) as instance:
        end_dead_runs(instance, home)
        assert instance.get_runs(RunsFilter(statuses=UNFINISHED)) == []
        storage = instance.event_log_storage
        taken = {key: storage.get_concurrency_info(key).active_slot_count for key in storage.get_concurrency_keys()}
        assert set(taken.values()) <= {0}


def kill_and_go_on(home, run, reference, tables_of, monkeypatch, *, boot_id=FIRST_BOOT, **kill):
    """Kill a run, look, run again to the end, compare; return how the first one ended."""
    killed = run(home, **kill)
    check_nothing_half_written_is_readable(home)
    check_no_run_stays(home, monkeypatch, boot_id)
    assert run(home, boot_id=boot_id)["status"] == 0
    tables, _ = reference
    assert tables_of(home) == tables
    check_no_run_stays(home, monkeypatch, boot_id)
    return killed["status"]


_SLOW = pytest.mark.slow


@pytest.mark.parametrize("fraction", [pytest.param(0.08, marks=_SLOW), 0.45, pytest.param(0.97, marks=_SLOW)])
def test_a_run_killed_and_run_again_ends_as_an_undisturbed_one(small, run, reference, tables_of, monkeypatch, fraction):
    """Early, which is in the intake; in the middle, in a sample; and late, in the statistics or the warehouse."""
    kill_at = round(fraction * reference[1]["files"])

    assert kill_and_go_on(small, run, reference, tables_of, monkeypatch, kill_at=kill_at) == -signal.SIGKILL


def moments(n_moments, seed):
    rng = np.random.default_rng(seed)
    return [float(fraction) for fraction in (np.arange(n_moments) + rng.random(n_moments)) / n_moments]


@pytest.mark.slow
@pytest.mark.parametrize("boot_id", [FIRST_BOOT, NEXT_BOOT])
@pytest.mark.parametrize("kind", ["files", "databases"])
@pytest.mark.parametrize("fraction", moments(12, seed=3))
def test_a_run_killed_anywhere_ends_as_an_undisturbed_one(
    small, run, reference, tables_of, monkeypatch, fraction, kind, boot_id
):
    """Before each kind of change: to files of the home, and to the databases of Dagster; also across a reboot."""
    kill_at = 1 + int(fraction * (reference[1][kind] - 1))

    status = kill_and_go_on(small, run, reference, tables_of, monkeypatch, kill_at=kill_at, kind=kind, boot_id=boot_id)

    assert status == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", [200, 500, 900, 1400, 2000, 2700, 3500, 4500])
def test_a_run_killed_at_any_time_ends_as_an_undisturbed_one(
    small, run, reference, tables_of, monkeypatch, milliseconds
):
    """At moments that no event marks, as in the middle of compression or of DuckDB's own writing."""
    kill = {"kill_at": milliseconds, "kind": "milliseconds"}

    assert kill_and_go_on(small, run, reference, tables_of, monkeypatch, **kill) in (0, -signal.SIGKILL)


@pytest.mark.slow
def test_killed_again_and_again_it_gets_there(small, run, reference, tables_of, monkeypatch):
    tables, events = reference
    rng = np.random.default_rng(11)
    for _ in range(12):
        run(small, kill_at=int(rng.integers(1, events["files"] // 2)))
        check_nothing_half_written_is_readable(small)

    assert run(small)["status"] == 0
    assert tables_of(small) == tables
    check_no_run_stays(small, monkeypatch, FIRST_BOOT)
