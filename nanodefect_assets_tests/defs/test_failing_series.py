"""Tilt series with everything that goes wrong at a microscope: the good images go on, the bad ones are named."""

from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import ALIGNED_SERIES, ALIGNMENTS, REFUSED
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography import memory
from nanodefect_assets.stores.alignments import read_aligned_series
from nanodefect_assets.stores.generations import require_generation
from nanodefect_assets.stores.simulated import write_tilt_series

EDGE = 32
TILTS_DEG = np.linspace(-65, 65, 14)
SIGMA_PX = 1.5
YAML = "batch: faults-1\nsimulated: true\nfiles: [{path: '*.mrc', modality: tilt_series}]\n"
ASSETS = [
    dg.AssetKey(["samples", "manifest"]),
    dg.AssetKey(["samples", "tilt_series"]),
    dg.AssetKey(["tomography", "denoised"]),
    dg.AssetKey(["tomography", "aligned"]),
]
QUICK = {"n_rounds": 2, "n_iterations": 8, "tilt_axis": "rows", "max_axis_deg": 0.0, "max_edge_px": 32}


def counted(rng, shifts_px):
    """Return counted views of ten Gaussians that stray."""
    places = np.random.default_rng(5).uniform(-4, 4, (10, 3))
    seen = places @ np.transpose(TiltGeometry.single_axis(TILTS_DEG).rotations, (0, 2, 1))
    offsets = np.arange(EDGE) - EDGE // 2
    rows, cols = (
        np.exp(-0.5 * ((offsets - seen[..., axis, None] - shifts_px[:, [1 - axis], None]) / SIGMA_PX) ** 2)
        for axis in (1, 0)
    )
    return rng.poisson(60 * np.einsum("vpr,vpc->vrc", rows, cols) + 3).astype(np.float32)


@pytest.fixture
def strays_px(rng):
    return rng.normal(0, 1.5, (len(TILTS_DEG), 2))


@pytest.fixture
def folder(home):
    folder = home.landing / "faults-1"
    folder.mkdir()
    (folder / "batch.yaml").write_text(YAML)
    return folder


def write(folder, name, frames, tilts_deg=TILTS_DEG):
    settings = {"pixel_size_nm": 0.2, "voltage_kv": 200.0, "dose_e_per_nm2": 1000.0}
    write_tilt_series(folder / name, frames, np.asarray(tilts_deg), **settings)


def aligned(home, folder):
    """Take the batch in as far as the aligned series; return its generation and what its checks say."""
    place = Place(batch="faults-1", aliquot="end")
    steps = (
        ("accept_batch", "faults-1", None, {"samples__intake": {"config": {"source": str(folder)}}}),
        ("make_sample", sample_key(place), ASSETS, {"tomography__aligned": {"config": QUICK}}),
    )
    with open_instance(home) as instance:
        register_places(instance, (place,))
        for job, key, wanted, config in steps:
            done = defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=key, asset_selection=wanted, run_config={"ops": config}
            )
    made = require_generation(home, AssetName(group="tomography", noun="aligned"), place)
    return made, {check.check_name: check for check in done.get_asset_check_evaluations()}


@pytest.mark.filterwarnings("ignore:Data array contains NaN")
def test_good_images_go_on_and_bad_ones_are_named(home, folder, rng, strays_px):
    strays_px[12] = 0, 15
    frames, tilts_deg = counted(rng, strays_px), TILTS_DEG.copy()
    frames[1, 4, 4] = np.nan
    frames[3] = 7
    frames[5] = np.minimum(frames[5], np.quantile(frames[5], 0.9))
    tilts_deg[9] *= -1
    write(folder, "a.mrc", frames, tilts_deg)
    write(folder, "few.mrc", counted(rng, strays_px)[:2], TILTS_DEG[:2])

    made, checks = aligned(home, folder)

    rows = made.rows(ALIGNMENTS)
    left_out = rows[~rows["is_used"]].set_index("tilt_index")["reason"].to_dict()
    (refused,) = made.rows(REFUSED).to_dict("records")
    (stored,) = read_aligned_series(made)
    assert set(left_out) == {1, 3, 5, 9, 12}
    assert left_out[1] == "1 pixels are not finite"
    assert left_out[3].startswith("dead")
    assert left_out[5].startswith("saturated")
    assert left_out[9] == f"tilt {-TILTS_DEG[9]:g} degrees seems to have the wrong sign"
    assert left_out[12].startswith("seems shifted by"), "half of the particle is out of the field"
    assert len(stored.series()) == len(TILTS_DEG) - 5
    assert np.isfinite(stored.series().images).all()
    assert not checks["tilts_used"].passed
    assert (refused["item"], refused["reason"]) == ("faults-1/end/few.mrc", "too_few_tilts")
    assert "at least 3" in refused["expected"]


def test_a_series_that_does_not_fit_in_memory_is_set_aside_and_the_next_one_goes_on(
    home, folder, rng, strays_px, monkeypatch
):
    frames = counted(rng, strays_px)
    write(folder, "large.mrc", np.tile(frames, (1, 3, 3)))
    write(folder, "small.mrc", frames)
    free = SimpleNamespace(available=4 * 12 * 2 * frames.size)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)

    made, _ = aligned(home, folder)

    (refused,) = made.rows(REFUSED).to_dict("records")
    assert (refused["item"], refused["reason"]) == ("faults-1/end/large.mrc", "too_large")
    assert "14 images of 96 x 96 pixels" in refused["got"]
    assert made.rows(ALIGNED_SERIES)["tilt_series_id"].tolist() == ["faults-1/end/small.mrc"]
