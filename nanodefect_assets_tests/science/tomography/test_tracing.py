"""Peaks of volumes: planted Gaussians, one, none, too near, and noise."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.volume import Volume
from nanodefect_assets.science.tomography.gaussian_fits import fit_gaussians, model_volume
from nanodefect_assets.science.tomography.peak_search import find_maxima, merge_near, without_near
from nanodefect_assets.science.tomography.tracing import near_pairs, require_atomic_resolution, trace_peaks
from nanodefect_assets.science.tomography.tracing_params import TracingParams

VOXEL = 0.35
THESIS = TracingParams.thesis()
BOTH = pytest.mark.parametrize(
    "params",
    [pytest.param(TracingParams(), id="default"), pytest.param(THESIS, id="thesis", marks=pytest.mark.slow)],
)


def volume_of(positions, heights, rng, noise=0.02, size=40, sigma_angstrom=0.6):
    at = np.asarray(positions).reshape(-1, 3)[:, ::-1] / VOXEL + size // 2
    fits = np.column_stack([at, heights, np.full(len(at), sigma_angstrom / VOXEL), np.zeros(len(at))])
    values = model_volume(fits, (size, size, size)) + rng.normal(0, noise, (size,) * 3)
    return Volume(values=values.astype(np.float32), voxel_size_angstrom=VOXEL)


def grid(rng):
    cells = np.stack(np.meshgrid(*[np.arange(3) - 1.0] * 3), axis=-1).reshape(-1, 3)
    return cells * 2.75 + rng.normal(0, 0.1, (27, 3))


@BOTH
def test_planted_atoms_are_traced(rng, params):
    truth = grid(rng)

    found = trace_peaks(volume_of(truth, np.ones(27), rng), params)

    misses, match = KDTree(truth).query(found.positions_angstrom[found.is_claimed])
    assert sorted(match) == list(range(27))
    assert np.sqrt(np.mean(misses**2)) < 0.1


@pytest.mark.slow
def test_fits_beat_parabolas_where_neighbours_overlap(rng):
    truth = grid(rng)
    volume = volume_of(truth, np.ones(27), rng, noise=0.0, sigma_angstrom=0.8)
    params = (THESIS, THESIS.model_copy(update={"estimator": "parabola"}))

    fitted, interpolated = (
        np.mean(KDTree(trace_peaks(volume, one).positions_angstrom).query(truth)[0]) for one in params
    )

    assert fitted < 0.5 * interpolated


@BOTH
def test_an_empty_volume_has_no_candidates(params):
    empty = Volume(values=np.zeros((20, 20, 20), np.float32), voxel_size_angstrom=VOXEL)

    assert len(trace_peaks(empty, params)) == 0


@BOTH
def test_one_atom_is_one_atom(rng, params):
    found = trace_peaks(volume_of([[1.0, -2.0, 3.0]], [1.0], rng), params)

    assert found.positions_angstrom[found.is_claimed] == pytest.approx(np.array([[1.0, -2.0, 3.0]]), abs=0.1)


def test_noise_claims_no_atoms(rng):
    for _ in range(5):
        noise = volume_of(np.empty((0, 3)), np.empty(0), rng, noise=1.0)
        assert not trace_peaks(noise, TracingParams()).is_claimed.any()


def test_of_two_atoms_too_near_one_is_left(rng):
    found = trace_peaks(volume_of([[0, 0, 0], [1.9, 0, 0]], [1.0, 0.9], rng, sigma_angstrom=0.4), THESIS)

    assert found.is_claimed.sum() == 1


def test_faint_and_bright_species_are_both_candidates(rng):
    heights = np.where(np.arange(27) % 2, 1.0, 0.4)

    assert trace_peaks(volume_of(grid(rng), heights, rng), TracingParams()).is_claimed.sum() == 27


def test_a_gaussian_on_a_background_is_recovered():
    truth = np.array([[10.2, 9.9, 10.1, 5.0, 1.6, 0.0]])
    volume = model_volume(truth, (21, 21, 21)) + np.float32(2)
    fits = np.array([[10.0, 10.0, 10.0, 4.0, 1.4, 0.0]])

    for _ in range(3):
        fits = fit_gaussians(volume, fits, 5.0, near_pairs(fits[:, :3], 4.0))

    # Drawn to four standard deviations, 3e-4 of the peak.
    assert fits[0] == pytest.approx([*truth[0, :5], 2.0], abs=0.01)


def test_maxima_come_brightest_first_and_not_from_the_border():
    values = np.zeros((7, 7, 7))
    values[3, 3, 3], values[1, 5, 1], values[0, 3, 3] = 2, 3, 9

    found, heights = find_maxima(values, 0.5)

    assert found.tolist() == [[1, 5, 1], [3, 3, 3]]
    assert heights.tolist() == [3, 2]


def test_near_ones_go_and_pairs_meet_at_their_weighted_mean():
    positions = np.array([[0.0, 0, 0], [1, 0, 0], [1.9, 0, 0], [5, 0, 0]])

    # The second goes for the first; the third is only near one that went.
    assert without_near(positions, 1.5).tolist() == [0, 2, 3]
    merged, kept = merge_near(positions, np.array([1.0, 1, 3, 1]), 1.5)
    assert kept.tolist() == [0, 2, 3]
    assert merged[1] == pytest.approx([1.9 - 0.25 * 0.9, 0, 0])


@pytest.mark.parametrize(("reason", "value", "voxel"), [("uncalibrated", 1.0, None), ("not_finite", np.nan, VOXEL)])
def test_volumes_that_cannot_be_traced_are_refused(reason, value, voxel):
    volume = Volume(values=np.full((5, 5, 5), value, np.float32), voxel_size_angstrom=voxel)

    with pytest.raises(Refusal) as caught:
        trace_peaks(volume, TracingParams())

    assert caught.value.reason == reason


@pytest.mark.parametrize(("voxel_size_angstrom", "half_resolution_px"), [(0.35, 13.0), (0.35, 7.2), (33.6, None)])
def test_no_atoms_are_looked_for_where_none_are_resolved(voxel_size_angstrom, half_resolution_px):
    with pytest.raises(Refusal, match=r"down to 2\.5 angstrom"):
        require_atomic_resolution(voxel_size_angstrom, half_resolution_px, TracingParams())


@pytest.mark.parametrize(("voxel_size_angstrom", "half_resolution_px"), [(0.35, 7.1), (0.35, None), (1.2, 0.5)])
def test_atoms_are_looked_for_where_they_are_resolved(voxel_size_angstrom, half_resolution_px):
    require_atomic_resolution(voxel_size_angstrom, half_resolution_px, TracingParams())
