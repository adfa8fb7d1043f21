"""A forest that tells what a region shows, with probabilities that are mended on micrographs of their own."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from nanodefect_assets.domain.randomness import sklearn_seed
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fault_params import FaultClass, ForestParams

FAULT_CLASSES: tuple[str, ...] = get_args(FaultClass)

_Features = Float[np.ndarray, "region feature"]
_Classes = Int[np.ndarray, " region"]
_Probabilities = Float[np.ndarray, "region class"]
_N_SPLITS_TRIED = 50


@dataclass(frozen=True, kw_only=True)
class RegionSplit:
    """Which regions train, which mend probabilities, which are held out: each micrograph is on one side."""

    train: Bool[np.ndarray, " region"]
    calibration: Bool[np.ndarray, " region"]
    test: Bool[np.ndarray, " region"]


def split_regions(
    classes: _Classes, micrographs: np.ndarray, params: ForestParams, *, rng: np.random.Generator
) -> RegionSplit:
    """Part regions by micrograph; of several draws, the one that spreads the classes most evenly.

    Parameters
    ----------
    classes : ndarray of shape (region,)
        Place in `FAULT_CLASSES`.
    micrographs : ndarray of shape (region,)
        Identifier of the micrograph of each region.
    params : ForestParams
        Shares of the sides.
    rng : Generator
        Draws the micrographs.

    Raises
    ------
    Refusal
        If there are fewer than three micrographs.
    """
    names, which = np.unique(micrographs, return_inverse=True)
    if names.size < 3:
        raise Refusal(
            "too_few_micrographs",
            expected="regions of three micrographs at least, one for training, one for calibration, one held out",
            got=f"{names.size}",
            advice="Simulate more fields, or label more micrographs.",
        )
    n_test = min(max(1, round(params.test_fraction * names.size)), names.size - 2)
    n_calibration = min(max(1, round(params.calibration_fraction * names.size)), names.size - n_test - 1)
    per_micrograph = np.zeros((names.size, len(FAULT_CLASSES)))
    np.add.at(per_micrograph, (which, classes), 1)
    shares = np.array([names.size - n_test - n_calibration, n_calibration, n_test]) / names.size
    best, least = np.arange(names.size), np.inf
    for _ in range(_N_SPLITS_TRIED):
        order = rng.permutation(names.size)
        parts = np.split(order, [n_test, n_test + n_calibration])
        counts = np.array([per_micrograph[part].sum(axis=0) for part in (parts[2], parts[1], parts[0])])
        odd = float(np.square(counts - shares[:, None] * per_micrograph.sum(axis=0)).sum())
        if odd < least:
            best, least = order, odd
    test, calibration, train = np.split(best, [n_test, n_test + n_calibration])
    return RegionSplit(train=np.isin(which, train), calibration=np.isin(which, calibration), test=np.isin(which, test))


def fit_fault_forest(
    features: _Features, classes: _Classes, split: RegionSplit, params: ForestParams, *, rng: np.random.Generator
) -> Any:
    """Return a fitted estimator with `predict_proba`; its `classes_` are places in `FAULT_CLASSES`.

    Parameters
    ----------
    features : ndarray of shape (region, feature)
        Features of every region.
    classes : ndarray of shape (region,)
        Place in `FAULT_CLASSES`.
    split : RegionSplit
        Regions to train on and, unless `params` says none, to mend probabilities on.
    params : ForestParams
        The forest.
    rng : Generator
        Draws the trees.

    Notes
    -----
    Gini impurity, the root of the number of features at each branch. Probabilities are mended by a sigmoid per class
    [1]_: its two numbers are fitted on micrographs that no tree saw. A class without regions on that side cannot be
    mended: it is refused.

    References
    ----------
    .. [1] J. Platt, in Advances in Large Margin Classifiers, MIT Press (2000), p. 61.
    """
    forest = RandomForestClassifier(
        n_estimators=params.n_trees,
        criterion="gini",
        min_samples_leaf=params.min_samples_leaf,
        max_depth=params.max_depth,
        class_weight="balanced" if params.is_balanced else None,
        random_state=sklearn_seed(rng),
    )
    known = np.unique(classes[split.train])
    if known.size < 2:
        raise Refusal(
            "one_class",
            expected="training regions of two classes at least",
            got=", ".join(FAULT_CLASSES[at] for at in known) or "none",
            advice="Simulate more fields, or label regions of other classes.",
        )
    forest.fit(features[split.train], classes[split.train])
    if params.calibration == "none":
        return forest
    seen = split.calibration & np.isin(classes, known)
    if missing := sorted(set(known.tolist()) - set(classes[seen].tolist())):
        raise Refusal(
            "class_not_calibrated",
            expected="calibration regions of every class that was trained",
            got="none of " + ", ".join(FAULT_CLASSES[at] for at in missing),
            advice="Use more micrographs, or set calibration to none.",
        )
    every = np.arange(np.count_nonzero(seen))
    # The forest is frozen: there is nothing to cross-validate, and one fold lets a class have few regions.
    mended = CalibratedClassifierCV(FrozenEstimator(forest), method="sigmoid", ensemble=False, cv=[(every, every)])
    return mended.fit(features[seen], classes[seen]).set_params(cv=None)


def class_probabilities(estimator: Any, features: _Features) -> _Probabilities:
    """Return the probability of each of `FAULT_CLASSES`; zero for one that the estimator never saw."""
    found = np.zeros((len(features), len(FAULT_CLASSES)))
    if len(features):
        found[:, estimator.classes_] = estimator.predict_proba(features)
    return found


@dataclass(frozen=True, kw_only=True)
class ForestScores:
    """How a classifier did on held-out regions.

    Attributes
    ----------
    confusion : ndarray of shape (true class, predicted class)
        Regions.
    reliability : ndarray of shape (bin, 3)
        Of the predictions of each bin of probability: mean probability, share that was right, number; empty bins left
        out.
    brier : float
        Mean over regions of the summed squared differences of probabilities and truth.
    """

    confusion: Int[np.ndarray, "true predicted"]
    reliability: Float[np.ndarray, "bin 3"]
    brier: float

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have held-out regions."""
        return balanced_accuracy(self.confusion)

    @property
    def calibration_error(self) -> float:
        """Mean distance of probability and share that was right, over predictions."""
        probability, right, n = self.reliability.T
        return float(np.abs(probability - right) @ n / max(n.sum(), 1))


