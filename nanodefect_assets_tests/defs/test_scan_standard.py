"""A tilt series scanned with bent coils, dropped with the image of a standard and images before and after it."""

import numpy as np
import pytest
import tifffile

from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.stores.alignments import read_aligned_series
from nanodefect_assets.stores.generations import require_generation
from nanodefect_assets.stores.simulated import write_tilt_series

EDGE = 48
TILTS_DEG = np.linspace(-60, 60, 9)
STRETCH, SHEAR_DEG = 0.03, 1.5
SIGMA_PX = 1.5
YAML = """\
batch: bent-1
simulated: true
files:
  - {{path: a.mrc, modality: tilt_series, {named}}}
  - {{path: gold.tif, modality: standard, lattice: square}}
  - {{path: "*fore.tif", modality: hrstem, pixel_size_nm: 0.2}}
  - {{path: after.tif, modality: hrstem, pixel_size_nm: 0.2}}
"""
ASSETS = [["samples", noun] for noun in ("manifest", "tilt_series")] + [
    ["tomography", noun] for noun in ("denoised", "aligned")
]


def steps():
    shear = np.deg2rad(SHEAR_DEG)
    return np.array([[1.0, (1 + STRETCH) * np.sin(shear)], [0.0, (1 + STRETCH) * np.cos(shear)]])


def views(matrix):
    """Return analytic views of Gaussians as a scan of the given steps shows them."""
    places = np.random.default_rng(5).uniform(-12, 12, (25, 3))
    seen = places @ np.transpose(TiltGeometry.single_axis(TILTS_DEG).rotations, (0, 2, 1))
    rows, cols = np.einsum("ij,jrc->irc", matrix, np.indices((EDGE, EDGE)) - EDGE // 2)
    images = np.zeros((len(TILTS_DEG), EDGE, EDGE))
    for image, points in zip(images, seen, strict=True):
        for x, y, _ in points:
            image += np.exp(-0.5 * ((rows - y) ** 2 + (cols - x) ** 2) / SIGMA_PX**2)
    return 4000 * images + 3


@pytest.fixture
def folder(home, rng):
    folder = home.landing / "bent-1"
    folder.mkdir()
    counts = rng.poisson(views(steps())).astype(np.float32)
    settings = {"pixel_size_nm": 0.2, "voltage_kv": 200.0, "dose_e_per_nm2": 1000.0}
    write_tilt_series(folder / "a.mrc", counts, TILTS_DEG, **settings)
    rows, cols = np.einsum("ij,jrc->irc", steps(), np.indices((128, 128)) - 64)
    gold = rng.poisson(200 * (2 + np.cos(0.7 * rows + 0.2 * cols) + np.cos(0.2 * rows - 0.7 * cols)))
    before, after = (rng.poisson(image).astype("uint16") for image in views(np.eye(2))[[4, 8]])
    for name, image in (("gold", gold), ("before", before), ("after", after)):
        tifffile.imwrite(folder / f"{name}.tif", image.astype("uint16"))
    return folder


def made(home, folder, named):
    """Take the batch in as far as the aligned series; return its generation and what its checks say."""
    import dagster as dg

    from nanodefect_assets.definitions import defs
    from nanodefect_assets.defs.partitions import register_places, sample_key

    (folder / "batch.yaml").write_text(YAML.format(named=named))
    place = Place(batch="bent-1", aliquot="end")
    config = {"ops": {"samples__intake": {"config": {"source": str(folder)}}}}
    quick = {"ops": {"tomography__aligned": {"config": {"n_rounds": 3, "tilt_axis": "rows", "max_axis_deg": 0.0}}}}
    with open_instance(home) as instance:
        register_places(instance, (place,))
        accepted = defs.resolve_job_def("accept_batch")
        accepted.execute_in_process(instance=instance, partition_key="bent-1", run_config=config)
        done = defs.resolve_job_def("make_sample").execute_in_process(
            instance=instance,
            partition_key=sample_key(place),
            asset_selection=[dg.AssetKey(name) for name in ASSETS],
            run_config=quick,
        )
    checks = {check.check_name: check for check in done.get_asset_check_evaluations()}
    return require_generation(home, AssetName(group="tomography", noun="aligned"), place), checks


def misfit(found):
    """Return how far images lie from what true coils show, as root mean square relative to their contrast."""
    (stored,) = read_aligned_series(found)
    images, true = stored.detected_series().images, views(np.eye(2)) - 3
    inside = np.s_[:, 8:-8, 8:-8]
    factor = (images[inside] * true[inside]).sum() / (true[inside] ** 2).sum()
    return float(np.sqrt(np.mean((images / factor - true)[inside] ** 2)) / true[inside].std())


def test_a_bent_series_is_straightened_by_its_standard(home, folder):
    from nanodefect_assets.domain.schemas import ALIGNED_SERIES, SCAN_DISTORTIONS

    plain, _ = made(home, folder, "aligned: false")
    mended, checks = made(home, folder, "standard: gold.tif, image_before: before.tif, image_after: after.tif")
    (row,) = mended.rows(SCAN_DISTORTIONS).to_dict("records")
    (series,) = mended.rows(ALIGNED_SERIES).to_dict("records")

    assert len(plain.rows(SCAN_DISTORTIONS)) == 0
    assert row["stretch"] == pytest.approx(STRETCH, abs=5 * row["stretch_sigma"])
    assert row["shear_deg"] == pytest.approx(SHEAR_DEG, abs=5 * row["shear_sigma_deg"])
    assert row["standard_file_id"] == "bent-1/end/gold.tif"
    assert row["is_mended"]
    assert misfit(mended) < 0.4 * misfit(plain)
    assert series["before_after_correlation"] < 0.9
    assert not checks["sample_unchanged"].passed, "the image after is of another tilt"
    assert "a.mrc" in str(checks["sample_unchanged"].metadata["failed"])


def test_a_standard_without_a_lattice_sets_the_series_aside_and_says_why(home, folder, rng):
    tifffile.imwrite(folder / "gold.tif", rng.poisson(50, (128, 128)).astype("uint16"))

    found, _ = made(home, folder, "standard: gold.tif")

    from nanodefect_assets.domain.schemas import REFUSED

    (row,) = found.rows(REFUSED).to_dict("records")
    assert (row["item"], row["reason"]) == ("bent-1/end/a.mrc", "no_lattice")
