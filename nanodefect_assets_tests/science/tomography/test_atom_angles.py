"""Angles from atoms: planted errors are found, and where there are none the fit says so."""

from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.angles import turns_between_deg
from nanodefect_assets.science.tomography.atom_angles import fit_angles
from nanodefect_assets.science.tomography.refinement import refine_atoms
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

PIXEL, SIGMA, N = 0.5, 0.6, 40
NOMINAL = TiltGeometry.single_axis(np.linspace(-70, 70, 25))
PARAMS = AtomFitParams(fits_halo=False, n_samples=2, n_searches=0, n_iterations=6, n_angle_rounds=4)


def planted(rng):
    """Return 64 atoms on a jittered grid."""
    cells = np.stack(np.meshgrid(*[np.arange(4) - 1.5] * 3), axis=-1).reshape(-1, 3)
    return cells * 2.8 + rng.normal(0, 0.15, cells.shape)


def series_of(positions, geometry, rng, electrons=3000.0):
    """Return counted electrons of Gaussian atoms seen at true angles, with nominal ones."""
    pixels = np.arange(N) - N // 2
    seen = positions @ np.transpose(geometry.rotations, (0, 2, 1)) / PIXEL
    across, along = (np.exp(-0.5 * ((pixels - seen[..., [a]]) * PIXEL / SIGMA) ** 2) for a in (0, 1))
    ideal = electrons * np.einsum("vpr,vpc->vrc", along, across) / (2 * np.pi * (SIGMA / PIXEL) ** 2)
    return TiltSeries.of(rng.poisson(ideal + 1).astype(np.float32), NOMINAL, PIXEL / 10)


def fitted(rng, errors_deg):
    true, truth = replace(NOMINAL, euler_deg=NOMINAL.euler_deg + errors_deg), planted(rng)
    series = series_of(truth, true, rng)
    traced = refine_atoms(series, truth + rng.normal(0, 0.1, truth.shape), PARAMS, rng=rng)
    return fit_angles(series, traced, PARAMS, rng=rng), true


def off_deg(geometry, true):
    return np.sqrt(np.mean(turns_between_deg(geometry, true) ** 2, axis=0))


def test_planted_errors_of_angles_are_found(rng):
    fit, true = fitted(rng, rng.normal(0, 1, (25, 3)) * [0.2, 0.6, 0.2])
    before, after = off_deg(NOMINAL, true), off_deg(fit.traced.state.geometry, true)

    assert fit.is_better
    assert after[1] < 0.25 * before[1]
    assert after.sum() < 0.5 * before.sum()
    assert len(fit.traced.atoms) == 64


def test_angles_that_are_right_stand(rng):
    fit, _ = fitted(rng, np.zeros((25, 3)))

    assert fit.n_free == 75
    assert 0 < fit.gain < 2 * fit.n_free
    assert not fit.is_better


def test_angles_known_well_beforehand_hardly_move(rng):
    true = replace(NOMINAL, euler_deg=NOMINAL.euler_deg + rng.normal(0, 0.5, (25, 3)) * [0, 1, 0])
    truth = planted(rng)
    series = series_of(truth, true, rng)
    sure = PARAMS.model_copy(update={"angle_sd_deg": 1e-3})
    fit = fit_angles(series, refine_atoms(series, truth, PARAMS, rng=rng), sure, rng=rng)

    assert off_deg(fit.traced.state.geometry, NOMINAL) == pytest.approx(np.zeros(3), abs=2e-3)
