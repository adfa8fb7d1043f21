"""Tilt series as they come off a microscope: strays, two scans a tilt, bad images; and tables that people mend."""

import csv

import numpy as np
import pytest

from nanodefect_assets.cli.correct import correct
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.shifting import common_shift, shifts_of_move
from nanodefect_assets.stores.simulated import write_tilt_series
from nanodefect_assets.stores.warehouse import run_query

EDGE = 40
TILTS_DEG = np.linspace(-64, 61, 12)
SIGMA_PX = 1.5
YAML = """\
batch: raw-1
simulated: true
files:
  - {path: scan0.mrc, modality: tilt_series}
  - {path: scan90.mrc, modality: tilt_series, second_scan_of: scan0.mrc}
"""


def views(shifts_px):
    """Return analytic views of thirty Gaussians that stray."""
    places = np.random.default_rng(5).uniform(-6, 6, (30, 3))
    seen = places @ np.transpose(TiltGeometry.single_axis(TILTS_DEG).rotations, (0, 2, 1))
    offsets = np.arange(EDGE) - EDGE // 2
    rows, cols = (
        np.exp(-0.5 * ((offsets - seen[..., axis, None] - shift[:, None, None]) / SIGMA_PX) ** 2)
        for axis, shift in ((1, shifts_px[:, 0]), (0, shifts_px[:, 1]))
    )
    return 30 * np.einsum("vpr,vpc->vrc", rows, cols) + 3


def write(path, frames):
    write_tilt_series(path, frames, TILTS_DEG, pixel_size_nm=0.2, voltage_kv=200.0, dose_e_per_nm2=1000.0)


@pytest.fixture
def strays_px(rng):
    return rng.normal(0, 2, (len(TILTS_DEG), 2))


@pytest.fixture
def folder(home, rng, strays_px):
    folder = home.landing / "raw-1"
    folder.mkdir()
    first, second = (rng.poisson(views(strays_px)).astype(np.float32) for _ in range(2))
    first[3] = 7
    first[4], second[4] = 7, 7
    write(folder / "scan0.mrc", first)
    write(folder / "scan90.mrc", np.rot90(second, axes=(1, 2)).copy())
    (folder / "batch.yaml").write_text(YAML)
    return folder


def misplaced_px(rows, strays_px):
    used = [row["tilt_index"] for row in rows if row["is_used"]]
    found_px = np.array([[row["shift_row_px"], row["shift_col_px"]] for row in rows])
    geometry = TiltGeometry.single_axis(TILTS_DEG[used])
    wrong = (found_px - strays_px)[used]
    return float(np.sqrt(np.mean((wrong - shifts_of_move(common_shift(wrong, geometry), geometry)) ** 2)))


@pytest.mark.slow
def test_two_scans_become_one_aligned_series_and_a_mended_table_holds_instead(
    home, folder, ingest, strays_px, tmp_path
):
    assert ingest(home, folder).trouble == ()
    (series,) = run_query(home, "SELECT * FROM aligned_series").to_pylist()
    rows = run_query(home, "SELECT * FROM alignments ORDER BY tilt_index").to_pylist()
    assert series["second_series_id"] == "raw-1/end/scan90.mrc"
    assert (series["source"], series["tilt_axis"], series["n_used"]) == ("computed", "rows", len(TILTS_DEG) - 1)
    assert series["scan_half_correlation"] > 0.8
    assert {row["tilt_index"]: row["reason"] for row in rows if not row["is_used"]} == {4: "dead: one value all over"}
    assert misplaced_px(rows, strays_px) < 0.1
    assert run_query(home, "SELECT is_better, reason FROM refinements").to_pylist()[0]["reason"].startswith("fewer")

    table = tmp_path / "mended.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"is_used": row["is_used"] and row["tilt_index"] != 7} for row in rows)
    correct(home, "alignment", "raw-1", reason="blurred", author="A", target="scan0.mrc", table=table)

    (given,) = run_query(home, "SELECT source, n_used FROM aligned_series").to_pylist()
    assert given == {"source": "given", "n_used": len(TILTS_DEG) - 2}
    (volume,) = run_query(home, "SELECT n_tilts FROM reconstructions").to_pylist()
    assert volume["n_tilts"] == len(TILTS_DEG) - 2
    kept = run_query(home, "SELECT shift_row_px AS px FROM alignments ORDER BY tilt_index").to_pylist()
    assert [row["px"] for row in kept] == pytest.approx([row["shift_row_px"] for row in rows])
    assert not list(home.work.rglob("*.checkpoint"))
