import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from nanodefect_assets.science.learning.scores import (
    ConfusionCounts,
    count_at_thresholds,
    count_confusion,
    dice,
    iou,
    precision,
    recall,
)

NAMES = {"micrograph_ids": ("a", "b"), "class_names": ("support", "particle")}


def test_counts_by_hand_leave_out_what_has_no_label():
    classes = np.array([[[0, 1], [1, 255]], [[0, 0], [0, 1]]], dtype=np.uint8)
    predicted = np.array([[[1, 1], [0, 1]], [[0, 0], [1, 1]]], dtype=np.uint8)
    found = count_confusion(predicted, classes, group=np.array([0, 1]), **NAMES)

    assert found.counts.tolist() == [[[0, 1], [1, 1]], [[2, 1], [0, 1]]]
    assert found.pooled.tolist() == [[2, 2], [1, 2]]
    assert dice(found.pooled)[1] == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
    assert iou(found.pooled)[1] == pytest.approx(2 / 5)
    assert precision(found.pooled)[1] == pytest.approx(2 / 4)
    assert recall(found.pooled)[1] == pytest.approx(2 / 3)
    assert found.mean_dice == dice(found.pooled)[1]


def test_what_is_undefined_is_not_a_number_and_two_empty_masks_agree():
    nothing = np.array([[5, 0], [0, 0]])

    assert np.isnan([precision(nothing)[1], recall(nothing)[1]]).all()
    assert (dice(nothing)[1], iou(nothing)[1]) == (1, 1)


@given(st.integers(0, 2**32 - 1))
def test_ratios_are_those_of_scikit_learn_and_dice_follows_from_iou(seed):
    rng = np.random.default_rng(seed)
    classes, predicted = rng.integers(0, 3, size=(2, 4, 8, 8), dtype=np.uint8)
    group = rng.integers(0, 2, size=4)
    names = ("support", "one", "two")
    found = count_confusion(predicted, classes, group=group, micrograph_ids=("a", "b"), class_names=names)
    flat = {"y_true": classes.ravel(), "y_pred": predicted.ravel(), "average": None}

    assert found.counts[0].sum() == (group == 0).sum() * 64
    assert precision(found.pooled) == pytest.approx(precision_score(**flat, zero_division=np.nan), nan_ok=True)
    assert recall(found.pooled) == pytest.approx(recall_score(**flat, zero_division=np.nan), nan_ok=True)
    assert dice(found.pooled) == pytest.approx(2 * iou(found.pooled) / (1 + iou(found.pooled)))


def test_only_counts_of_the_same_things_are_added():
    counts = ConfusionCounts(counts=np.ones((2, 2, 2), dtype=int), **NAMES)
    other = ConfusionCounts(counts=counts.counts, micrograph_ids=("a", "c"), class_names=NAMES["class_names"])

    assert (counts + counts).counts.tolist() == [[[2, 2], [2, 2]]] * 2
    with pytest.raises(ValueError, match="same micrographs"):
        counts + other
    with pytest.raises(ValueError, match=r"Expected counts of shape \(2, 2, 2\)"):
        ConfusionCounts(counts=np.ones((1, 2, 2), dtype=int), **NAMES)


def test_counts_at_thresholds_are_those_of_one_threshold_at_a_time(rng):
    p = rng.random((4, 8, 8)).astype(np.float32)
    p[0, 0, :3] = (0.0, 0.5, 1.0)
    classes = rng.choice([0, 1, 255], size=p.shape).astype(np.uint8)
    classes[0, 0, :3] = 1
    group = np.array([0, 1, 1, 0])
    thresholds = [0.0, 0.25, 0.5, 1.0]
    curve = count_at_thresholds(p, classes, class_index=1, group=group, n_micrographs=2, thresholds=thresholds)
    for index, threshold in enumerate(thresholds):
        one = count_confusion((p >= threshold).astype(np.uint8), classes, group=group, **NAMES)
        assert curve.n_true_positive[:, index].tolist() == one.counts[:, 1, 1].tolist()
        assert curve.n_false_positive[:, index].tolist() == one.counts[:, 0, 1].tolist()
        assert curve.dice[index] == pytest.approx(one.mean_dice)
        assert curve.precision[index] == pytest.approx(precision(one.pooled)[1])
        assert curve.recall[index] == pytest.approx(recall(one.pooled)[1])
    assert curve.recall[0] == 1


def test_thresholds_must_rise():
    with pytest.raises(ValueError, match="rising"):
        count_at_thresholds(
            np.zeros((1, 2, 2)),
            np.zeros((1, 2, 2), np.uint8),
            class_index=1,
            group=np.zeros(1, int),
            n_micrographs=1,
            thresholds=[0.5, 0.5],
        )
