import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from nanodefect_assets.science.population.weighted import (
    clustered_standard_error,
    interval_95,
    ratio_standard_error,
    weighted_mean,
    weighted_quantile,
    weighted_sd,
)

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=20).map(np.array)


def draw_clusters(rng, n_clusters, empty_share=0.0):
    """Values whose mean differs from cluster to cluster, and the more of them the larger they are; some are empty."""
    shifts = rng.normal(0, 0.5, n_clusters)
    sizes = 1 + rng.poisson(8 * np.exp(shifts / 4))
    clusters = np.arange(n_clusters).repeat(sizes * (rng.random(n_clusters) >= empty_share))
    values = 10 + shifts[clusters] + rng.normal(0, 1, clusters.size)
    return values, rng.uniform(1, 2, clusters.size), clusters


@pytest.mark.parametrize(
    ("n_clusters", "empty_share", "tolerance"),
    [(6, 0.0, 0.03), (20, 0.0, 0.02), (7, 0.3, 0.03), (20, 0.6, 0.02), (20, 0.85, 0.02)],
)
def test_the_interval_covers_the_mean_as_often_as_it_says(n_clusters, empty_share, tolerance):
    rng = np.random.default_rng(3)
    true_mean = weighted_mean(*draw_clusters(rng, 200_000)[:2])
    n_trials, n_covered = 3000, 0
    while n_trials:
        values, weights, clusters = draw_clusters(rng, n_clusters, empty_share)
        if np.unique(clusters).size < 2:
            continue
        error = clustered_standard_error(values, weights, clusters)
        low, high = interval_95(weighted_mean(values, weights), error, np.unique(clusters).size)
        n_covered += low <= true_mean <= high
        n_trials -= 1

    assert n_covered / 3000 == pytest.approx(0.95, abs=tolerance)


def test_clusters_without_values_say_nothing_of_the_mean():
    values, clusters = np.array([1.0, 1.0, 2.0, 3.0]), np.array([0, 0, 4, 4])
    residuals = np.array([-1.5, 1.5])  # of the totals of the two clusters, about the mean of 1.75

    error = clustered_standard_error(values, np.ones(4), clusters)

    assert error == pytest.approx(np.sqrt(2 * np.sum(residuals**2)) / 4)


def test_one_cluster_says_nothing_of_the_others():
    assert np.isnan(clustered_standard_error(np.array([1.0, 3.0]), np.ones(2), np.full(2, 5)))


@pytest.mark.parametrize(("n_clusters", "quantile"), [(2, 12.706), (7, 2.447), (1000, 1.962)])
def test_the_interval_is_students(n_clusters, quantile):
    low, high = interval_95(10.0, 2.0, n_clusters)

    assert np.log([low / 10, high / 10]) == pytest.approx([-0.2 * quantile, 0.2 * quantile], abs=1e-3)
    assert np.log(high / low) / 0.4 == pytest.approx(student.ppf(0.975, n_clusters - 1))


def test_a_ratio_of_one_cluster_has_no_error():
    assert np.isnan(ratio_standard_error(np.array([3.0]), np.array([2.0])))
    assert np.isnan(interval_95(3.0, float("nan"), 1)).all()


def test_a_ratio_to_equal_sizes_has_the_error_of_a_mean():
    totals = np.random.default_rng(0).normal(size=12)

    error = ratio_standard_error(totals, np.full(12, 2.0))

    assert error == pytest.approx(totals.std(ddof=1) / np.sqrt(12) / 2)


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
