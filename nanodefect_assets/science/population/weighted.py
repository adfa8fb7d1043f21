"""Weighted statistics of particles that were found in clusters, their micrographs."""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr

_Values = Float[np.ndarray, " n"]


def weighted_mean(values: _Values, weights: _Values) -> float:
    """Return the mean, a ratio of two weighted sums."""
    return float(np.sum(weights * values) / np.sum(weights))


def clustered_standard_error(values: _Values, weights: _Values, clusters: Int[np.ndarray, " n"]) -> float:
    """Return the standard error of `weighted_mean` when values of one cluster resemble each other.

    Parameters
    ----------
    values, weights : ndarray of shape (n,)
        Values in any unit, and their positive weights.
    clusters : ndarray of shape (n,)
        Number of the cluster of each value, from 0 without gaps.

    Returns
    -------
    float
        Unit of `values`; not a number for a single cluster, which says nothing of how clusters differ.

    Notes
    -----
    The linearised ratio estimator with the small-sample factor m / (m - 1) for m clusters [1]_. An interval of 95 %
    takes the quantile of Student's t for m - 1 degrees of freedom.

    References
    ----------
    .. [1] W. G. Cochran, Sampling Techniques, 3rd ed., Wiley (1977), eq. 6.13.
    """
    n_clusters = int(clusters.max()) + 1
    if n_clusters < 2:
        return float("nan")
    residuals = weights * (values - weighted_mean(values, weights))
    totals = np.bincount(clusters, residuals)
    return float(np.sqrt(n_clusters / (n_clusters - 1) * np.sum(totals**2)) / np.sum(weights))


def weighted_sd(values: _Values, weights: _Values) -> float:
    """Return the standard deviation between values, with the factor n / (n - 1); not a number for one value."""
    if values.size < 2:
        return float("nan")
    variance = weighted_mean(np.square(values - weighted_mean(values, weights)), weights)
    return float(np.sqrt(variance * values.size / (values.size - 1)))


def weighted_quantile(values: _Values, weights: _Values, share: float) -> float:
    """Return the smallest value up to which at least `share` of the weight lies; the mean of two where they part it."""
    order = np.argsort(values, kind="stable")
    ascending, cumulative = values[order], np.cumsum(weights[order])
    target = share * cumulative[-1]
    tolerance = 1e-12 * cumulative[-1]
    low = int(np.searchsorted(cumulative, target - tolerance))
    high = int(np.searchsorted(cumulative, target + tolerance, side="right"))
    return float((ascending[low] + ascending[min(high, values.size - 1)]) / 2)


def fit_lognormal(diameters: _Values, weights: _Values) -> tuple[float, float]:
    """Return median and standard deviation of ln(diameter) of the lognormal distribution of largest likelihood.

    Both are not a number where all diameters are equal, or there is one.
    """
    log_diameters = np.log(diameters)
    mean = weighted_mean(log_diameters, weights)
    sigma = np.sqrt(weighted_mean(np.square(log_diameters - mean), weights))
    if not sigma > 1e-9:
        return float("nan"), float("nan")
    return float(np.exp(mean)), float(sigma)


def lognormal_distance(diameters: _Values, weights: _Values, median: float, sigma: float) -> float:
    """Return the largest distance between the weighted empirical distribution and a lognormal one (Kolmogorov-Smirnov).

    It measures the fit; as a test it would need its own critical values, because the distribution is fitted.
    """
    order = np.argsort(diameters)
    expected = ndtr(np.log(diameters[order] / median) / sigma)
    after = np.cumsum(weights[order]) / np.sum(weights)
    before = np.concatenate(([0.0], after[:-1]))
    return float(np.maximum(np.abs(after - expected), np.abs(before - expected)).max())
