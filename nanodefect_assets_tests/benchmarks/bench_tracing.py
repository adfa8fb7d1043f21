"""Gaussian fits to 20,000 peaks of a volume, in one run: against scipy's `curve_fit`, peak by peak."""

import time

import numpy as np
import pytest
from scipy.optimize import curve_fit

from nanodefect_assets.science.tomography.gaussian_fits import fit_gaussians, model_volume
from nanodefect_assets.science.tomography.tracing import near_pairs

pytestmark = pytest.mark.benchmark
RADIUS, N_BASELINE = 3.7, 200


def gaussian(at, z, y, x, height, sigma, background):
    squared = (at[0] - z) ** 2 + (at[1] - y) ** 2 + (at[2] - x) ** 2
    return background + height * np.exp(-0.5 * squared / sigma**2)


def fit_by_scipy(volume, starts):
    offsets = np.argwhere(np.ones((9, 9, 9))) - 4
    offsets = offsets[np.sum(offsets**2, axis=1) <= RADIUS**2]
    for start in starts:
        at = (np.round(start[:3]).astype(int) + offsets).T
        curve_fit(gaussian, at, volume[tuple(at)].astype(float), start)


def test_fits_per_second_against_curve_fit(capsys):
    rng = np.random.default_rng(0)
    at = 8 + 8 * np.stack(np.meshgrid(*[np.arange(27.0)] * 3), axis=-1).reshape(-1, 3) + rng.normal(0, 0.3, (27**3, 3))
    truth = np.column_stack([at, np.ones(len(at)), np.full(len(at), 1.7), np.zeros(len(at))])
    volume = model_volume(truth, (224, 224, 224)) + rng.normal(0, 0.02, (224,) * 3).astype(np.float32)
    starts = truth + np.array([0.2, -0.2, 0.1, -0.1, 0.1, 0])
    neighbours = near_pairs(starts[:, :3], 11.0)
    fit_gaussians(volume, starts[:10], RADIUS, near_pairs(starts[:10, :3], 11.0))

    began = time.perf_counter()
    found = fit_gaussians(volume, starts, RADIUS, neighbours)
    ours = len(starts) / (time.perf_counter() - began)
    began = time.perf_counter()
    fit_by_scipy(volume, starts[:N_BASELINE])
    theirs = N_BASELINE / (time.perf_counter() - began)

    with capsys.disabled():
        print(f"\n{ours:,.0f} fits/s against {theirs:,.0f} of curve_fit: {ours / theirs:.1f} times")
    assert np.sqrt(np.mean((found[:, :3] - truth[:, :3]) ** 2)) < 0.05
    assert ours > 5 * theirs
