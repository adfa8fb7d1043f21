"""Which of two fault classifiers is better on the same held-out micrographs, and under which conditions one is good."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.champion import Score
from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, score_probabilities

_Confusions = Int[np.ndarray, "micrograph true found"]
_N_RESAMPLES = 2000
_TAILS = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True)
class ConditionScore:
    """How a classifier did where a condition, such as the dose, lies between `low` and `high`."""

    low: float
    high: float
    n_regions: int
    balanced_accuracy: float
    calibration_error: float


def score_by_condition(
    values: Float[np.ndarray, " region"],
    probabilities: Float[np.ndarray, "region class"],
    classes: Int[np.ndarray, " region"],
    *,
    n_spans: int = 3,
) -> list[ConditionScore]:
    """Judge probabilities where a condition is low, middling and high, with about as many regions in each span.

    Parameters
    ----------
    values : ndarray of shape (region,)
        The condition, such as the pixel size in nm; regions of which it is not known (not a number) are left out.
    probabilities : ndarray of shape (region, class)
        Of each of `FAULT_CLASSES`.
    classes : ndarray of shape (region,)
        Place in `FAULT_CLASSES`.
    n_spans : int
        Spans; fewer where there are fewer values.
    """
    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, n_spans + 1))) if known.size else known
    found = []
    for low, high in pairwise(edges):
        inside = (values >= low) & ((values < high) | (high == edges[-1]) & (values == high))
        scores = score_probabilities(probabilities[inside], classes[inside])
        found.append(
            ConditionScore(
                low=float(low),
                high=float(high),
                n_regions=int(inside.sum()),
                balanced_accuracy=scores.balanced_accuracy,
                calibration_error=scores.calibration_error,
            )
        )
    return found


def confusions_by_micrograph(
    probabilities: Float[np.ndarray, "region class"], classes: Int[np.ndarray, " region"], micrographs: np.ndarray
) -> _Confusions:
    """Return the confusion of each micrograph, in the order of their identifiers, as counts of regions."""
    names, which = np.unique(micrographs, return_inverse=True)
    n_classes = len(FAULT_CLASSES)
    found = np.zeros((names.size, n_classes, n_classes), dtype=np.int64)
    np.add.at(found, (which, classes, probabilities.argmax(axis=1)), 1)
    return found


def score_balanced(confusions: _Confusions, *, rng: np.random.Generator) -> Score:
    """Return balanced accuracy with its 95 % interval, by drawing micrographs again."""
    drawn = _accuracies(_resampled(confusions, _draws(len(confusions), rng)))
    value = float(_accuracies(confusions.sum(axis=0, keepdims=True))[0])
    low, high = np.quantile(drawn, _TAILS)
    return Score(value=value, n=len(confusions), interval=(min(float(low), value), max(float(high), value)))


def difference_interval(
    challenger: _Confusions, incumbent: _Confusions, *, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % interval of challenger minus incumbent, of the same micrographs drawn again together."""
    if challenger.shape != incumbent.shape:
        raise ValueError(f"Expected confusions of the same micrographs. Got {len(challenger)} and {len(incumbent)}.")
    draws = _draws(len(challenger), rng)
    gains = _accuracies(_resampled(challenger, draws)) - _accuracies(_resampled(incumbent, draws))
    low, high = np.quantile(gains, _TAILS)
    return float(low), float(high)


def _draws(n: int, rng: np.random.Generator) -> Int[np.ndarray, "draw micrograph"]:
    return rng.multinomial(n, np.full(n, 1 / n), size=_N_RESAMPLES)


def _resampled(confusions: _Confusions, draws: Int[np.ndarray, "draw micrograph"]) -> _Confusions:
    return np.einsum("dm,mtf->dtf", draws, confusions)


def _accuracies(confusions: Int[np.ndarray, "draw true found"]) -> Float[np.ndarray, " draw"]:
    """Return the mean recall of the classes that each draw has."""
    n_true = confusions.sum(axis=2)
    right = np.diagonal(confusions, axis1=1, axis2=2)
    recalls = np.divide(right, n_true, out=np.zeros(n_true.shape), where=n_true > 0)
    return recalls.sum(axis=1) / np.maximum((n_true > 0).sum(axis=1), 1)
