"""Planted stretch and shear of the scan in images of a lattice, and what they do to a tilt series."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.scan import straighten
from nanodefect_assets.science.tomography.scan_pairs import mend_scans, straighten_series
from nanodefect_assets.science.tomography.standard import ScanDistortion, measure_standard

EDGE = 96
STRETCH, SHEAR_DEG = 0.006, 0.3
PLANTED = ScanDistortion(stretch=STRETCH, shear_deg=SHEAR_DEG, stretch_sigma=0, shear_sigma_deg=0, period_px=0).matrix


def lattice_image(rng, lattice, turned_deg, electrons, matrix=PLANTED, shape=(EDGE, EDGE)):
    """Return a counted image of waves that a scan of the given steps shows."""
    cos, sin = np.cos(np.deg2rad(turned_deg)), np.sin(np.deg2rad(turned_deg))
    periods = np.eye(2) if lattice == "square" else np.array([[1, -0.5], [0, np.sqrt(0.75)]])
    waves = np.linalg.inv(np.array([[cos, -sin], [sin, cos]]) @ periods * 9.3)
    waves = np.vstack([waves, waves[1] - waves[0]]) if lattice == "hexagonal" else waves
    centre = np.array(shape)[:, None] // 2
    places = matrix @ (np.indices(shape).reshape(2, -1) - centre)
    return rng.poisson(electrons * (1 + 0.25 * np.cos(2 * np.pi * waves @ places).sum(axis=0).reshape(shape)))


@pytest.mark.parametrize("lattice", ["square", "hexagonal"])
@pytest.mark.parametrize("turned_deg", [3.0, 25.0, -40.0])
@pytest.mark.parametrize("shape", [(EDGE, EDGE), (EDGE, 150)])
def test_stretch_and_shear_of_the_scan_follow_from_a_standard(rng, lattice, turned_deg, shape):
    found = measure_standard(lattice_image(rng, lattice, turned_deg, 400.0, shape=shape), lattice)

    assert found.stretch == pytest.approx(STRETCH, abs=4 * found.stretch_sigma)
    assert found.shear_deg == pytest.approx(SHEAR_DEG, abs=4 * found.shear_sigma_deg)
    assert found.stretch_sigma < 5e-4
    assert found.matrix == pytest.approx(PLANTED, abs=2e-3)


@pytest.mark.parametrize("electrons", [1.0, 40.0])
def test_errors_of_the_standard_are_as_large_as_stated(rng, electrons):
    found = [
        measure_standard(lattice_image(rng, "square", turned_deg, electrons), "square")
        for turned_deg in rng.uniform(0, 40, 24)
    ]
    off = [
        ((one.stretch - STRETCH) / one.stretch_sigma, (one.shear_deg - SHEAR_DEG) / one.shear_sigma_deg)
        for one in found
    ]

    assert 0.65 < np.sqrt(np.mean(np.square(off))) < 1.4


def test_true_coils_are_left_alone(rng):
    seen = [
        measure_standard(lattice_image(rng, "square", turned_deg, 40.0, np.eye(2)), "square").is_seen_in(200)
        for turned_deg in (3.0, 14.0, 31.0)
    ]
    bent = measure_standard(lattice_image(rng, "square", 14.0, 400.0), "square")
    moved_px, unsure_px = bent.edge_px(200)

    assert sum(seen) < 2
    assert bent.is_seen_in(200)
    assert moved_px == pytest.approx(100 * np.hypot(STRETCH, np.deg2rad(SHEAR_DEG)), abs=4 * unsure_px)
    assert 0 < unsure_px < 0.1


def test_an_image_without_lattice_is_no_standard(rng):
    with pytest.raises(Refusal, match="two spots"):
        measure_standard(rng.poisson(20.0, (EDGE, EDGE)), "square")


def test_the_wrong_lattice_and_bad_pixels_are_refused(rng):
    image = lattice_image(rng, "square", 14.0, 40.0).astype(float)
    with pytest.raises(Refusal, match="two spots"):
        measure_standard(image, "hexagonal")
    image[3, 3] = np.nan
    with pytest.raises(Refusal, match="1 others"):
        measure_standard(image, "square")


def blob(places):
    return 40 * np.exp(-0.5 * ((places[0] - 20) ** 2 + (places[1] + 25) ** 2) / 3.0**2)


@pytest.mark.parametrize("shape", [(80, 80), (80, 101)])
def test_a_straightened_image_shows_things_where_they_are(shape):
    """A pixel shows the place of the sample that the coils point at."""
    pixels = np.indices(shape) - np.array(shape)[:, None, None] // 2.0
    seen = blob(np.einsum("ij,jrc->irc", PLANTED, pixels))

    assert np.abs(seen - blob(pixels)).max() > 1
    assert straighten(seen, PLANTED) == pytest.approx(blob(pixels), abs=0.02)


def test_single_scans_among_pairs_are_straightened_too_and_unsound_ones_left(rng):
    pixels = np.indices((80, 80)) - 40.0
    clean, bent = (
        rng.poisson(3 + blob(places), (4, 80, 80)).astype(np.float32)
        for places in (pixels, np.einsum("ij,jrc->irc", PLANTED, pixels))
    )
    first, second = bent.copy(), bent.copy()
    first[1] = 0
    first[2], second[2] = 0, 0
    with ThreadPoolExecutor(1) as executor:
        mended = mend_scans(first, second, np.arange(4.0), scan_matrix=PLANTED, executor=executor)
    alone = straighten_series(bent, PLANTED, {2: "dead"})

    assert list(mended.why) == [2]
    assert mended.paths[1] is None
    assert (mended.images[1] == alone[1]).all()
    assert (mended.combined(first, second)[1] == alone[1]).all()
    assert (mended.images[2] == 0).all()
    assert (alone[2] == bent[2]).all()
    assert (straighten_series(bent, None, {}) == bent).all()
    for images in (mended.images[[0, 1, 3]], alone[[0, 1, 3]]):
        assert np.sqrt(np.mean((images.mean(axis=0) - clean.mean(axis=0))[15:-15, 15:-15] ** 2)) < 1.7


def test_a_measured_image_of_strontium_titanate_is_a_standard(real_data):
    """Scanned at 10.013 pm; what 0.3905 nm of the crystal measure, and what drifted meanwhile, stretch the image."""
    from nanodefect_assets.stores.raw.read import read_image

    found = measure_standard(read_image(Path(real_data) / "native_formats/openncem/16_STOimage_1.ser"), "square")

    assert found.period_px * np.sqrt(2) == pytest.approx(39.05 * 1.035, rel=0.02)
    assert abs(found.stretch) < 0.02
    assert found.stretch_sigma < 1e-3
