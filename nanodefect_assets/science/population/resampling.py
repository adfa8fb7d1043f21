"""Standard errors of what has no formula for them, by drawing clusters of particles again."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.science.population.lognormal import fit_cut_normal, log_of

_Values = Float[np.ndarray, " n"]
_Resampled = Float[np.ndarray, " resample"]
_Counts = Int[np.ndarray, "resample cluster"]

_LEAST_DEFINED = 0.5
"""Share of the resamples in which a statistic must be defined for its spread to mean something."""


@dataclass(frozen=True, kw_only=True)
class SizeSample:
    """Diameters of particles and the fields of view in which they were found.

    Attributes
    ----------
    diameters, weights : ndarray of shape (n,)
        Diameters in any unit, above zero, and their positive weights.
    cuts : ndarray of shape (n,)
        Smallest diameter that segmentation kept in the particle's micrograph, in the same unit; 0 for none.
    clusters : ndarray of shape (n,)
        Number of the particle's field of view, from 0 without gaps.
    """

    diameters: _Values
    weights: _Values
    cuts: _Values
    clusters: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        if not self.diameters.shape == self.weights.shape == self.cuts.shape == self.clusters.shape:
            raise ValueError("Expected a weight, a cut and a field of view for every diameter. Got different numbers.")
        if (np.bincount(self.clusters) == 0).any():
            raise ValueError("Expected fields of view numbered from 0 without gaps. Got numbers without a particle.")

    @property
    def n_clusters(self) -> int:
        """Fields of view with particles."""
        return int(self.clusters.max(initial=-1)) + 1


def bootstrap_errors(
    sample: SizeSample, n_resamples: int, *, with_fit: bool, rng: np.random.Generator
) -> dict[str, float]:
    """Return standard errors of median, standard deviation and lognormal fit.

    Parameters
    ----------
    sample : SizeSample
        At least one particle.
    n_resamples : int
        Times that the fields of view are drawn.
    with_fit : bool
        Whether the lognormal distribution is fitted to every resample too.
    rng : Generator
        Draws the fields of view.

    Returns
    -------
    dict of str to float
        ``sd``, ``median`` and, with the fit, ``lognormal_median`` and ``lognormal_sigma``. None of them for a
        single field of view; not a number where a statistic is undefined in most resamples.

    Notes
    -----
    Of m fields of view, m - 1 are drawn with replacement: the spread of a mean is then right for any m, where drawing m
    makes it too small by the square root of (m - 1) / m [1]_. Fields without a particle are not drawn: they tell
    how many particles there are, nothing of their sizes.

    References
    ----------
    .. [1] J. N. K. Rao, C. F. J. Wu, J. Am. Stat. Assoc. 83, 231 (1988), doi:10.1080/01621459.1988.10478591.
    """
    m = sample.n_clusters
    if m < 2:
        return {}
    counts = rng.multinomial(m - 1, np.full(m, 1 / m), size=n_resamples)
    resampled = {"sd": _resampled_sd(sample, counts), "median": _resampled_median(sample, counts)}
    if with_fit:
        resampled["lognormal_median"], resampled["lognormal_sigma"] = _resampled_lognormal(sample, counts)
    return {name: _spread(values) for name, values in resampled.items()}


def _spread(values: _Resampled) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if defined.size > max(_LEAST_DEFINED * values.size, 1) else float("nan")


def _resampled_moments(sample: SizeSample, values: _Values, counts: _Counts) -> tuple[_Resampled, _Resampled]:
    """Return weighted mean and mean squared deviation of `values` in each resample."""
    offset = np.average(values, weights=sample.weights)
    weight, first, second = (
        counts @ np.bincount(sample.clusters, sample.weights * (values - offset) ** power, minlength=sample.n_clusters)
        for power in (0, 1, 2)
    )
    mean = first / weight
    return offset + mean, np.maximum(second / weight - mean**2, 0)


def _resampled_sd(sample: SizeSample, counts: _Counts) -> _Resampled:
    n = sample.diameters.size
    return np.sqrt(_resampled_moments(sample, sample.diameters, counts)[1] * n / (n - 1))


def _resampled_lognormal(sample: SizeSample, counts: _Counts) -> tuple[_Resampled, _Resampled]:
    means, variances = _resampled_moments(sample, np.log(sample.diameters), counts)
    levels, which = np.unique(sample.cuts, return_inverse=True)
    weights = np.zeros((sample.n_clusters, levels.size))
    np.add.at(weights, (sample.clusters, which), sample.weights)
    totals = counts @ weights
    mu, sigma = fit_cut_normal(means, variances, log_of(levels), totals / totals.sum(axis=1, keepdims=True))
    return np.exp(mu), sigma


def _resampled_median(sample: SizeSample, counts: _Counts) -> _Resampled:
    """Return the smallest diameter up to which half the weight of each resample lies.

    Particles in the order of size are cut into about sqrt(n) blocks of as many: first the block that holds the median
    is found from the weights of fields of view in blocks, then the particle in the block.
    """
    order = np.argsort(sample.diameters)
    length = int(np.ceil(np.sqrt(order.size)))
    n_blocks = -(-order.size // length)
    order = np.pad(order, (0, n_blocks * length - order.size), mode="edge")
    weights = sample.weights[order]
    weights[sample.diameters.size :] = 0
    blocks, clusters = np.arange(order.size) // length, sample.clusters[order]
    in_blocks = np.bincount(clusters * n_blocks + blocks, weights, minlength=sample.n_clusters * n_blocks)
    cumulative = np.cumsum(counts @ in_blocks.reshape(sample.n_clusters, n_blocks), axis=1)
    target = cumulative[:, -1:] / 2
    block = np.sum(cumulative < target, axis=1)
    resample = np.arange(len(counts))
    before = np.where(block > 0, cumulative[resample, block - 1], 0.0)
    members = block[:, None] * length + np.arange(length)
    inside = before[:, None] + np.cumsum(counts[resample[:, None], clusters[members]] * weights[members], axis=1)
    place = np.minimum(np.sum(inside < target, axis=1), length - 1)
    return sample.diameters[order[block * length + place]]
