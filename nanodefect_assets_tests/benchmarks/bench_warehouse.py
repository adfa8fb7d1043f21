"""The warehouse against plain DuckDB, in one run: loading ten million particles, and a grouped statistic of them."""

import os
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import PARTICLES
from nanodefect_assets.stores.generations import new_generation
from nanodefect_assets.stores.rows import RowsWriter
from nanodefect_assets.stores.warehouse import load_warehouse, open_warehouse

N_ROWS = 10_000_000
STATISTIC = """
SELECT label % 100 AS class, count(*) AS n, avg(area_px) AS mean, stddev(equivalent_diameter_px) AS sd
FROM {table} WHERE NOT touches_edge GROUP BY ALL ORDER BY ALL
"""
ROUNDS = 2


def particles(n, rng):
    """Make rows of random numbers, which no compression can shorten."""
    makers = {
        "float": lambda: rng.random(n) * 100,
        "int": lambda: rng.integers(2000, size=n),
        "bool": lambda: rng.random(n) < 0.1,
    }
    frame = pd.DataFrame({c.name: makers[c.type]() for c in PARTICLES.columns if c.type in makers})
    frame["modality"] = "hrtem"
    frame["is_simulated"] = False
    frame["label"] = np.arange(n)
    micrograph = "pd-2021-03/t0028800/images/0" + (frame["label"] // 500).astype(str).str.zfill(5) + ".dm4"
    frame["micrograph_id"] = micrograph
    frame["particle_id"] = micrograph + "#" + frame["label"].astype(str)
    return frame[list(PARTICLES.names)]


def write_generations(home, folder, n_files, rng):
    """Write generations that hold `N_ROWS` together and return their files; the same bytes serve all of them."""
    rows = folder / "particles.parquet"
    writer = RowsWriter(rows, PARTICLES)
    writer.add(particles(N_ROWS // n_files, rng))
    writer.close()
    paths = []
    for n in range(n_files):
        place = Place(batch=f"pd-{n % 50}", aliquot=f"t{n:07d}")
        origin = Origin(asset=AssetName(group="hrtem", noun="particles"), place=place, code_version="1")
        with new_generation(home, origin) as out:
            os.link(rows, out.folder / rows.name)
        paths.append(str(out.folder / rows.name))
    return paths


def load_plain(path, files):
    path.unlink(missing_ok=True)
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE particles AS SELECT * FROM read_parquet(?)", [files])
        connection.execute("CHECKPOINT")


def load_ours(home):
    home.warehouse.unlink(missing_ok=True)
    assert load_warehouse(home).n_rows["particles"] == N_ROWS


def seconds(function, *arguments):
    """Return the time that passed and the time that this process's threads computed."""
    begun, begun_cpu = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.perf_counter() - begun, time.process_time() - begun_cpu


def report(capsys, name, ours, plain):
    """Print ratios of the best rounds: of time that passed, and of time computed, which neighbours disturb less."""
    parts = []
    for kind, mine, theirs in zip(
        ("passed", "computed"), zip(*ours, strict=True), zip(*plain, strict=True), strict=True
    ):
        parts.append(f"{min(mine) / min(theirs):.2f} x ({min(mine):.2f} s against {min(theirs):.2f} s {kind})")
    with capsys.disabled():
        print(f"\n{name}, against plain DuckDB: {', '.join(parts)}")


@pytest.mark.benchmark
@pytest.mark.parametrize("n_files", [50, 1000])
def test_load_and_statistic(home, tmp_path, rng, capsys, n_files):
    files = write_generations(home, tmp_path, n_files, rng)
    plain_path: Path = tmp_path / "plain.duckdb"
    load_plain(plain_path, files)
    times = [(seconds(load_ours, home), seconds(load_plain, plain_path, files)) for _ in range(ROUNDS)]
    report(capsys, f"load of {N_ROWS:,} particles in {n_files} files", *zip(*times, strict=True))

    with open_warehouse(home) as ours, duckdb.connect(plain_path, read_only=True) as plain:
        ask_ours, ask_plain = STATISTIC.format(table="measured_particles"), STATISTIC.format(table="particles")
        found, expected = ours.execute(ask_ours).df(), plain.execute(ask_plain).df()
        pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
        times = [
            (seconds(lambda: ours.execute(ask_ours).fetchall()), seconds(lambda: plain.execute(ask_plain).fetchall()))
            for _ in range(5)
        ]
    report(capsys, f"grouped statistic of {N_ROWS:,} particles", *zip(*times, strict=True))
