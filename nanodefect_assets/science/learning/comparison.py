"""Two models judged on the same micrographs: by how much one is better, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.champion import Score
from nanodefect_assets.domain.micrograph import file_of
from nanodefect_assets.science.learning.scores import ConfusionCounts, dice

_SHARE = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Dice coefficients of two models on the same micrographs.

    Attributes
    ----------
    challenger, incumbent : Score
        Mean over the classes but the support of the Dice coefficient of all pixels together.
    difference : float
        Challenger minus incumbent.
    difference_interval : (float, float) or None
        Its 95 % confidence interval; None for fewer than two micrographs.
    """

    challenger: Score
    incumbent: Score
    difference: float
    difference_interval: tuple[float, float] | None


def score_dice(counts: ConfusionCounts, *, n_resamples: int = 10_000, rng: np.random.Generator) -> Score:
    """Return the mean Dice coefficient with its 95 % confidence interval over micrographs; see `compare_dice`."""
    judged = _judged(counts)
    drawn = _mean_dice(judged, draw_micrographs(len(judged), n_resamples, rng))
    return Score(value=counts.mean_dice, n=len(judged), interval=_interval(drawn))


def compare_dice(
    challenger: ConfusionCounts,
    incumbent: ConfusionCounts,
    *,
    n_resamples: int = 10_000,
    rng: np.random.Generator,
) -> PairedComparison:
    """Compare two models by drawing micrographs again, the same ones for both.

    Parameters
    ----------
    challenger, incumbent : ConfusionCounts
        Of the same pixels.
    n_resamples : int
        Times that micrographs are drawn.
    rng : Generator
        Draws them.

    Notes
    -----
    Pixels of one micrograph are alike, hence micrographs are drawn, with all their pixels; frames of one file are drawn
    together, as one. A micrograph that is hard is so for both models, hence both are judged on the same draw. Of m
    micrographs, m - 1 are drawn: drawing m gives too narrow an interval when m is small [1]_. Intervals are
    percentiles.

    References
    ----------
    .. [1] J. N. K. Rao, C. F. J. Wu, J. Am. Stat. Assoc. 83, 231 (1988), doi:10.1080/01621459.1988.10478591.
    """
    _check_same_pixels(challenger, incumbent)
    both = [_judged(challenger), _judged(incumbent)]
    draws = draw_micrographs(len(both[0]), n_resamples, rng)
    first, second = (_mean_dice(counts, draws) for counts in both)
    return PairedComparison(
        challenger=Score(value=challenger.mean_dice, n=len(both[0]), interval=_interval(first)),
        incumbent=Score(value=incumbent.mean_dice, n=len(both[1]), interval=_interval(second)),
        difference=challenger.mean_dice - incumbent.mean_dice,
        difference_interval=_interval(first - second),
    )


def _check_same_pixels(one: ConfusionCounts, other: ConfusionCounts) -> None:
    if (one.micrograph_ids, one.class_names) != (other.micrograph_ids, other.class_names):
        raise ValueError("Expected two models judged on the same micrographs and classes. Got others.")
    if (one.counts.sum(axis=2) != other.counts.sum(axis=2)).any():
        raise ValueError("Expected two models judged on the same pixels. Got different numbers of a true class.")


def _judged(counts: ConfusionCounts) -> Int[np.ndarray, "micrograph class class"]:
    """Return the counts of the micrographs that have any, frames of one file together."""
    judged = np.flatnonzero(counts.counts.any(axis=(1, 2)))
    if not len(judged):
        raise ValueError("Expected at least one micrograph with labelled pixels. Got none.")
    return add_by_file(counts.counts[judged], [counts.micrograph_ids[at] for at in judged], axis=0)


def add_by_file(counts: np.ndarray, micrograph_ids: Sequence[str], *, axis: int) -> np.ndarray:
    """Return counts with those of frames of one file added, files in the order in which they come first."""
    order = {name: number for number, name in enumerate(dict.fromkeys(map(file_of, micrograph_ids)))}
    which = [order[file_of(name)] for name in micrograph_ids]
    moved = np.moveaxis(counts, axis, 0)
    added = np.zeros((len(order), *moved.shape[1:]), dtype=counts.dtype)
    np.add.at(added, which, moved)
    return np.moveaxis(added, 0, axis)


def draw_micrographs(m: int, n_resamples: int, rng: np.random.Generator) -> Int[np.ndarray, "resample micrograph"]:
    """Return how often each of `m` micrographs is drawn, `m` - 1 at a time; no resamples of a single one."""
    if m < 2:
        return np.zeros((0, m), dtype=np.int64)
    return rng.multinomial(m - 1, np.full(m, 1 / m), size=n_resamples)


def _mean_dice(
    counts: Int[np.ndarray, "micrograph class class"], draws: Int[np.ndarray, "resample micrograph"]
) -> Float[np.ndarray, " resample"]:
    return dice(np.tensordot(draws, counts, axes=1))[:, 1:].mean(axis=1)


def _interval(drawn: Float[np.ndarray, " resample"]) -> tuple[float, float] | None:
    if not drawn.size:
        return None
    low, high = np.quantile(drawn, _SHARE)
    return float(low), float(high)
