"""Atoms that the starts lacked, from what the fit leaves of the images."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.atom_evidence import expected_false_atoms, needed_significance
from nanodefect_assets.science.tomography.atom_model import AtomState
from nanodefect_assets.science.tomography.missing_atoms import find_missing, significance_map
from nanodefect_assets.science.tomography.peak_search import find_maxima
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


@pytest.fixture
def lacking():
    """A model of one atom, with images that differ in brightness and a halo."""
    geometry = TiltGeometry.single_axis(np.linspace(-66, 66, 17))
    return AtomState(
        positions_angstrom=np.array([[4.0, 4.0, 4.0]]),
        intensity=np.array([100.0]),
        sigma_angstrom=np.array([SIGMA]),
        geometry=geometry,
        factors=np.linspace(0.5, 1.5, len(geometry)),
        background=np.zeros(len(geometry)),
        pixel_size_angstrom=PIXEL,
        shape=(N, N),
        halo=0.1,
    )


def left_over(state, places, intensities=None):
    """Return what a model leaves of images that show more atoms."""
    more = replace(
        state,
        positions_angstrom=np.array(places, dtype=float),
        intensity=np.full(len(places), 100.0) if intensities is None else np.array(intensities),
        sigma_angstrom=np.full(len(places), state.sigma_angstrom[0]),
    )
    return more.images()


def test_significance_is_that_of_the_best_intensity_at_a_place(lacking, rng):
    place, voxel = np.array([[-8, 4, 2]]) * PIXEL, (20 + 2, 20 + 4, 20 - 8)
    weights = np.broadcast_to(rng.uniform(0.1, 0.3, (17, 1, 1)), (17, N, N)).astype(np.float32, copy=True)
    weights[:, 23:26] = 2
    image, residual = left_over(lacking, place, [1.0]), left_over(lacking, place, [70.0])

    found = significance_map(lacking, residual, weights)[voxel]

    by_hand = np.sum(weights * residual * image) / np.sqrt(np.sum(weights * image**2))
    # Reading a blurred image between pixels, and the halo's square, cost some per cent.
    assert found == pytest.approx(by_hand, rel=0.06)


def test_the_place_of_a_missing_atom_is_found_between_voxels(lacking):
    truth = np.array([[-3.13, 1.45, 0.67]])

    found = find_missing(lacking, left_over(lacking, truth), np.ones((17, N, N), np.float32), PARAMS)

    assert found[0] == pytest.approx(truth[0], abs=0.06)


@pytest.mark.parametrize(("share_of_needed", "n_found"), [(0.5, 0), (0.75, 1)])
def test_a_place_needs_a_share_of_what_an_atom_needs(lacking, share_of_needed, n_found):
    place, voxel = np.array([[-8, 4, 2]]) * PIXEL, (20 + 2, 20 + 4, 20 - 8)
    residual, weights = left_over(lacking, place), np.ones((17, N, N), np.float32)
    significance = significance_map(lacking, residual, weights)[voxel]
    scale = share_of_needed * needed_significance(lacking, PARAMS.false_alarms) / significance

    assert len(find_missing(lacking, np.float32(scale) * residual, weights, PARAMS)) == n_found


def test_nothing_is_added_on_top_of_an_atom_or_twice(lacking):
    """Atoms narrow enough to be told apart at less than a bond."""
    narrow, weights = replace(lacking, sigma_angstrom=np.array([0.4]), halo=0.0), np.full((17, N, N), 1, np.float32)
    at_atom = left_over(narrow, narrow.positions_angstrom + np.array([0.4, 0, 0]))
    near_one_another = left_over(narrow, [[-4.0, 0, 0], [-4.0, 1.4, 0]], [100.0, 80.0])

    beside = find_missing(narrow, at_atom, weights, PARAMS)
    one = find_missing(narrow, near_one_another, weights, PARAMS)

    assert np.linalg.norm(beside - narrow.positions_angstrom, axis=1).min(initial=np.inf) > 0.9
    assert (np.linalg.norm(one - np.array([-4.0, 0.7, 0]), axis=1) < 1.2).sum() == 1


def test_noise_makes_about_as_many_maxima_as_are_expected_of_it(lacking, rng):
    """Fewer by what voxels cut off the tops of maxima, and by those at the border."""
    state, weights = replace(lacking, halo=0.0, factors=np.ones(17)), np.ones((17, N, N), np.float32)
    n_found = {2.5: 0.0, 3.0: 0.0}
    for _ in range(12):
        z = significance_map(state, rng.standard_normal((17, N, N), dtype=np.float32), weights)
        n_found = {level: n + len(find_maxima(z, level)[0]) / 12 for level, n in n_found.items()}

    for level, n in n_found.items():
        assert 0.4 * expected_false_atoms(state, level) < n < 1.05 * expected_false_atoms(state, level)


@pytest.mark.parametrize("false_alarms", [1e-3, 0.05, 0.9])
def test_needed_significance_lets_through_as_many_as_wanted(lacking, false_alarms):
    needed = needed_significance(lacking, false_alarms)

    assert expected_false_atoms(lacking, needed) == pytest.approx(false_alarms)
