"""Published tilt series dropped in a folder become atoms, by the assets' own settings."""

import dagster as dg
import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial import KDTree

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import REFINEMENTS
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.stores.alignments import read_aligned_series
from nanodefect_assets.stores.generations import require_generation
from nanodefect_assets.stores.simulated import write_tilt_series
from nanodefect_assets.stores.warehouse import run_query

pytestmark = pytest.mark.slow
YAML = "batch: published-1\nsimulated: {simulated}\nfiles: [{{path: '*.mrc', modality: tilt_series}}]\n"
TOMOGRAPHY = (
    ["samples", "manifest"],
    ["samples", "tilt_series"],
    ["tomography", "denoised"],
    ["tomography", "aligned"],
    ["tomography", "reconstruction"],
    ["tomography", "refined_reconstruction"],
)
FILM_PIXEL_ANGSTROM = 0.3216
FILM_ORIGINS_ANGSTROM = {1: np.array([-43.2, -46.8, -5.4]), 20: np.array([-19.8, -28.2, -1.7])}
"""Where the middle of an area lies in the film, to a voxel or two: of all turns and mirrors one fits."""


def drop(home, images, tilts_deg, pixel_angstrom, *, simulated):
    """Drop images (col, row, tilt) as a microscope writes a series."""
    folder = home.landing / "published-1"
    folder.mkdir()
    frames = np.ascontiguousarray(images.transpose(2, 1, 0), dtype=np.float32)
    settings = {"pixel_size_nm": pixel_angstrom / 10, "voltage_kv": 200.0, "dose_e_per_nm2": 1000.0}
    write_tilt_series(folder / "series.mrc", frames, np.asarray(tilts_deg), **settings)
    (folder / "batch.yaml").write_text(YAML.format(simulated=str(simulated).lower()))
    return folder


def traced(home):
    rows = run_query(home, "SELECT x_angstrom, y_angstrom, z_angstrom, sigma_pm FROM atoms").to_pylist()
    table = np.array([[np.nan if value is None else value for value in row.values()] for row in rows])
    return table[:, :3], table[:, 3]


def registered(found, truth, within_angstrom):
    """Return positions after the rigid motion, mirrored where they were, that lays them on the truth."""
    for _ in range(8):
        apart, match = KDTree(truth).query(found)
        near = apart < within_angstrom
        a, b = found[near], truth[match[near]]
        u, _, vt = np.linalg.svd((a - a.mean(axis=0)).T @ (b - b.mean(axis=0)))
        found = (found - a.mean(axis=0)) @ u @ vt + b.mean(axis=0)
    return found


def test_a_series_of_silicon_becomes_its_208_atoms(home, real_data, ingest):
    folder = real_data / "aet_benchmark"
    images = loadmat(folder / "aSi_2nmFosCetr_Dose1p6e4_cov35pm_ForBM3D.mat")["Trunc_projections_forBM3D"]
    truth = np.loadtxt(folder / "aSi_208atoms_GT.txt", skiprows=2, usecols=(1, 2, 3), comments="%")

    done = ingest(home, drop(home, images, np.arange(0, 180, 3.0), 0.195, simulated=True))

    found, sigma_pm = traced(home)
    misses_pm = 100 * KDTree(registered(found[:, [1, 0, 2]] * [1, 1, -1], truth, 2.0)).query(truth)[0]
    assert done.trouble == ()
    assert len(found) == 208
    assert misses_pm.max() < 90
    assert np.sqrt(np.mean(misses_pm**2)) < 10.8
    assert np.sqrt(np.mean(sigma_pm**2)) < 10.8


@pytest.mark.parametrize("dose", ["1p6e5", "1p6e4"])
def test_a_series_that_came_aligned_passes_to_the_bit_and_its_angles_stand(home, real_data, dose):
    """Measured strays are 0.06 and 0.25 px: noise, by which nothing is moved."""
    path = real_data / "aet_benchmark" / f"aSi_2nmFosCetr_Dose{dose}_cov35pm_ForBM3D.mat"
    images, tilts_deg = loadmat(path)["Trunc_projections_forBM3D"], np.arange(0, 180, 3.0)
    folder = drop(home, images, tilts_deg, 0.195, simulated=True)
    accepted, place = (
        {"samples__intake": {"config": {"source": str(folder)}}},
        Place(batch="published-1", aliquot="end"),
    )
    quick = {
        "tomography__denoised": {"config": {"fewest_tilts": 100}},
        "tomography__reconstruction": {"config": {"method": "fbp", "compares_halves": False}},
        "tomography__refined_reconstruction": {"config": {"n_rounds": 6}},
    }

    with open_instance(home) as instance:
        register_places(instance, (place,))
        for job, key, wanted, config in (
            ("accept_batch", "published-1", None, accepted),
            ("make_sample", sample_key(place), [dg.AssetKey(name) for name in TOMOGRAPHY], quick),
        ):
            job_def = defs.resolve_job_def(job)
            job_def.execute_in_process(
                instance=instance, partition_key=key, asset_selection=wanted, run_config={"ops": config}
            )

    made = require_generation(home, AssetName(group="tomography", noun="aligned"), place)
    (stored,) = read_aligned_series(made)
    refined = require_generation(home, AssetName(group="tomography", noun="refined_reconstruction"), place)
    (row,) = refined.rows(REFINEMENTS).to_dict("records")
    assert (stored.series().images == np.asarray(images.transpose(2, 1, 0), dtype=np.float32)).all()
    assert (stored.alignment.geometry.euler_deg == TiltGeometry.single_axis(tilts_deg).euler_deg).all()
    assert not row["is_better"] or row["refined_error"] < row["nominal_error"]


@pytest.mark.parametrize("area", [1, 20])
def test_an_area_of_a_film_becomes_the_atoms_that_its_authors_found(home, real_data, ingest, area):
    """From the authors' own volume of area 1 the same steps match 91 % of the inner atoms at 27 pm."""
    folder = real_data / "aet_ta_film"
    film = loadmat(folder / "Final_atomic_model_Ta_film.mat")["model"].T.astype(float)
    tilts_deg = -loadmat(folder / "Ta_film_angles.mat")["angle"][:, 1].astype(float)
    images = loadmat(folder / f"Projections_area{area}.mat")["Proj_sub"]

    done = ingest(home, drop(home, images, tilts_deg, FILM_PIXEL_ANGSTROM, simulated=False))

    found, sigma_pm = traced(home)
    inner = (np.abs(found[:, :2]) < np.array(images.shape[:2]) * FILM_PIXEL_ANGSTROM / 2 - 4).all(axis=1)
    laid = registered(found + FILM_ORIGINS_ANGSTROM[area], film, 1.2)
    low, high = laid[inner].min(axis=0), laid[inner].max(axis=0)
    published = film[((film[:, :2] > low[:2]) & (film[:, :2] < high[:2])).all(axis=1)]
    apart = KDTree(laid).query(published)[0]
    matched = apart < 0.9
    assert done.trouble == ()
    assert np.isnan(sigma_pm).all()
    assert matched.mean() > 0.8
    assert 100 * np.sqrt(np.mean(apart[matched] ** 2)) < 32
