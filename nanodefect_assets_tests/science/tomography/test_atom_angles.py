"""Angles from atoms: planted errors are found, and where there are none the fit says so."""

from dataclasses import replace

import numpy as np

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.angles import turns_between_deg
from nanodefect_assets.science.tomography.atom_angles import fit_angles, foretold_gains
from nanodefect_assets.science.tomography.refinement import refine_atoms
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

PIXEL, SIGMA, N = 0.5, 0.6, 40
NOMINAL = TiltGeometry.single_axis(np.linspace(-70, 70, 25))
PARAMS = AtomFitParams(fits_halo=False, n_samples=2, n_searches=0, n_iterations=6, n_angle_rounds=4)


def planted(rng):
    """Return 64 atoms on a jittered grid."""
    cells = np.stack(np.meshgrid(*[np.arange(4) - 1.5] * 3), axis=-1).reshape(-1, 3)
    return cells * 2.8 + rng.normal(0, 0.15, cells.shape)


def seen_as(positions, geometry, sigma):
    pixels = np.arange(N) - N // 2
    seen = positions @ np.transpose(geometry.rotations, (0, 2, 1)) / PIXEL
    across, along = (np.exp(-0.5 * ((pixels - seen[..., [a]]) * PIXEL / sigma) ** 2) for a in (0, 1))
    return np.einsum("vpr,vpc->vrc", along, across) / (2 * np.pi * (sigma / PIXEL) ** 2)


def series_of(positions, geometry, rng, tail=0.0):
    """Return counted electrons of atoms seen at true angles, with nominal ones: Gaussians, with a tail if wanted."""
    ideal = (1 - tail) * seen_as(positions, geometry, SIGMA) + tail * seen_as(positions, geometry, 2.5 * SIGMA)
    return TiltSeries.of(rng.poisson(3000 * ideal + 1).astype(np.float32), NOMINAL, PIXEL / 10)


def traced_at(rng, errors_deg, tail=0.0, params=PARAMS):
    """Return the series, the atoms traced at nominal angles, and the true views."""
    true, truth = replace(NOMINAL, euler_deg=NOMINAL.euler_deg + errors_deg), planted(rng)
    series = series_of(truth, true, rng, tail)
    return series, refine_atoms(series, truth + rng.normal(0, 0.1, truth.shape), params, rng=rng), true


def off_deg(geometry, true):
    return np.sqrt(np.mean(turns_between_deg(geometry, true) ** 2, axis=0))


def test_planted_errors_of_angles_are_found(rng):
    series, traced, true = traced_at(rng, rng.normal(0, 1, (25, 3)) * [0.2, 0.6, 0.2])
    found = fit_angles(series, traced, PARAMS, rng=rng)
    before, after = off_deg(NOMINAL, true), off_deg(found.state.geometry, true)

    assert after[1] < 0.25 * before[1]
    assert after.sum() < 0.5 * before.sum()
    assert len(found.atoms) == 64


def test_angles_that_are_right_stand(rng):
    series, traced, _ = traced_at(rng, np.zeros((25, 3)))

    assert foretold_gains(series.images, traced, 0.5).mean() < 0
    assert fit_angles(series, traced, PARAMS, rng=rng) is None


def test_angles_that_are_right_stand_where_atoms_have_tails_that_the_model_lacks(rng):
    series, traced, _ = traced_at(rng, np.zeros((25, 3)), tail=0.4)

    assert fit_angles(series, traced, PARAMS, rng=rng) is None


def test_tails_that_are_fitted_do_not_spoil_angles(rng):
    with_halo = PARAMS.model_copy(update={"fits_halo": True})
    errors_deg = rng.normal(0, 1, (25, 3)) * [0.2, 0.6, 0.2]
    series, traced, true = traced_at(rng, errors_deg, tail=0.3, params=with_halo)
    found = fit_angles(series, traced, with_halo, rng=rng)

    assert off_deg(found.state.geometry, true)[1] < 0.5 * off_deg(NOMINAL, true)[1]


def test_angles_known_well_beforehand_hardly_move(rng):
    series, traced, _ = traced_at(rng, rng.normal(0, 0.6, (25, 3)) * [0, 1, 0])
    sure = PARAMS.model_copy(update={"angle_sd_deg": 0.02})
    found = fit_angles(series, traced, sure, rng=rng)

    assert found is None or off_deg(found.state.geometry, NOMINAL).max() < 0.05
