"""Interval of the share of some classes among others, behind a classifier that confuses them.

A share is in the interval unless the counts speak against it: for every candidate the difference between what was found
and what the candidate predicts is compared with its standard error *under the candidate*. Near 0 and 1, where an error
estimated from the counts vanishes with them, this is what keeps the interval from being too short.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, stdtrit

_Counts = Int[np.ndarray, "micrograph found"]
_Confusion = Int[np.ndarray, "true found"]
_Matrix = Float[np.ndarray, "true found"]
_Weights = Float[np.ndarray, "candidate found"]
_Candidates = Float[np.ndarray, " candidate"]
_Shares = Float[np.ndarray, "candidate true"]

_CANDIDATES: _Candidates = np.concatenate([[0.0], expit(np.linspace(-7, 7, 101)), [1.0]])
_N_STEPS, _TOLERANCE = 300, 1e-5
_LEAST_EXCESS = 0.25
"""Of few micrographs, those that are more even than this are so by chance."""

UNSEEN = 0.5
"""Added to every cell of a confusion where its uncertainty is reckoned: what never happened may still (Jeffreys)."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which classes are counted (`part`), among which (`whole`, which includes them)."""

    part: tuple[int, ...]
    whole: tuple[int, ...]

    def __post_init__(self) -> None:
        if not set(self.part) < set(self.whole):
            raise ValueError(f"Expected a part of the classes {self.whole}. Got {self.part}.")

    def of(self, shares: Float[np.ndarray, " true"]) -> float:
        """Return the share that shares of all classes have; 0.5 where there is nothing of the whole."""
        whole = float(shares[list(self.whole)].sum())
        return float(shares[list(self.part)].sum()) / whole if whole > 0 else 0.5


def share_interval(
    counts: _Counts,
    shares: Float[np.ndarray, " true"],
    matrix: _Matrix,
    confusion: _Confusion | None,
    share: Share,
    *,
    confidence: float,
) -> tuple[float, float]:
    """Return the ends of the interval of a share.

    Parameters
    ----------
    counts : ndarray of shape (micrograph, found)
        Particles of each micrograph by the class that they were given; two micrographs at least, none empty.
    shares : ndarray of shape (true,)
        The estimated shares of all classes.
    matrix : ndarray of shape (true, found)
        Share of each true class that is found as each.
    confusion : ndarray of shape (true, found) or None
        The counts behind `matrix`. None: it is known for certain.
    share : Share
        Whose interval.
    confidence : float
        Share of intervals that should hold the truth.

    Notes
    -----
    For a candidate r the contrast sum(part) - r sum(whole) of the true shares is linear in them, and so in the shares
    found, with weights w = M^-1 (part - r whole): r is kept if the contrast is less than t standard errors from 0, as
    Fieller does for ratios [1]_. Its variance is that of a sample drawn from the most likely shares that have the
    ratio r, times by how much micrographs differ more than such samples do (a design effect [2]_, of the contrast
    itself), plus that of the rows of the confusion [3]_, multinomial too. Student's t has a degree of freedom less than
    micrographs where sampling decides, more where the confusion does (Satterthwaite). Nothing is drawn at random.
    The regions behind the confusion count as independent: of 180 simulated micrographs, those of one micrograph were
    alike enough to raise the variance 1.0 to 1.3 times.

    References
    ----------
    .. [1] E. C. Fieller, J. R. Stat. Soc. B 16, 175 (1954), doi:10.1111/j.2517-6161.1954.tb00159.x.
    .. [2] J. N. K. Rao, A. J. Scott, Ann. Stat. 12, 46 (1984), doi:10.1214/aos/1176346391.
    .. [3] W. J. Rogan, B. Gladen, Am. J. Epidemiol. 107, 71 (1978), doi:10.1093/oxfordjournals.aje.a112510.
    """
    part, whole = (np.isin(np.arange(shares.size), classes).astype(float) for classes in (share.part, share.whole))
    contrasts = part - _CANDIDATES[:, None] * whole
    weights = contrasts @ np.linalg.pinv(matrix).T
    most_likely = _most_likely(counts.sum(axis=0) / counts.sum(), matrix, share)
    sampling = _excess(counts, weights) * _multinomial(weights, most_likely @ matrix) / counts.sum()
    confusing = np.zeros_like(sampling) if confusion is None else _confusing(weights, most_likely, confusion)
    variance = np.maximum(sampling + confusing, np.finfo(float).tiny)
    freedom = (len(counts) - 1) * (variance / np.maximum(sampling, 1e-6 * variance)) ** 2
    reach = stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(variance)
    low, high = _ends(np.abs(contrasts @ shares) - reach)
    value = share.of(shares)
    return min(low, value), max(high, value)


