"""Atoms against projections: planted atoms found as well as the noise allows, and none where there is none."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.atom_evidence import intensity_classes
from nanodefect_assets.science.tomography.pixel_noise import measure_noise
from nanodefect_assets.science.tomography.refinement import refine_atoms
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

PIXEL, SIGMA, N = 0.4, 0.55, 48
TILTS_DEG = np.linspace(-70, 70, 19)
PARAMS = AtomFitParams(fits_halo=False)


def planted(rng, n_side=3, spacing=2.6):
    """Return atoms on a jittered grid."""
    cells = np.stack(np.meshgrid(*[np.arange(n_side) - (n_side - 1) / 2] * 3), axis=-1).reshape(-1, 3)
    return cells * spacing + rng.normal(0, 0.15, cells.shape)


def series_of(positions, intensity, rng, background=1.0):
    """Return counted electrons of Gaussian atoms, from the closed form."""
    geometry, pixels = TiltGeometry.single_axis(TILTS_DEG), np.arange(N) - N // 2
    seen = positions @ np.transpose(geometry.rotations, (0, 2, 1)) / PIXEL
    across, along = (np.exp(-0.5 * ((pixels - seen[..., [a]]) * PIXEL / SIGMA) ** 2) for a in (0, 1))
    ideal = np.einsum("p,vpr,vpc->vrc", intensity, along, across) / (2 * np.pi * (SIGMA / PIXEL) ** 2)
    return TiltSeries.of(rng.poisson(ideal + background).astype(np.float32), geometry, PIXEL / 10)


def refined(rng, positions, intensity, starts, params=PARAMS):
    return refine_atoms(series_of(positions, intensity, rng), starts, params, rng=rng)


def test_atoms_are_found_as_well_as_their_uncertainty_says(rng):
    pulls = []
    for _ in range(3):
        truth = planted(rng)
        found = refined(rng, truth, np.full(27, 120.0), truth + rng.normal(0, 0.2, truth.shape)).atoms
        _, match = KDTree(truth).query(found.positions_angstrom)
        assert sorted(match) == list(range(27))
        offsets = found.positions_angstrom - truth[match]
        # What all atoms share is the origin of the images' shifts, and no error of an atom.
        pulls.append(100 * (offsets - offsets.mean(axis=0)) / found.position_sigma_pm)
        assert found.intensity == pytest.approx(120, abs=6 * found.intensity_sigma.max())

    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1, abs=0.15)


def test_false_starts_go_and_doubles_merge(rng):
    truth = planted(rng)
    doubles = truth[:2] + np.array([0.5, 0, 0])
    starts = np.concatenate([truth, doubles, [[7.5, 0, 0], [0, 8.0, 4]]])

    found = refined(rng, truth, np.full(27, 120.0), starts)

    assert len(found.atoms) == 27
    assert KDTree(truth).query(found.atoms.positions_angstrom)[0].max() < 0.3


@pytest.mark.parametrize("seed", [0, 3, 4, 5])
def test_noise_makes_no_atoms(seed):
    """Of these, one atom whose tilts were free made 7 to 10 standard deviations."""
    rng = np.random.default_rng(seed)

    found = refined(rng, np.zeros((1, 3)), np.zeros(1), rng.uniform(-6, 6, (40, 3)))

    assert len(found.atoms) == 0


def test_one_atom_is_found(rng):
    found = refined(rng, np.array([[1.0, -2.0, 0.5]]), np.array([150.0]), np.array([[1.2, -1.9, 0.2]]))

    assert np.abs(found.atoms.positions_angstrom - [[1.0, -2.0, 0.5]]).max() < 0.15


def test_of_a_few_atoms_tilts_stay_as_the_series_has_them(rng):
    truth = planted(rng)

    few, many = (refined(rng, truth[:n], np.full(n, 120.0), truth[:n]).state for n in (5, 27))

    assert not few.geometry.shifts_px.any()
    assert (few.factors == 1).all()
    assert many.geometry.shifts_px.any()


def test_two_species_stay_and_are_told_apart(rng):
    truth, intensity = planted(rng, 4), np.where(np.arange(64) % 2, 250.0, 100.0)

    found = refined(rng, truth, intensity, truth)

    assert len(found.atoms) == 64
    classes = intensity_classes(found.atoms.intensity)
    assert classes.tolist() == (intensity[found.start_index] > 200).astype(int).tolist()


@pytest.mark.parametrize("n_atoms", [30, 300, 3000])
def test_one_species_is_one_class(rng, n_atoms):
    assert not intensity_classes(rng.normal(100, 8, n_atoms)).any()


def test_noise_is_measured_from_what_is_left(rng):
    expected = np.linspace(1, 50, 120_000, dtype=np.float32).reshape(3, 200, 200)
    residual = rng.normal(0, np.sqrt(4 + 2 * expected)).astype(np.float32)

    noise = measure_noise(expected, residual)

    assert noise.gain == pytest.approx(2, rel=0.05)
    assert noise.constant == pytest.approx(4, abs=0.6)


def test_noise_is_not_misjudged_for_a_few_pixels_that_fit_well(rng):
    """Plains, and a few pixels between two that have a bin of their own."""
    expected = np.repeat(np.array([10.0, 15.0, 20.0, 30.0], np.float32), [70_000, 140, 50_000, 20_000])
    residual = rng.normal(0, np.sqrt(expected)).astype(np.float32)
    residual[expected == 15] = 1e-4

    noise = measure_noise(expected, residual)

    assert noise.constant + 15 * noise.gain == pytest.approx(15, rel=0.05)


@pytest.mark.parametrize(
    ("reason", "starts", "pixel_size_nm"),
    [("no_candidates", np.empty((0, 3)), 0.04), ("uncalibrated", np.zeros((1, 3)), None)],
)
def test_what_cannot_be_refined_is_refused(rng, reason, starts, pixel_size_nm):
    series = TiltSeries.of(np.ones((3, 8, 8)), TiltGeometry.single_axis([0.0, 30.0, 60.0]), pixel_size_nm)

    with pytest.raises(Refusal) as caught:
        refine_atoms(series, starts, PARAMS, rng=rng)

    assert caught.value.reason == reason
