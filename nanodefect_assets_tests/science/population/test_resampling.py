from time import process_time

import numpy as np
import pytest

from nanodefect_assets.science.population.lognormal import fit_lognormal
from nanodefect_assets.science.population.resampling import (
    SizeSample,
    _resampled_lognormal,
    _resampled_median,
    bootstrap_errors,
)
from nanodefect_assets.science.population.weighted import weighted_quantile, weighted_sd

NAMES = ("median", "sd", "lognormal_median", "lognormal_sigma")


def draw_sample(rng, n_micrographs, *, n_per_micrograph=20, cut=0.0, empty_share=0.2):
    """Lognormal diameters, whose median differs from micrograph to micrograph; some micrographs are empty."""
    sizes = rng.poisson(n_per_micrograph, n_micrographs) * (rng.random(n_micrographs) >= empty_share)
    clusters = np.arange(n_micrographs).repeat(sizes)
    medians = 3 * np.exp(rng.normal(0, 0.08, n_micrographs))
    diameters = medians[clusters] * rng.lognormal(0, 0.2, clusters.size)
    is_kept = diameters >= cut
    return SizeSample(
        diameters=diameters[is_kept],
        weights=rng.uniform(1, 2, clusters.size)[is_kept],
        cuts=np.full(np.count_nonzero(is_kept), cut),
        clusters=np.unique(clusters[is_kept], return_inverse=True)[1],
    )


def statistics(sample):
    fit = fit_lognormal(sample.diameters, sample.weights, sample.cuts)
    median = weighted_quantile(sample.diameters, sample.weights, 0.5)
    return dict(zip(NAMES, (median, weighted_sd(sample.diameters, sample.weights), *fit), strict=True))


@pytest.mark.parametrize("cut", [0.0, 2.6])
def test_errors_are_the_spread_of_what_other_micrographs_would_give(rng, cut):
    samples = [draw_sample(rng, 15, cut=cut) for _ in range(250)]
    found = [statistics(sample) for sample in samples]
    errors = [bootstrap_errors(sample, 200, with_fit=True, rng=rng) for sample in samples]

    for name in NAMES:
        spread = np.std([each[name] for each in found])
        assert np.median([each[name] for each in errors]) == pytest.approx(spread, rel=0.2), name


def test_the_error_is_right_for_two_micrographs_too():
    diameters = np.array([2.0, 3.0])
    sample = SizeSample(diameters=diameters, weights=np.ones(2), cuts=np.zeros(2), clusters=np.arange(2))

    error = bootstrap_errors(sample, 4000, with_fit=False, rng=np.random.default_rng(0))["median"]

    assert error == pytest.approx(diameters.std(ddof=1) / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize("n_particles", [1, 2, 5, 37, 400])
def test_resampled_statistics_are_those_of_particles_counted_again(rng, n_particles):
    sample = SizeSample(
        diameters=rng.lognormal(1, 0.3, n_particles) + 1,
        weights=rng.uniform(1, 2, n_particles),
        cuts=rng.choice([0.0, 1.0], n_particles),
        clusters=np.arange(n_particles) % 4,
    )
    counts = rng.integers(0, 4, (20, sample.n_clusters))
    counts = counts[(counts > 0).any(axis=1)]

    medians, fits = _resampled_median(sample, counts), np.transpose(_resampled_lognormal(sample, counts))

    for count, median, fit in zip(counts, medians, fits, strict=True):
        again = np.arange(n_particles).repeat(count[sample.clusters])
        diameters, weights = sample.diameters[again], sample.weights[again]
        assert median == pytest.approx(weighted_quantile(diameters, weights, 0.5), rel=1e-12)
        expected = fit_lognormal(diameters, weights, sample.cuts[again])
        np.testing.assert_allclose(fit, expected, rtol=1e-5)


def test_draws_with_the_same_seed_are_the_same(rng):
    sample = draw_sample(rng, 8)

    first, second, other = (
        bootstrap_errors(sample, 100, with_fit=True, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )

    assert first == second
    assert first != other


def test_one_micrograph_gives_no_error():
    sample = SizeSample(
        diameters=np.arange(1.0, 9), weights=np.ones(8), cuts=np.zeros(8), clusters=np.zeros(8, dtype=int)
    )

    assert bootstrap_errors(sample, 100, with_fit=True, rng=np.random.default_rng(0)) == {}


@pytest.mark.parametrize(("clusters", "reason"), [([0, 2], "without gaps"), ([0], "different numbers")])
def test_a_sample_that_does_not_fit_together_is_refused(clusters, reason):
    with pytest.raises(ValueError, match=reason):
        SizeSample(diameters=np.ones(2), weights=np.ones(2), cuts=np.zeros(2), clusters=np.array(clusters))


def test_ten_thousand_particles_take_well_under_a_second(rng):
    sample = draw_sample(rng, 300, n_per_micrograph=42, cut=2.5)
    start = process_time()

    bootstrap_errors(sample, 1000, with_fit=True, rng=rng)

    assert process_time() - start < 1.0
