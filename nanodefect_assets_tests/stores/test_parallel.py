"""Many processes at once: each writes a cell and loads the warehouse while readers query it."""

import json
import subprocess
import sys

import pytest

from nanodefect_assets.stores.warehouse import load_warehouse, run_query

N_WRITERS = 4
N_READERS = 2
N_TRIALS = 200
N_PARTICLES = 25
LIMIT_S = 400

WRITER = """
import json, sys
from pathlib import Path
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import PARTICLES
from nanodefect_assets.stores.generations import new_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse import load_warehouse, run_query

home, number, n_cells, n_particles = Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
values = {"text": "x", "int": 1, "float": 1.5, "bool": False}
row = {column.name: values[column.type] for column in PARTICLES.columns}
for cell in range(n_cells):
    place = Place(batch=f"w{number}", aliquot=f"t{cell:07d}")
    origin = Origin(asset=AssetName(group="hrtem", noun="particles"), place=place, code_version="1")
    with new_generation(home, origin) as out:
        out.add_rows(PARTICLES, [row | {"particle_id": f"{place.sample}/a#{n}"} for n in range(n_particles)])
    loaded = load_warehouse(home)
    assert not loaded.left_out, loaded.left_out
    seen = run_query(home, f"SELECT count(*) AS n FROM particles WHERE sample = '{place.sample}'").to_pylist()
    assert seen == [{"n": n_particles}], (place, seen)
"""

READER = """
import json, sys, time
from pathlib import Path
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse import run_query

home, stop, n_particles = Home(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
waits, n_before = [], 0
print("ready", flush=True)
while not stop.exists():
    begun = time.perf_counter()
    rows = run_query(home, "SELECT sample, count(*) AS n FROM particles GROUP BY sample").to_pylist()
    waits.append(time.perf_counter() - begun)
    assert all(row["n"] == n_particles for row in rows), "torn"
    assert len(rows) >= n_before, "rows were lost"
    n_before = len(rows)
    time.sleep(0.05)
print(json.dumps({"n": len(waits), "longest_s": max(waits), "median_s": sorted(waits)[len(waits) // 2]}))
"""


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_trials(home, tmp_path, n_trials):
    """Run all processes to their end; return what each reader measured."""
    load_warehouse(home)
    stop = tmp_path / "stop"
    readers = [start(READER, home.root, stop, N_PARTICLES) for _ in range(N_READERS)]
    writers = []
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n", reader.communicate()[1]
        writers += [start(WRITER, home.root, n, n_trials // N_WRITERS, N_PARTICLES) for n in range(N_WRITERS)]
        errors = [writer.communicate(timeout=LIMIT_S)[1] for writer in writers]
        stop.touch()
        answers = [reader.communicate(timeout=LIMIT_S) for reader in readers]
    finally:
        for process in (*writers, *readers):
            process.kill()
    assert [process.returncode for process in (*writers, *readers)] == [0] * (N_WRITERS + N_READERS), (errors, answers)
    return [json.loads(out) for out, _ in answers]


@pytest.mark.parametrize(
    "n_trials", [pytest.param(8, id="a few"), pytest.param(N_TRIALS, id="200", marks=pytest.mark.slow)]
)
def test_no_lock_errors_no_lost_rows_and_no_reader_held_up(home, tmp_path, n_trials, capsys):
    readers = run_trials(home, tmp_path, n_trials)
    found = run_query(home, "SELECT count(*) AS n, count(DISTINCT particle_id) AS ids FROM particles").to_pylist()

    assert found == [{"n": n_trials * N_PARTICLES, "ids": n_trials * N_PARTICLES}]
    assert load_warehouse(home).is_unchanged
    with capsys.disabled():
        queries = sum(reader["n"] for reader in readers)
        longest_s = max(reader["longest_s"] for reader in readers)
        print(  # noqa: T201
            f"\n{n_trials} trials of {N_WRITERS} writers and loaders: 0 errors, 0 rows lost; {queries} queries by "
            f"{N_READERS} readers, longest wait {longest_s:.2f} s, median {readers[0]['median_s']:.3f} s"
        )
