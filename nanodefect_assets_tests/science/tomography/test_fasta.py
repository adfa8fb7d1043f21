import numpy as np
import pytest

from nanodefect_assets.science.tomography.backends import make_projector
from nanodefect_assets.science.tomography.fasta import estimate_norm, fasta
from nanodefect_assets.science.tomography.params import FastaParams
from nanodefect_assets.science.tomography.vector_steps import difference_norm, dot, extrapolate, shrink_step, uphill

SETTINGS = {"accelerated": True, "adaptive": False}


@pytest.fixture(scope="module")
def projector(series):
    return make_projector(series.geometry, (32, 32, 32), (32, 32))


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


class Diagonal:
    """A projector of three numbers, by hand: A = diag(1, 2, 3)."""

    name = "diagonal"
    volume_shape = views_shape = (1, 1, 3)
    weights = np.array([1, 2, 3], np.float32)

    def forward(self, volume):
        return (volume * self.weights).astype(np.float32)

    adjoint = forward


@pytest.mark.parametrize("is_accelerated", SETTINGS.values(), ids=SETTINGS)
def test_the_minimum_with_l1_and_without_negatives_is_the_one_by_hand(is_accelerated):
    """For a diagonal A each x is max(a y - mu, 0) / a^2; a large negative one ends at zero, never at its modulus."""
    y = np.array([[[5.0, 4.0, -30.0]]], np.float32)
    params = FastaParams(n_iterations=500, tolerance=0, sparsity=2.0, is_accelerated=is_accelerated)

    found = fasta(Diagonal(), y, params)

    np.testing.assert_allclose(found.volume.ravel(), [3.0, 1.5, 0.0], atol=1e-4)


@pytest.mark.parametrize("is_accelerated", SETTINGS.values(), ids=SETTINGS)
def test_a_planted_volume_is_found(series, truth, projector, is_accelerated):
    found = fasta(projector, series.images, FastaParams(tolerance=0, is_accelerated=is_accelerated))

    assert correlation(found.volume, truth) > 0.98
    assert found.misfits[-1] < 0.02
    assert found.volume.min() >= 0


def test_it_ends_by_its_tolerance(series, projector):
    found = fasta(projector, series.images, FastaParams(n_iterations=500, tolerance=0.01))

    assert found.is_converged
    assert len(found.misfits) < 500


def test_a_killed_run_goes_on_as_if_it_had_not_been(series, projector, kept):
    whole = fasta(projector, series.images, FastaParams(n_iterations=20, tolerance=0))
    fasta(projector, series.images, FastaParams(n_iterations=10, tolerance=0), checkpoint=kept)
    n_kept = len(kept.state.record["misfits"])
    resumed = fasta(projector, series.images, FastaParams(n_iterations=20, tolerance=0), checkpoint=kept)

    assert n_kept == 10
    np.testing.assert_allclose(resumed.misfits, whole.misfits, rtol=1e-3)
    np.testing.assert_allclose(resumed.volume, whole.volume, atol=1e-3 * whole.volume.max())


def test_nothing_is_put_outside_the_support(series, projector, truth):
    support = truth > 0.05 * truth.max()

    found = fasta(projector, series.images, FastaParams(n_iterations=30, tolerance=0), support=support)

    assert not found.volume[~support].any()
    assert correlation(found.volume, truth) > 0.99


def test_invalid_pixels_do_not_matter(series, projector):
    invalid = np.zeros(series.images.shape, dtype=bool)
    invalid[3, 10:14, 10:20] = True
    spoiled = np.where(invalid, np.float32(1e4), series.images)
    params = FastaParams(n_iterations=10, tolerance=0)

    spoiled_volume = fasta(projector, spoiled, params, invalid=invalid).volume

    np.testing.assert_allclose(spoiled_volume, fasta(projector, series.images, params, invalid=invalid).volume)


def test_steps_that_are_too_long_are_halved(series, projector, monkeypatch):
    monkeypatch.setattr("nanodefect_assets.science.tomography.fasta.estimate_norm", lambda p: estimate_norm(p) / 30)
    found = fasta(projector, series.images, FastaParams(n_iterations=20, tolerance=0))

    assert found.n_backtracks > 0
    assert found.misfits[-1] < 0.1


def test_every_iteration_is_told(series, projector):
    told = []
    fasta(projector, series.images, FastaParams(n_iterations=4, tolerance=0), on_step=told.append)

    assert [(step.done, step.total) for step in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_norm_is_that_of_the_matrix():
    assert estimate_norm(Diagonal(), n_rounds=30) == pytest.approx(9, rel=1e-6)


def test_steps_are_those_of_the_formulas(rng):
    x, gradient, before = (rng.standard_normal(200_000).astype(np.float32) for _ in range(3))
    stepped, ahead = np.empty_like(x), np.empty_like(x)

    moved, along, taken = shrink_step(x, gradient, 0.3, 0.5, stepped)
    extrapolate(stepped, before, 0.7, ahead)

    expected = np.maximum(x - 0.3 * gradient - 0.15, 0)
    np.testing.assert_allclose(stepped, expected, atol=1e-6)
    np.testing.assert_allclose(ahead, expected + 0.7 * (expected - before), atol=1e-5)
    change = (expected - x).astype(float)
    assert moved == pytest.approx(np.sum(change**2), rel=1e-4)
    assert along == pytest.approx(np.sum(change * gradient), rel=1e-4)
    assert taken == pytest.approx(np.sum((change + 0.3 * gradient) ** 2), rel=1e-4)
    assert dot(x, gradient) == pytest.approx(np.vdot(x.astype(float), gradient), rel=1e-2, abs=1)
    assert difference_norm(x, gradient) == pytest.approx(np.sum((x.astype(float) - gradient) ** 2), rel=1e-4)
    assert uphill(x, stepped, before) == pytest.approx(np.sum((x - expected) * (expected - before)), rel=1e-3)
