import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from nanodefect_assets.science.population.weighted import (
    clustered_standard_error,
    weighted_mean,
    weighted_quantile,
    weighted_sd,
)

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=20).map(np.array)


def draw_clusters(rng, n_clusters):
    """Values whose mean differs from cluster to cluster, and the more of them the larger they are."""
    shifts = rng.normal(0, 0.5, n_clusters)
    clusters = np.arange(n_clusters).repeat(1 + rng.poisson(8 * np.exp(shifts / 4)))
    values = 10 + shifts[clusters] + rng.normal(0, 1, clusters.size)
    return values, rng.uniform(1, 2, clusters.size), clusters


@pytest.mark.parametrize(("n_clusters", "tolerance"), [(6, 0.03), (20, 0.02)])
def test_the_interval_covers_the_mean_as_often_as_it_says(n_clusters, tolerance):
    rng = np.random.default_rng(3)
    true_mean = weighted_mean(*draw_clusters(rng, 200_000)[:2])
    quantile, n_trials, n_covered = student.ppf(0.975, n_clusters - 1), 3000, 0
    for _ in range(n_trials):
        values, weights, clusters = draw_clusters(rng, n_clusters)
        half_width = quantile * clustered_standard_error(values, weights, clusters)
        n_covered += abs(weighted_mean(values, weights) - true_mean) <= half_width

    assert n_covered / n_trials == pytest.approx(0.95, abs=tolerance)


def test_taking_particles_for_independent_would_be_too_sure():
    values, weights, clusters = draw_clusters(np.random.default_rng(0), 400)

    clustered = clustered_standard_error(values, weights, clusters)
    independent = clustered_standard_error(values, weights, np.arange(values.size))

    assert clustered > 1.3 * independent


def test_one_value_per_cluster_and_equal_weights_give_the_plain_standard_error():
    values = np.random.default_rng(0).normal(size=50)

    error = clustered_standard_error(values, np.ones(50), np.arange(50))

    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(50))


@given(values=VALUES, factor=st.floats(0.1, 10))
def test_only_ratios_of_weights_matter(values, factor):
    weights = np.linspace(1, 2, values.size)

    for statistic in (weighted_mean, weighted_sd):
        expected = statistic(values, weights)
        assert statistic(values, factor * weights) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(values=VALUES)
def test_the_median_of_equal_weights_is_numpys(values):
    assert weighted_quantile(values, np.full(values.size, 0.7), 0.5) == pytest.approx(np.median(values))


@pytest.mark.parametrize(("share", "quantile"), [(0.1, 1.0), (0.25, 1.5), (0.5, 2.0), (0.75, 2.5), (0.9, 3.0)])
def test_quantiles_by_hand(share, quantile):
    assert weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), share) == quantile
