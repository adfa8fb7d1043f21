import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import kstest, lognorm, norm

from nanodefect_assets.science.population.lognormal import (
    Lognormal,
    fit_lognormal,
    kept_fraction,
    lognormal_distance,
)


def draw_kept(rng, cuts, *, median=3.0, sigma=0.2):
    """Diameters of those of as many particles as cuts that exceed theirs, and these cuts."""
    diameters = rng.lognormal(np.log(median), sigma, len(cuts))
    is_kept = diameters >= cuts
    return diameters[is_kept], np.asarray(cuts, dtype=float)[is_kept]


@pytest.mark.parametrize("cut", [0.0, 2.0, 2.8, 3.2])
def test_a_planted_distribution_is_recovered_whatever_segmentation_drops(rng, cut):
    diameters, cuts = draw_kept(rng, np.full(40_000, cut))

    fit = fit_lognormal(diameters, np.ones(diameters.size), cuts)

    assert fit == pytest.approx((3.0, 0.2), rel=0.04)
    assert kept_fraction(fit, np.ones(diameters.size), cuts) == pytest.approx(diameters.size / 40_000, rel=0.05)


def test_leaving_the_cut_out_of_account_would_be_wrong(rng):
    diameters, _ = draw_kept(rng, np.full(20_000, 2.8))

    naive = fit_lognormal(diameters, np.ones(diameters.size), np.zeros(diameters.size))

    assert naive.median > 3.15
    assert naive.sigma < 0.16


def test_micrographs_may_have_different_cuts(rng):
    diameters, cuts = draw_kept(rng, np.repeat([0.0, 2.5, 3.3], 10_000))

    fit = fit_lognormal(diameters, np.ones(diameters.size), cuts)

    assert fit == pytest.approx((3.0, 0.2), rel=0.02)
    assert kept_fraction(fit, np.ones(diameters.size), cuts) == pytest.approx(diameters.size / 30_000, rel=0.03)


def test_no_other_distribution_is_likelier(rng):
    diameters, cuts = draw_kept(rng, np.repeat([2.4, 3.0], 150))
    weights = rng.uniform(1, 3, diameters.size)

    def loss(parameters):
        mu, sigma = parameters[0], np.exp(parameters[1])
        density = norm.logpdf(np.log(diameters), mu, sigma) - norm.logsf(np.log(cuts), mu, sigma)
        return -np.average(density, weights=weights)

    best = minimize(loss, [1.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-13}).x

    assert fit_lognormal(diameters, weights, cuts) == pytest.approx(np.exp(best), rel=1e-4)


def test_without_a_cut_it_is_scipys_fit(rng):
    diameters = rng.lognormal(1.0, 0.4, 500)
    shape, _, scale = lognorm.fit(diameters, floc=0)

    fit = fit_lognormal(diameters, np.ones(500), np.zeros(500))

    assert fit == pytest.approx((scale, shape), rel=1e-4)
    expected = kstest(diameters, lognorm(shape, 0, scale).cdf).statistic
    assert lognormal_distance(diameters, np.ones(500), np.zeros(500), fit) == pytest.approx(expected, abs=1e-4)


def test_the_distance_is_to_what_of_the_distribution_could_be_seen(rng):
    diameters, cuts = draw_kept(rng, np.repeat([2.0, 3.0], 20_000))

    assert lognormal_distance(diameters, np.ones(diameters.size), cuts, Lognormal(3.0, 0.2)) < 0.01
    assert lognormal_distance(diameters, np.ones(diameters.size), 0 * cuts, Lognormal(3.0, 0.2)) > 0.1


@settings(max_examples=60)
@given(
    excess=st.lists(st.floats(1.001, 5), min_size=2, max_size=30),
    cut=st.floats(0.5, 5),
    unit_ratio=st.sampled_from([1e-3, 0.1, 10.0]),
)
def test_a_fit_scales_with_the_unit_or_is_none_in_any(excess, cut, unit_ratio):
    diameters, cuts = cut * np.array(excess), np.full(len(excess), cut)

    fit, scaled = (fit_lognormal(r * diameters, np.ones(diameters.size), r * cuts) for r in (1.0, unit_ratio))

    assert scaled.median == pytest.approx(unit_ratio * fit.median, rel=1e-4, nan_ok=True)
    assert scaled.sigma == pytest.approx(fit.sigma, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize(("diameters", "cut"), [([2.0] * 8, 0.0), ([2.0], 0.0), ([2.0] * 8, 1.9)])
def test_equal_diameters_have_no_distribution(diameters, cut):
    fit = fit_lognormal(np.array(diameters), np.ones(len(diameters)), np.full(len(diameters), cut))

    assert np.isnan(fit).all()


def test_what_falls_off_from_the_cut_more_slowly_than_any_lognormal_is_not_fitted(rng):
    diameters = np.exp(rng.exponential(0.3, 2000) ** 1.3)

    assert np.isnan(fit_lognormal(diameters, np.ones(2000), np.ones(2000))).all()
