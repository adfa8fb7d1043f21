"""Lognormal distributions of which what lies below a cut was never seen."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import erfcx, ndtr

from nanodefect_assets.science.population.weighted import weighted_mean

_Values = Float[np.ndarray, " n"]
_Fits = Float[np.ndarray, " fit"]
_PerCut = Float[np.ndarray, "fit cut"]

_MAX_STEPS = 60
_HIGHEST_CUT = 3.0
"""Standard deviations above the mean; a fit of which less than 0.1 % lies above the cut is a guess."""


class Lognormal(NamedTuple):
    """A lognormal distribution of diameters.

    Attributes
    ----------
    median : float
        Unit of the diameters.
    sigma : float
        Standard deviation of ln(diameter).
    """

    median: float
    sigma: float

    def below(self, diameters: _Values) -> _Values:
        """Return the share of the distribution below each diameter."""
        with np.errstate(divide="ignore"):
            return ndtr(np.log(diameters / self.median) / self.sigma)


def fit_lognormal(diameters: _Values, weights: _Values, cuts: _Values) -> Lognormal:
    """Return the lognormal distribution of largest likelihood, given that each particle had to exceed a cut.

    Parameters
    ----------
    diameters, weights : ndarray of shape (n,)
        Diameters above zero in any unit, and their positive weights.
    cuts : ndarray of shape (n,)
        Smallest diameter that the particle could have had and been kept, in the same unit; 0 for none.

    Returns
    -------
    Lognormal
        Of all particles, smaller ones included. Not numbers where all diameters are equal, or where diameters fall off
        from the cut so that no lognormal distribution explains them better than ever wider ones.
    """
    log_diameters = np.log(diameters)
    mean = weighted_mean(log_diameters, weights)
    variance = weighted_mean(np.square(log_diameters - mean), weights)
    levels, which = np.unique(cuts, return_inverse=True)
    shares = np.bincount(which, weights) / weights.sum()
    mu, sigma = fit_cut_normal(np.array([mean]), np.array([variance]), log_of(levels), shares[None])
    return Lognormal(float(np.exp(mu[0])), float(sigma[0]))


def log_of(cuts: _Values) -> _Values:
    """Return natural logarithms; minus infinity where there is no cut."""
    with np.errstate(divide="ignore"):
        return np.log(cuts)


def fit_cut_normal(means: _Fits, variances: _Fits, cuts: Float[np.ndarray, " cut"], shares: _PerCut) -> tuple:
    """Fit normal distributions to samples of which only values above known cuts were kept.

    Parameters
    ----------
    means, variances : ndarray of shape (fit,)
        Mean and mean squared deviation of the values of each sample: all that the likelihood needs of them.
    cuts : ndarray of shape (cut,)
        Values below which nothing was kept, in parts of the samples; minus infinity for none.
    shares : ndarray of shape (fit, cut)
        Share of each sample's weight that each cut applies to.

    Returns
    -------
    mean, standard deviation : ndarray of shape (fit,)
        Of the distributions before the cut; not a number where the likelihood has no maximum, or none in sight.

    Notes
    -----
    Newton's method on the natural parameters of the exponential family, in which the likelihood is concave, with
    bounded steps, about the standard deviations of the current fit [1]_.

    References
    ----------
    .. [1] A. C. Cohen, Truncated and Censored Samples, Marcel Dekker (1991), ch. 2.
    """
    mu, sigma = means.copy(), np.sqrt(variances)
    is_open = sigma > 1e-9
    has_answer = is_open & np.isneginf(cuts).all()
    is_open = is_open & ~has_answer
    for _ in range(_MAX_STEPS):
        fits = np.flatnonzero(is_open)
        if fits.size == 0:
            break
        shift, stretch = _newton_step(means[fits], variances[fits], cuts, shares[fits], mu[fits], sigma[fits])
        mu[fits] += sigma[fits] * shift
        sigma[fits] *= stretch
        is_lost = (cuts - mu[fits, None] > _HIGHEST_CUT * sigma[fits, None]).any(axis=1)
        is_done = np.abs(shift) + np.abs(stretch - 1) < 1e-9
        has_answer[fits] = is_done & ~is_lost
        is_open[fits] = ~is_done & ~is_lost
    return np.where(has_answer, mu, np.nan), np.where(has_answer, sigma, np.nan)


def _newton_step(
    means: _Fits, variances: _Fits, cuts: Float[np.ndarray, " cut"], shares: _PerCut, mu: _Fits, sigma: _Fits
) -> tuple[_Fits, _Fits]:
    """Return by how many standard deviations the mean moves, and the factor on the standard deviation."""
    heights = np.maximum(
        (cuts - mu[:, None]) / sigma[:, None], -40.0
    )  # nothing lies lower; infinity times 0 is no number
    hazard = np.sqrt(2 / np.pi) / erfcx(heights / np.sqrt(2))
    first, second = hazard, 1 + heights * hazard
    third, fourth = (heights**2 + 2) * hazard, 3 + (heights**3 + 3 * heights) * hazard
    offset = (means - mu) / sigma
    excess_1 = offset - _mix(shares, first)
    excess_2 = variances / sigma**2 + offset**2 - _mix(shares, second)
    cov_11, cov_12 = _mix(shares, second - first**2), _mix(shares, third - first * second)
    cov_22 = _mix(shares, fourth - second**2)
    determinant = cov_11 * cov_22 - cov_12**2
    step_1 = (cov_22 * excess_1 - cov_12 * excess_2) / determinant
    step_2 = (cov_11 * excess_2 - cov_12 * excess_1) / determinant
    bound = np.maximum(1, np.maximum(np.abs(step_1), np.abs(step_2) / 0.25))
    precision = 1 - 2 * step_2 / bound
    return step_1 / bound / precision, 1 / np.sqrt(precision)


def _mix(shares: _PerCut, per_cut: _PerCut) -> _Fits:
    return np.sum(shares * per_cut, axis=1)


def kept_fraction(fit: Lognormal, weights: _Values, cuts: _Values) -> float:
    """Return the share of particles that exceed the cut: those seen, over those that `fit` says there are."""
    return float(np.sum(weights) / np.sum(weights / (1 - fit.below(cuts))))


def lognormal_distance(diameters: _Values, weights: _Values, cuts: _Values, fit: Lognormal) -> float:
    """Return the largest distance between the weighted empirical distribution and `fit` above the cuts.

    Kolmogorov-Smirnov. It measures the fit; as a test it would need its own critical values, because the distribution
    is fitted.
    """
    order = np.argsort(diameters)
    levels, which = np.unique(cuts, return_inverse=True)
    shares = np.bincount(which, weights) / np.sum(weights)
    ascending, expected = diameters[order], np.zeros(diameters.size)
    for cut, share, below_cut in zip(levels, shares, fit.below(levels), strict=True):
        expected += share * np.maximum(fit.below(np.maximum(ascending, cut)) - below_cut, 0) / (1 - below_cut)
    after = np.cumsum(weights[order]) / np.sum(weights)
    before = np.concatenate(([0.0], after[:-1]))
    return float(np.maximum(np.abs(after - expected), np.abs(before - expected)).max())