def _ends(beyond: _Candidates) -> tuple[float, float]:
    """Return the outermost candidates that are not beyond their reach, interpolated between neighbours."""
    kept = np.flatnonzero(beyond <= 0)
    if kept.size == 0:
        kept = np.array([beyond.argmin()])

    def crossing(inner: int, outer: int) -> float:
        if not 0 <= outer < beyond.size:
            return float(_CANDIDATES[inner])
        inside = min(float(beyond[inner]), 0.0)
        step = inside / (inside - float(beyond[outer]))
        return float(_CANDIDATES[inner] + step * (_CANDIDATES[outer] - _CANDIDATES[inner]))

    return crossing(int(kept[0]), int(kept[0]) - 1), crossing(int(kept[-1]), int(kept[-1]) + 1)


def _most_likely(found: Float[np.ndarray, " found"], matrix: _Matrix, share: Share) -> _Shares:
    """Return the shares of classes that best explain the shares found and have each candidate as their ratio.

    Expectation and maximisation; after each step the classes of the part, and the others of the whole, are scaled so
    that the ratio holds: that is the maximum under the constraint.
    """
    part, rest = list(share.part), sorted(set(share.whole) - set(share.part))
    shares = np.full((_CANDIDATES.size, len(matrix)), 1 / len(matrix))
    for _ in range(_N_STEPS):
        expected = shares @ matrix
        ratio = np.divide(found, expected, out=np.zeros_like(expected), where=expected > 0)
        after = shares * (ratio @ matrix.T)
        above, below = after[:, part].sum(axis=1), after[:, rest].sum(axis=1)
        total = above + below
        for classes, now, wanted in ((part, above, _CANDIDATES * total), (rest, below, (1 - _CANDIDATES) * total)):
            even = wanted[:, None] / len(classes)
            scaled = after[:, classes] * np.divide(wanted, now, out=np.zeros_like(now), where=now > 0)[:, None]
            after[:, classes] = np.where(now[:, None] > 0, scaled, even)
        sums = after.sum(axis=1, keepdims=True)
        after = np.divide(after, sums, out=shares.copy(), where=sums > 0)
        change = np.abs(after - shares).max()
        shares = after
        if change < _TOLERANCE:
            break
    return shares


def _multinomial(weights: _Weights, shares: Float[np.ndarray, "*candidate found"]) -> _Candidates:
    """Return the variance of the weight of one draw from `shares`."""
    return np.maximum((weights**2 * shares).sum(axis=1) - (weights * shares).sum(axis=1) ** 2, 0)


def _excess(counts: _Counts, weights: _Weights) -> _Candidates:
    """Return the variance of contrasts among micrographs, over that of independent particles."""
    n, m = counts.sum(), len(counts)
    found = counts.sum(axis=0) / n
    apart = counts @ weights.T - counts.sum(axis=1)[:, None] * (weights @ found)
    seen = np.square(apart).sum(axis=0) * m / (m - 1) / n**2
    alone = _multinomial(weights, found) / n
    excess = np.divide(seen, alone, out=np.ones_like(alone), where=alone > 0)
    return np.maximum(excess, _LEAST_EXCESS)


def _confusing(weights: _Weights, shares: _Shares, confusion: _Confusion) -> _Candidates:
    """Return the variance of contrasts that the finite counts of the confusion give them."""
    smoothed = confusion + UNSEEN
    rows = smoothed / smoothed.sum(axis=1, keepdims=True)
    of_rows = np.stack([_multinomial(weights, row) for row in rows], axis=1)
    return (shares**2 * of_rows / confusion.sum(axis=1)).sum(axis=1)
