from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fault_forest import (
    FAULT_CLASSES,
    class_probabilities,
    fit_fault_forest,
    out_of_fold_probabilities,
    permutation_importance,
    score_probabilities,
    split_regions,
)
from nanodefect_assets.science.hrtem.fault_params import ForestParams
from nanodefect_assets.science.hrtem.label_audit import doubt_labels, plant_label_errors, recall_among_first

SMALL = ForestParams(n_trees=40)
N_CLASSES = len(FAULT_CLASSES)


def planted(rng, n=600, n_micrographs=30, spread=0.7):
    """Return features of which two tell the class, classes and micrographs."""
    classes = rng.integers(N_CLASSES, size=n)
    angles = 2 * np.pi * classes / N_CLASSES
    telling = np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(0, spread / 2, (n, 2))
    return np.column_stack([telling, rng.normal(size=n)]), classes, rng.integers(n_micrographs, size=n)


def test_every_micrograph_is_on_one_side(rng):
    _, classes, micrographs = planted(rng)

    split = split_regions(classes, micrographs, SMALL, rng=rng)

    assert (split.train.astype(int) + split.calibration + split.test == 1).all()
    sides = [set(micrographs[side]) for side in (split.train, split.calibration, split.test)]
    assert sum(map(len, sides)) == len(set(micrographs))
    assert split.test.mean() == pytest.approx(SMALL.test_fraction, abs=0.05)


def test_planted_classes_are_learnt_and_probabilities_mean_what_they_say(rng):
    features, classes, micrographs = planted(rng, n=3000)
    split = split_regions(classes, micrographs, SMALL, rng=rng)

    def error(params):
        fitted = fit_fault_forest(features, classes, split, params, rng=np.random.default_rng(1))
        return score_probabilities(class_probabilities(fitted, features[split.test]), classes[split.test])

    mended, plain = error(SMALL), error(SMALL.model_copy(update={"calibration": "none"}))

    assert mended.balanced_accuracy > 0.85
    assert mended.calibration_error < 0.06
    assert mended.brier <= plain.brier + 0.01


def test_the_same_seed_fits_the_same_forest(rng):
    features, classes, micrographs = planted(rng, n=200)
    split = split_regions(classes, micrographs, SMALL, rng=rng)

    first, second = (
        class_probabilities(fit_fault_forest(features, classes, split, SMALL, rng=np.random.default_rng(3)), features)
        for _ in range(2)
    )

    assert (first == second).all()


def test_a_class_that_was_never_seen_has_no_probability(rng):
    features, classes, micrographs = planted(rng)
    kept = classes != 3
    features, classes, micrographs = features[kept], classes[kept], micrographs[kept]
    split = split_regions(classes, micrographs, SMALL, rng=rng)

    found = class_probabilities(fit_fault_forest(features, classes, split, SMALL, rng=rng), features)

    assert (found[:, 3] == 0).all()
    assert found.sum(axis=1) == pytest.approx(1)
    assert class_probabilities(None, np.empty((0, 3))).shape == (0, N_CLASSES)


def test_one_class_or_two_micrographs_are_refused(rng):
    features, classes, micrographs = planted(rng, n=100)
    with pytest.raises(Refusal, match="three micrographs"):
        split_regions(classes, micrographs % 2, SMALL, rng=rng)
    split = split_regions(classes, micrographs, SMALL, rng=rng)
    with pytest.raises(Refusal, match="two classes"):
        fit_fault_forest(features, np.zeros(100, dtype=int), split, SMALL, rng=rng)


def test_scores_are_those_of_scikit_learn(rng):
    probabilities, classes = rng.dirichlet(np.ones(N_CLASSES), 200), rng.integers(N_CLASSES, size=200)

    scores = score_probabilities(probabilities, classes)

    chosen = probabilities.argmax(axis=1)
    assert (scores.confusion == confusion_matrix(classes, chosen)).all()
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(classes, chosen))
    assert scores.reliability[:, 2].sum() == 200


def test_what_tells_is_important_and_noise_is_not(rng):
    features, classes, micrographs = planted(rng)
    split = split_regions(classes, micrographs, SMALL, rng=rng)
    fitted = fit_fault_forest(features, classes, split, SMALL, rng=rng)

    falls = permutation_importance(fitted, features[split.test], classes[split.test], n_repeats=3, rng=rng).mean(axis=1)

    assert min(falls[:2]) > 0.2 > 0.1 > abs(falls[2])