def score_probabilities(probabilities: _Probabilities, classes: _Classes, *, n_bins: int = 10) -> ForestScores:
    """Judge probabilities against the truth.

    Parameters
    ----------
    probabilities : ndarray of shape (region, class)
        Of each of `FAULT_CLASSES`.
    classes : ndarray of shape (region,)
        Place in `FAULT_CLASSES`.
    n_bins : int
        Bins of the largest probability, of equal width.
    """
    n_classes = len(FAULT_CLASSES)
    chosen = probabilities.argmax(axis=1)
    confusion = np.bincount(classes * n_classes + chosen, minlength=n_classes**2).reshape(n_classes, n_classes)
    top = probabilities.max(axis=1)
    bins = np.minimum((top * n_bins).astype(int), n_bins - 1)
    n = np.bincount(bins, minlength=n_bins)
    sums = np.stack([np.bincount(bins, values, minlength=n_bins) for values in (top, chosen == classes)], axis=1)
    filled = n > 0
    reliability = np.column_stack([sums[filled] / n[filled, None], n[filled]])
    brier = np.square(probabilities - np.eye(n_classes)[classes]).sum(axis=1).mean() if len(classes) else np.nan
    return ForestScores(confusion=confusion, reliability=reliability, brier=float(brier))


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Return the mean recall of the classes that have regions."""
    n_true = confusion.sum(axis=1)
    present = n_true > 0
    return float((np.diag(confusion)[present] / n_true[present]).mean()) if present.any() else float("nan")


def out_of_fold_probabilities(
    features: _Features,
    classes: _Classes,
    micrographs: np.ndarray,
    params: ForestParams,
    *,
    n_folds: int = 5,
    rng: np.random.Generator,
) -> _Probabilities:
    """Return the probabilities that forests give to regions of micrographs that they were not trained on.

    Micrographs are dealt to folds at random; there are no more folds than micrographs. The forests are not calibrated.
    """
    names, which = np.unique(micrographs, return_inverse=True)
    fold_of = rng.permutation(names.size) % min(n_folds, names.size)
    plain = params.model_copy(update={"calibration": "none"})
    found = np.full((len(classes), len(FAULT_CLASSES)), np.nan)
    for fold in range(min(n_folds, names.size)):
        held = fold_of[which] == fold
        split = RegionSplit(train=~held, calibration=np.zeros_like(held), test=held)
        estimator = fit_fault_forest(features, classes, split, plain, rng=rng)
        found[held] = class_probabilities(estimator, features[held])
    return found


def permutation_importance(
    estimator: Any, features: _Features, classes: _Classes, *, n_repeats: int = 5, rng: np.random.Generator
) -> Float[np.ndarray, "feature repeat"]:
    """Return by how much balanced accuracy falls if one feature is shuffled among regions.

    References
    ----------
    .. [1] L. Breiman, Mach. Learn. 45, 5 (2001), doi:10.1023/A:1010933404324, section 10.
    """

    def accuracy(seen: _Features) -> float:
        return score_probabilities(class_probabilities(estimator, seen), classes).balanced_accuracy

    whole, falls = accuracy(features), np.zeros((features.shape[1], n_repeats))
    for at in range(features.shape[1]):
        for repeat in range(n_repeats):
            shuffled = features.copy()
            shuffled[:, at] = rng.permutation(shuffled[:, at])
            falls[at, repeat] = whole - accuracy(shuffled)
    return falls
