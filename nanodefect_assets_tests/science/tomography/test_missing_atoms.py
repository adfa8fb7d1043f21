"""Atoms that the starts lacked, from what the fit leaves of the images."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.refinement import refine_atoms
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

PIXEL, SIGMA, N = 0.4, 0.55, 40
PARAMS = AtomFitParams(fits_halo=False, n_samples=2)


def planted_series(positions, rng):
    """Return counted electrons of Gaussian atoms of 120 electrons, from the closed form."""
    geometry, pixels = TiltGeometry.single_axis(np.linspace(-66, 66, 17)), np.arange(N) - N // 2
    seen = positions @ np.transpose(geometry.rotations, (0, 2, 1)) / PIXEL
    across, along = (np.exp(-0.5 * ((pixels - seen[..., [a]]) * PIXEL / SIGMA) ** 2) for a in (0, 1))
    ideal = 120 * np.einsum("vpr,vpc->vrc", along, across) / (2 * np.pi * (SIGMA / PIXEL) ** 2)
    return TiltSeries.of(rng.poisson(ideal + 1).astype(np.float32), geometry, PIXEL / 10)


@pytest.fixture
def truth(rng):
    cells = np.stack(np.meshgrid(*[np.arange(3) - 1.0] * 3), axis=-1).reshape(-1, 3)
    return 2.6 * cells + rng.normal(0, 0.15, cells.shape)


def test_atoms_that_no_start_stood_for_are_found_in_the_images(rng, truth):
    found = refine_atoms(planted_series(truth, rng), np.delete(truth, [3, 13], axis=0), PARAMS, rng=rng)

    assert len(found.atoms) == 27
    assert KDTree(found.atoms.positions_angstrom).query(truth)[0].max() < 0.3
    assert (found.start_index == -1).sum() >= 2


def test_none_is_added_where_none_is_missing_or_none_is_looked_for(rng, truth):
    series, without = planted_series(truth, rng), PARAMS.model_copy(update={"n_searches": 0})

    complete = refine_atoms(series, truth, PARAMS, rng=rng)
    unsearched = refine_atoms(series, truth[1:], without, rng=rng)

    assert (complete.start_index >= 0).all()
    assert len(complete.atoms) == 27
    assert len(unsearched.atoms) == 26