@pytest.mark.parametrize(("kind", "share"), [("dropped", 0.2), ("merged", 0.1), ("wrong class", 0.05)])
def test_planted_label_errors_are_found_first(kind, share, rng):
    features, classes, micrographs = planted(rng, n=800, spread=0.5)
    labels, is_wrong = plant_label_errors(classes, kind, share, rng=rng)

    probabilities = out_of_fold_probabilities(features, labels, micrographs, SMALL, rng=rng)
    doubts = doubt_labels(probabilities, labels)

    n_wrong = int(is_wrong.sum())
    assert n_wrong == share * 800
    assert recall_among_first(doubts.rank, is_wrong, n_wrong) > 0.8
    assert sorted(doubts.rank) == list(range(1, 801))
    assert (doubts.suggested[is_wrong] == classes[is_wrong]).mean() > 0.8


def test_planted_errors_are_of_their_kind(rng):
    classes = rng.integers(N_CLASSES, size=500)

    dropped, merged, other = (
        plant_label_errors(classes, kind, 0.1, rng=rng) for kind in ("dropped", "merged", "wrong class")
    )

    assert {FAULT_CLASSES[at] for at in dropped[0][dropped[1]]} == {"background"}
    assert {FAULT_CLASSES[at] for at in merged[0][merged[1]]} == {"agglomeration"}
    assert len(set(other[0][other[1]])) == N_CLASSES


def test_a_class_without_calibration_regions_is_refused_by_name(rng):
    features, classes, micrographs = planted(rng)
    split = split_regions(classes, micrographs, SMALL, rng=rng)
    without = replace(split, calibration=split.calibration & (classes != 3))

    with pytest.raises(Refusal, match="none of agglomeration"):
        fit_fault_forest(features, classes, without, SMALL, rng=rng)


def test_doubts_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])

    doubts = doubt_labels(probabilities, np.array([0, 0, 1, 1]))

    assert doubts.margin == pytest.approx([0.8, -0.6, 0.8, 0.4])
    assert doubts.is_issue.tolist() == [False, True, False, False]  # thresholds are 0.55 and 0.8
    assert (doubts.rank[1], doubts.rank[3]) == (1, 2)
    assert np.isnan(recall_among_first(doubts.rank, np.zeros(4, dtype=bool), 2))


def test_brier_score_by_hand():
    probabilities = np.zeros((2, N_CLASSES))
    probabilities[0, 0], probabilities[1, :2] = 1, 0.5

    assert score_probabilities(probabilities, np.array([0, 1])).brier == pytest.approx((0 + 0.5**2 + 0.5**2) / 2)


def test_no_forest_is_asked_about_a_micrograph_that_it_saw(rng):
    micrographs = np.repeat(np.arange(25), 12)
    classes = rng.integers(N_CLASSES, size=25)[micrographs]
    marks = rng.normal(size=(25, 3))[micrographs] + rng.normal(0, 0.01, (300, 3))  # tell the micrograph, not the class

    found = out_of_fold_probabilities(marks, classes, micrographs, SMALL, rng=rng).argmax(axis=1)

    assert (found == classes).mean() < 0.6


def test_a_class_of_few_micrographs_is_on_every_side():
    micrographs = np.repeat(np.arange(30), 10)
    classes = np.where(micrographs < 6, 3, micrographs % 2)
    for seed in range(20):
        split = split_regions(classes, micrographs, SMALL, rng=np.random.default_rng(seed))
        for side in (split.train, split.calibration, split.test):
            assert (classes[side] == 3).any()


def test_a_label_is_an_issue_only_against_a_class_that_is_surer_than_usual():
    """The third is said to be 0 and more probably 1, but less surely than regions of class 1 are: no issue."""
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6], [0.2, 0.8], [0.05, 0.95]])

    doubts = doubt_labels(probabilities, np.array([0, 1, 0, 1, 0]))

    assert doubts.is_issue.tolist() == [False, False, False, False, True]
    assert doubts.suggested.tolist() == [0, 1, 1, 1, 1]
    assert doubts.rank.tolist() == [4, 5, 2, 3, 1]


def test_issues_come_before_labels_with_a_smaller_margin():
    """Class 0 is never sure (0.4 on average), class 1 always: a small excess of 0 is an issue, a larger of 1 is not."""
    probabilities = np.array([[0.4, 0.6], [0.4, 0.6], [0.05, 0.95], [0.55, 0.45], [0.02, 0.98]])

    doubts = doubt_labels(probabilities, np.array([0, 0, 1, 1, 1]))

    assert doubts.margin[3] > doubts.margin[0]
    assert doubts.is_issue.tolist() == [False, False, False, True, False]
    assert doubts.rank[3] == 1
