"""Shares of particles of a kind, with intervals that know that particles of one micrograph resemble each other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy.special import stdtrit

from nanodefect_assets.science.population.weighted import clustered_standard_error


@dataclass(frozen=True, kw_only=True)
class Fraction:
    """A share with its 95 % interval; `standard_error`, `low` and `high` are NaN for fewer than two clusters."""

    n: int
    n_of_kind: int
    n_clusters: int
    standard_error: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share."""
        return self.n_of_kind / self.n


def clustered_fraction(is_of_kind: Bool[np.ndarray, " n"], clusters: Int[np.ndarray, " n"]) -> Fraction:
    """Return the share of particles of a kind, with an interval that stays within 0 and 1.

    Parameters
    ----------
    is_of_kind : ndarray of shape (n,)
        Whether each particle is of the kind; at least one particle.
    clusters : ndarray of shape (n,)
        Number of the micrograph of each particle.

    Notes
    -----
    Wilson's interval for the effective number of particles n p (1 - p) / (n s^2), s the clustered standard error, at
    most n, and Student's t with one degree of freedom fewer than clusters [1]_. Where all particles are of one kind
    the clusters show no spread and each particle counts.

    References
    ----------
    .. [1] E. L. Korn, B. I. Graubard, Surv. Methodol. 24, 193 (1998); C. Dean, M. Pagano, J. Surv. Stat. Methodol. 3,
       484 (2015), doi:10.1093/jssam/smv024.
    """
    n, n_clusters = len(is_of_kind), len(np.unique(clusters))
    if n == 0:
        raise ValueError("Expected at least one particle. Got none.")
    share = float(np.mean(is_of_kind))
    error = clustered_standard_error(is_of_kind.astype(float), np.ones(n), clusters)
    low, high = _wilson(share, n, error, n_clusters) if n_clusters > 1 else (np.nan, np.nan)
    return Fraction(
        n=n, n_of_kind=int(np.sum(is_of_kind)), n_clusters=n_clusters, standard_error=error, low=low, high=high
    )


def _wilson(share: float, n: int, error: float, n_clusters: int) -> tuple[float, float]:
    effective = min(float(n), share * (1 - share) / error**2) if error > 0 else float(n)
    t = float(stdtrit(n_clusters - 1, 0.975))
    middle = (share + t**2 / (2 * effective)) / (1 + t**2 / effective)
    half = t / (1 + t**2 / effective) * np.sqrt(share * (1 - share) / effective + t**2 / (4 * effective**2))
    low, high = float(middle - half), float(middle + half)
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)
