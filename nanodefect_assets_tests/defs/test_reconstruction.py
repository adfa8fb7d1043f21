"""Tilt series dropped in a folder become volumes, with their quality beside them."""

import numpy as np
import pytest

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.tilt_geometry import view_rotations
from nanodefect_assets.stores.generations import require_generation
from nanodefect_assets.stores.simulated import write_tilt_series
from nanodefect_assets.stores.volumes import VOLUMES, read_volume
from nanodefect_assets.stores.warehouse import run_query

TILTS_DEG = np.linspace(-66, 66, 12)
POSITIONS = np.array([[6.0, -4.0, 3.0], [-5.0, 5.0, 6.0], [1.0, 1.0, -7.0]])
SIGMA_PX = 2.0
YAML = """\
batch: tilts-1
simulated: true
files: [{path: "*.mrc", modality: tilt_series}]
"""


def blobs():
    """Return analytic views of three Gaussians, 32 pixels wide."""
    pixels = np.arange(32) - 16
    euler_deg = np.stack([0 * TILTS_DEG, TILTS_DEG, 0 * TILTS_DEG], axis=1)
    seen = POSITIONS @ np.transpose(view_rotations(euler_deg), (0, 2, 1))
    across, along = (np.exp(-0.5 * ((pixels - seen[..., [axis]]) / SIGMA_PX) ** 2) for axis in (0, 1))
    return np.einsum("vpr,vpc->vrc", along, across).astype(np.float32) * 100


def write(folder, name, frames, tilts_deg=TILTS_DEG):
    write_tilt_series(folder / name, frames, tilts_deg, pixel_size_nm=0.05, voltage_kv=200.0, dose_e_per_nm2=1000.0)


@pytest.fixture
def folder(home):
    folder = home.landing / "tilts-1"
    folder.mkdir()
    write(folder, "good.mrc", blobs())
    write(folder, "two.mrc", blobs()[:2], TILTS_DEG[:2])
    write(folder, "twice.mrc", blobs(), np.where(np.arange(12) == 5, TILTS_DEG[4], TILTS_DEG))
    (folder / "batch.yaml").write_text(YAML)
    return folder


@pytest.mark.slow
def test_a_good_series_becomes_a_volume_and_bad_ones_are_set_aside(home, folder, ingest):
    done = ingest(home, folder)

    row, twice = run_query(home, "SELECT * FROM reconstructions ORDER BY tilt_series_id").to_pylist()
    refused = run_query(home, "SELECT item, reason FROM refused WHERE asset LIKE 'tomo%' ORDER BY item").to_pylist()
    assert done.trouble == ()
    assert [(one["item"].split("/")[-1], one["reason"]) for one in refused] == [("two.mrc", "too_few_tilts")]
    assert twice["n_tilts"] == 11
    assert run_query(home, "SELECT DISTINCT source FROM aligned_series").to_pylist() == [{"source": "found"}]
    assert row["r_factor"] < 0.05
    assert row["voxel_size_angstrom"] == pytest.approx(0.5)
    assert row["is_simulated"]
    assert abs(row["mass_error"]) < 0.05
    assert run_query(home, "SELECT count(*) AS n FROM reconstructed_tilts").to_pylist() == [{"n": 12 + 11}]
    (left_out,) = run_query(home, "SELECT tilt_index, reason FROM alignments WHERE NOT is_used").to_pylist()
    assert (left_out["tilt_index"], left_out["reason"].split(",")[0]) == (5, "tilt -18 degrees again")
    made = require_generation(
        home, AssetName(group="tomography", noun="reconstruction"), Place(batch="tilts-1", aliquot="end")
    )
    values = read_volume(made.arrays(VOLUMES), row["tilt_series_id"]).values
    for x, y, z in POSITIONS.astype(int):
        around = values[z + 16 - 3 : z + 16 + 4, y + 16 - 3 : y + 16 + 4, x + 16 - 3 : x + 16 + 4]
        assert np.unravel_index(around.argmax(), around.shape) == (3, 3, 3)
    assert not list((home.work / "reconstruction").glob("*.checkpoint"))
