"""Labels that a classifier, trained on the others, confidently disagrees with: those worth a second look."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

_Probabilities = Float[np.ndarray, "region class"]
_Classes = Int[np.ndarray, " region"]

LabelError = Literal["dropped", "merged", "wrong class"]
"""dropped: a particle is said to be background; merged: to be an agglomerate; wrong class: to be any other class."""

_CALLED = {"dropped": FAULT_CLASSES.index("background"), "merged": FAULT_CLASSES.index("agglomeration")}


@dataclass(frozen=True, kw_only=True)
class LabelDoubts:
    """How much each label is doubted.

    Attributes
    ----------
    margin : ndarray of shape (region,)
        Probability of the label minus the largest one of another class: -1 is certain disagreement.
    suggested : ndarray of shape (region,)
        Class of the largest probability.
    is_issue : ndarray of shape (region,)
        Whether another class is more probable than that class is, on average, for regions that carry it.
    rank : ndarray of shape (region,)
        From 1, the most doubtful first: issues before others, then by margin.
    """

    margin: Float[np.ndarray, " region"]
    suggested: _Classes
    is_issue: Bool[np.ndarray, " region"]
    rank: Int[np.ndarray, " region"]


def doubt_labels(probabilities: _Probabilities, labels: _Classes) -> LabelDoubts:
    """Rank labels by how confidently they are disagreed with.

    Parameters
    ----------
    probabilities : ndarray of shape (region, class)
        Given by classifiers that did not see the region, nor any other of its micrograph.
    labels : ndarray of shape (region,)
        Class that each region is said to have.

    Notes
    -----
    Confident learning [1]_: the threshold of a class is the mean of its probability over the regions that carry it; a
    region counts for the most probable class of those over their threshold, and is an issue if that is not its label.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang, I. L. Chuang, J. Artif. Intell. Res. 70, 1373 (2021), doi:10.1613/jair.1.12125.
    """
    at = np.arange(len(labels))
    own = probabilities[at, labels]
    others = probabilities.copy()
    others[at, labels] = -1
    margin = own - others.max(axis=1, initial=-1)
    thresholds = class_thresholds(probabilities, labels)
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    is_issue = (confident.max(axis=1, initial=-1) >= 0) & (confident.argmax(axis=1) != labels)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[np.lexsort((margin, ~is_issue))] = at + 1
    return LabelDoubts(margin=margin, suggested=probabilities.argmax(axis=1), is_issue=is_issue, rank=rank)


def class_thresholds(probabilities: _Probabilities, labels: _Classes) -> Float[np.ndarray, " class"]:
    """Return the mean probability of each class over the regions that carry it; infinite for one that none carries."""
    n_classes = probabilities.shape[1]
    n = np.bincount(labels, minlength=n_classes)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], minlength=n_classes)
    return np.divide(sums, n, out=np.full(n_classes, np.inf), where=n > 0)


def recall_among_first(rank: Int[np.ndarray, " region"], is_wrong: Bool[np.ndarray, " region"], n: int) -> float:
    """Return the share of wrong labels among the first `n` of a ranking; chance finds n of all."""
    if not is_wrong.any():
        return float("nan")
    return float(np.count_nonzero(is_wrong & (rank <= n)) / np.count_nonzero(is_wrong))


def plant_label_errors(
    labels: _Classes, kind: LabelError, share: float, *, rng: np.random.Generator
) -> tuple[_Classes, Bool[np.ndarray, " region"]]:
    """Return labels of which a share is wrong, and which: to see what an audit would find in labels like these.

    Parameters
    ----------
    labels : ndarray of shape (region,)
        Place in `FAULT_CLASSES`.
    kind : str
        What goes wrong.
    share : float
        Wrong labels among all, as far as there are labels that can go wrong like that.
    rng : Generator
        Draws the regions, and the class where any will do.
    """
    can = np.flatnonzero(labels != _CALLED.get(kind, -1))
    chosen = rng.choice(can, min(round(share * labels.size), can.size), replace=False)
    planted = labels.copy()
    if kind == "wrong class":
        planted[chosen] = (labels[chosen] + rng.integers(1, len(FAULT_CLASSES), chosen.size)) % len(FAULT_CLASSES)
    else:
        planted[chosen] = _CALLED[kind]
    return planted, planted != labels
