"""The running user interface takes in what is dropped into landing, without a click."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import DagsterRunStatus

from nanodefect_assets.defs.jobs import MAKE_SAMPLE
from nanodefect_assets.defs.samples.intake import REFUSED_TAG
from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.params import ParticleFieldParams
from nanodefect_assets.stores.simulated import write_mrc
from nanodefect_assets.stores.warehouse import run_query

pytestmark = pytest.mark.slow

START_S, ARRIVAL_S, END_S = 180, 300, 60
FIELD = ParticleFieldParams(
    modality="hrstem", n_rows=256, n_cols=256, pixel_size_nm=0.2, n_particles=12, dose_e_per_nm2=2000.0
)


def free_ports(n):
    probes = [socket.socket() for _ in range(n)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_until(is_done, timeout_s, what):
    deadline = time.monotonic() + timeout_s
    while not is_done():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(1)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


@contextmanager
def running_servers(home, log):
    """Run the servers; at the end, ask them to end and see that no process of theirs is left."""
    port, mlflow_port = free_ports(2)
    command = [Path(sys.executable).parent / "nanodefect", "--home", home.root, "ui"]
    command += ["--port", str(port), "--mlflow-port", str(mlflow_port)]
    with log.open("wb") as output:
        servers = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        for url in (f"http://127.0.0.1:{port}/server_info", f"http://127.0.0.1:{mlflow_port}/health"):
            wait_until(lambda url=url: servers.poll() is not None or answers(url), START_S, f"{url} answers")
            assert servers.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        children = psutil.Process(servers.pid).children(recursive=True) if servers.poll() is None else []
        servers.terminate()
        _, left = psutil.wait_procs([*children, psutil.Process(servers.pid)] if children else [], END_S)
        for process in left:
            process.kill()
        servers.wait(END_S)
    assert children, log.read_text()
    assert not left


@pytest.fixture
def servers(home, tmp_path):
    with running_servers(home, tmp_path / "servers.log") as url:
        yield url


def add_aliquot(folder, hours, rng):
    (folder / f"{hours}h").mkdir(parents=True)
    field = particle_field(FIELD, rng=rng)
    write_mrc(folder / f"{hours}h" / "0.mrc", field.micrograph.counts, pixel_size_nm=FIELD.pixel_size_nm)


def write_batch_yaml(folder, hours):
    lines = [f"batch: {folder.name}", "material: Pd", "simulated: true", "aliquots:"]
    lines += [f"  - time: {hour} h" for hour in hours]
    lines += ["files:", *(f'  - {{path: "{hour}h/*.mrc", modality: hrstem, aliquot: {hour} h}}' for hour in hours)]
    (folder / "batch.yaml").write_text("\n".join(lines) + "\n")


def summarised(home, batch):
    """Return the particles counted in each aliquot of a batch, by the statistics that the warehouse holds."""
    if not home.warehouse.exists():
        return {}
    query = f"SELECT aliquot_time, n_particles FROM size_distributions WHERE synthesis_batch = '{batch}'"
    return {row["aliquot_time"]: row["n_particles"] for row in run_query(home, query).to_pylist()}


def all_runs(home, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with dg.DagsterInstance.get() as instance:
        return instance.get_runs()


def test_what_is_dropped_reaches_sql_without_a_click(home, servers, rng, monkeypatch):
    good, bad = home.landing / "sim-01", home.landing / "sim-bad"
    add_aliquot(good, 1, rng)
    write_batch_yaml(good, [1])
    add_aliquot(bad, 1, rng)
    write_batch_yaml(bad, ["some"])

    wait_until(lambda: summarised(home, "sim-01").keys() == {"t0003600"}, ARRIVAL_S, "the first aliquot in SQL")
    before = summarised(home, "sim-01")
    add_aliquot(good, 8, rng)
    write_batch_yaml(good, [1, 8])
    both = {"t0003600", "t0028800"}
    wait_until(lambda: summarised(home, "sim-01").keys() == both, ARRIVAL_S, "the later aliquot in SQL")

    after = summarised(home, "sim-01")
    assert after["t0003600"] == before["t0003600"] > 0
    assert after["t0028800"] > 0
    runs = all_runs(home, monkeypatch)
    made = Counter(run.tags["dagster/partition"] for run in runs if run.job_name == MAKE_SAMPLE)
    assert made == {"t0003600|sim-01": 1, "t0028800|sim-01": 1}
    failed = [run for run in runs if run.status == DagsterRunStatus.FAILURE]
    assert [(run.tags["dagster/partition"], run.tags[REFUSED_TAG]) for run in failed] == [("sim-bad", "bad_batch_yaml")]
    reasons = [path.read_text() for path in home.quarantine.glob("sim-bad/*/reason.json")]
    assert len(reasons) == 1
    assert "some h" in reasons[0]
