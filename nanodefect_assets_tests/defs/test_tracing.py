"""A tilt series dropped in a folder becomes atoms, with how sure the images make us of each."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.tilt_geometry import view_rotations
from nanodefect_assets.stores.simulated import write_tilt_series
from nanodefect_assets.stores.warehouse import run_query

TILTS_DEG = np.linspace(-75, 75, 24)
PIXEL_ANGSTROM = 0.4
SIGMA_PX = 1.3
YAML = "batch: traced-1\nsimulated: true\nfiles: [{path: '*.mrc', modality: tilt_series}]\n"


def cluster():
    """Return 13 atoms of an fcc neighbourhood, in angstrom."""
    corners = [(x, y, 0) for x in (-1, 1) for y in (-1, 1)]
    shell = {tuple(np.roll(corner, n)) for corner in corners for n in range(3)}
    return np.array([(0, 0, 0), *sorted(shell)]) * 2.0


def drop(home, rng, *, shift_rms_px=0.0):
    """Drop a tilt series of the cluster, whose images may stray."""
    folder = home.landing / "traced-1"
    folder.mkdir()
    pixels = np.arange(40) - 20
    euler_deg = np.stack([0 * TILTS_DEG, TILTS_DEG, 0 * TILTS_DEG], axis=1)
    seen = cluster() / PIXEL_ANGSTROM @ np.transpose(view_rotations(euler_deg), (0, 2, 1))
    across, along = (np.exp(-0.5 * ((pixels - seen[..., [axis]]) / SIGMA_PX) ** 2) for axis in (0, 1))
    ideal = np.einsum("vpr,vpc->vrc", along, across)
    strays = np.rint(rng.normal(0, shift_rms_px, (len(ideal), 2))).astype(int)
    ideal = np.stack([np.roll(image, stray, axis=(0, 1)) for image, stray in zip(ideal, strays, strict=True)])
    counts = rng.poisson(1 + 60 * ideal).astype(np.float32)
    write_tilt_series(
        folder / "atoms.mrc",
        counts,
        TILTS_DEG,
        pixel_size_nm=PIXEL_ANGSTROM / 10,
        voltage_kv=200.0,
        dose_e_per_nm2=1000.0,
    )
    (folder / "batch.yaml").write_text(YAML)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("shift_rms_px", "source"), [(0.0, "found"), (3.0, "computed")])
def test_a_tilt_series_becomes_atoms_with_their_uncertainty(home, rng, ingest, shift_rms_px, source):
    done = ingest(home, drop(home, rng, shift_rms_px=shift_rms_px))

    assert done.trouble == ()
    (model,) = run_query(home, "SELECT source, n_atoms, is_simulated FROM atomic_models").to_pylist()
    assert model == {"source": "traced", "n_atoms": 13, "is_simulated": True}
    rows = run_query(home, "SELECT x_angstrom, y_angstrom, z_angstrom, sigma_pm, intensity FROM atoms").to_pylist()
    found = np.array([list(row.values())[:3] for row in rows])
    # Aligned images put the sample in the middle: a common move is free.
    found += cluster().mean(axis=0) - found.mean(axis=0)
    misses_pm = 100 * KDTree(found).query(cluster())[0]
    sigma_pm = np.array([row["sigma_pm"] for row in rows])
    assert run_query(home, "SELECT source FROM aligned_series").to_pylist() == [{"source": source}]
    assert np.sqrt(np.mean(misses_pm**2)) < 2 * np.sqrt(np.mean(sigma_pm**2))
    assert 0.5 < sigma_pm.mean() < 10
    assert np.mean([row["intensity"] for row in rows]) == pytest.approx(60 * 2 * np.pi * SIGMA_PX**2, rel=0.1)
    made = home.current_folder(AssetName(group="atoms", noun="atomic_model"), Place(batch="traced-1", aliquot="end"))
    assert "sigma_pm" in (made / "particle-000.extxyz").read_text()
    (counted,) = run_query(home, "SELECT count(*) AS n FROM atom_candidates WHERE is_claimed").to_pylist()
    assert counted["n"] == 13


@pytest.mark.slow
def test_a_series_that_is_declared_aligned_and_is_not_is_set_aside_rather_than_traced(home, rng, ingest):
    folder = drop(home, rng, shift_rms_px=6.0)
    (folder / "batch.yaml").write_text(YAML.replace("modality: tilt_series", "modality: tilt_series, aligned: true"))

    done = ingest(home, folder)

    assert done.trouble == ()
    assert run_query(home, "SELECT * FROM atoms").num_rows == 0
    (refused,) = run_query(home, "SELECT asset, reason, advice FROM refused").to_pylist()
    assert (refused["asset"], refused["reason"]) == ("atoms/candidates", "atoms_not_resolved")
    assert "Align the series" in refused["advice"]
