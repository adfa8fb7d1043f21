"""Classes of pixels against the truth, per micrograph: counts are kept, ratios come last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float, Int, UInt8

from nanodefect_assets.domain.patches import UNLABELLED

_Counts = Int[np.ndarray, "micrograph class class"]
_Ratios = Float[np.ndarray, "*batch class"]


@dataclass(frozen=True, kw_only=True)
class ConfusionCounts:
    """How many pixels of each true class were given each class.

    Attributes
    ----------
    counts : ndarray of shape (micrograph, class, class)
        Labelled pixels, by true class and by predicted class.
    micrograph_ids : tuple of str
        Whose pixels they are; a micrograph of which nothing was counted has zeros.
    class_names : tuple of str
        Classes, the support first.
    """

    counts: _Counts
    micrograph_ids: tuple[str, ...]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        expected = (len(self.micrograph_ids), len(self.class_names), len(self.class_names))
        if self.counts.shape != expected:
            raise ValueError(f"Expected counts of shape {expected}. Got {self.counts.shape}.")

    def __add__(self, other: "ConfusionCounts") -> "ConfusionCounts":
        if (self.micrograph_ids, self.class_names) != (other.micrograph_ids, other.class_names):
            raise ValueError("Expected counts of the same micrographs and classes. Got others.")
        return ConfusionCounts(
            counts=self.counts + other.counts, micrograph_ids=self.micrograph_ids, class_names=self.class_names
        )

    @property
    def pooled(self) -> Int[np.ndarray, "class class"]:
        """Counts of all micrographs together."""
        return self.counts.sum(axis=0)

    def by_micrograph_and_class(self) -> Iterator[tuple[str, dict[str, int | str]]]:
        """Yield each micrograph that has any, with each class counted against all others."""
        for micrograph_id, counts in zip(self.micrograph_ids, self.counts, strict=True):
            if not counts.any():
                continue
            for number, name in enumerate(self.class_names):
                found, true, both = int(counts[:, number].sum()), int(counts[number].sum()), int(counts[number, number])
                yield (
                    micrograph_id,
                    {
                        "class_name": name,
                        "n_true_positive": both,
                        "n_false_positive": found - both,
                        "n_false_negative": true - both,
                        "n_true_negative": int(counts.sum()) - found - true + both,
                    },
                )

    @property
    def mean_dice(self) -> float:
        """Mean over the classes but the support of the Dice coefficient of all pixels together."""
        return float(dice(self.pooled)[1:].mean())


def count_confusion(
    predicted: UInt8[np.ndarray, "patch row col"],
    classes: UInt8[np.ndarray, "patch row col"],
    *,
    group: Int[np.ndarray, " patch"],
    micrograph_ids: tuple[str, ...],
    class_names: tuple[str, ...],
) -> ConfusionCounts:
    """Count the pixels of patches by true and predicted class; those without a label are left out.

    Parameters
    ----------
    predicted, classes : ndarray of shape (patch, row, col)
        What was found, and the truth.
    group : ndarray of shape (patch,)
        Index in `micrograph_ids` of the micrograph of each patch.
    micrograph_ids, class_names : tuple of str
        Of the counts returned.
    """
    n = len(class_names)
    if predicted.shape != classes.shape:
        raise ValueError(f"Expected classes for each pixel predicted, {predicted.shape}. Got {classes.shape}.")
    counts = np.zeros((len(micrograph_ids), n, n), dtype=np.int64)
    for found, true, index in zip(predicted, classes, group, strict=True):
        labelled = true != UNLABELLED
        pairs = true[labelled].astype(np.intp) * n + found[labelled]
        counts[index] += np.bincount(pairs, minlength=n * n).reshape(n, n)
    return ConfusionCounts(counts=counts, micrograph_ids=micrograph_ids, class_names=class_names)


def dice(counts: Int[np.ndarray, "*batch class class"]) -> _Ratios:
    """Return 2 TP / (2 TP + FP + FN) of each class; 1 where it neither occurs nor was found."""
    true_positive, n_found, n_true = _margins(counts)
    return _ratio(2 * true_positive, n_found + n_true, empty=1)


def iou(counts: Int[np.ndarray, "*batch class class"]) -> _Ratios:
    """Return TP / (TP + FP + FN) of each class; 1 where it neither occurs nor was found."""
    true_positive, n_found, n_true = _margins(counts)
    return _ratio(true_positive, n_found + n_true - true_positive, empty=1)


def precision(counts: Int[np.ndarray, "*batch class class"]) -> _Ratios:
    """Return TP / (TP + FP) of each class; not a number where it was not found."""
    true_positive, n_found, _ = _margins(counts)
    return _ratio(true_positive, n_found)


def recall(counts: Int[np.ndarray, "*batch class class"]) -> _Ratios:
    """Return TP / (TP + FN) of each class; not a number where it does not occur."""
    true_positive, _, n_true = _margins(counts)
    return _ratio(true_positive, n_true)


def _margins(counts: Int[np.ndarray, "*batch class class"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2), counts.sum(axis=-1)


def _ratio(part: np.ndarray, whole: np.ndarray, *, empty: float = np.nan) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), empty, dtype=float), where=whole > 0)


@dataclass(frozen=True, kw_only=True)
class ThresholdCounts:
    """Pixels of one class against the rest, for each threshold on its probability (fig. B.2).

    Attributes
    ----------
    thresholds : ndarray of shape (threshold,)
        Rising; a pixel is taken whose probability is the threshold or more.
    n_true_positive, n_false_positive : ndarray of shape (micrograph, threshold)
        Pixels taken that are of the class, and that are not.
    n_true : ndarray of shape (micrograph,)
        Pixels of the class.
    """

    thresholds: Float[np.ndarray, " threshold"]
    n_true_positive: Int[np.ndarray, "micrograph threshold"]
    n_false_positive: Int[np.ndarray, "micrograph threshold"]
    n_true: Int[np.ndarray, " micrograph"]

    @property
    def precision(self) -> Float[np.ndarray, " threshold"]:
        """Precision of all pixels together; not a number where no pixel is taken."""
        positive = self.n_true_positive.sum(axis=0)
        return _ratio(positive, positive + self.n_false_positive.sum(axis=0))

    @property
    def recall(self) -> Float[np.ndarray, " threshold"]:
        """Recall of all pixels together; not a number where the class does not occur."""
        positive = self.n_true_positive.sum(axis=0)
        return _ratio(positive, np.full(positive.shape, self.n_true.sum()))

    @property
    def dice(self) -> Float[np.ndarray, " threshold"]:
        """Dice coefficient of all pixels together; 1 where the class neither occurs nor is taken."""
        positive = self.n_true_positive.sum(axis=0)
        taken = positive + self.n_false_positive.sum(axis=0)
        return _ratio(2 * positive, taken + self.n_true.sum(), empty=1)


def count_at_thresholds(
    p_class: Float[np.ndarray, "patch row col"],
    classes: UInt8[np.ndarray, "patch row col"],
    *,
    class_index: int,
    group: Int[np.ndarray, " patch"],
    n_micrographs: int,
    thresholds: Sequence[float],
) -> ThresholdCounts:
    """Count the pixels of one class for every threshold on its probability, in one pass.

    Parameters
    ----------
    p_class : ndarray of shape (patch, row, col)
        Probability of the class.
    classes : ndarray of shape (patch, row, col)
        The truth.
    class_index : int
        The class.
    group : ndarray of shape (patch,)
        Number of each patch's micrograph.
    n_micrographs : int
        Micrographs in all.
    thresholds : sequence of float
        Rising.
    """
    edges = np.asarray(thresholds, dtype=np.float64)
    if edges.ndim != 1 or not edges.size or (np.diff(edges) <= 0).any():
        raise ValueError(f"Expected rising thresholds. Got {thresholds}.")
    taken = np.zeros((2, n_micrographs, edges.size), dtype=np.int64)
    n_true = np.zeros(n_micrographs, dtype=np.int64)
    for p, true, index in zip(p_class, classes, group, strict=True):
        is_class = true == class_index
        n_true[index] += np.count_nonzero(is_class)
        for row, mask in enumerate((is_class, ~is_class & (true != UNLABELLED))):
            n_reached = np.bincount(np.searchsorted(edges, p[mask], side="right"), minlength=edges.size + 1)
            taken[row, index] += n_reached[:0:-1].cumsum()[::-1]
    return ThresholdCounts(thresholds=edges, n_true_positive=taken[0], n_false_positive=taken[1], n_true=n_true)


def add_counts(parts: Sequence[ConfusionCounts]) -> ConfusionCounts:
    """Return the sum of counts of the same micrographs, such as those of batches."""
    return reduce(ConfusionCounts.__add__, parts)
