import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from nanodefect_assets.science.hrtem.score import MaskScore, score_mask

MASKS = arrays(bool, (5, 6))


def test_counts_and_ratios_by_hand():
    score = score_mask(np.array([[1, 1, 1, 0, 0, 0]]), np.array([[0, 9, 9, 9, 9, 0]]))

    assert score == MaskScore(n_true_positive=2, n_false_positive=1, n_false_negative=2, n_true_negative=1)
    assert (score.dice, score.iou) == pytest.approx((4 / 7, 2 / 5))
    assert (score.precision, score.recall) == pytest.approx((2 / 3, 1 / 2))


@given(predicted=MASKS, true=MASKS)
def test_laws_of_the_ratios(predicted, true):
    score, swapped = score_mask(predicted, true), score_mask(true, predicted)

    assert sum(vars(score).values()) == true.size
    assert score.dice == swapped.dice
    assert score.dice == pytest.approx(2 * score.iou / (1 + score.iou))
    assert score.precision == pytest.approx(swapped.recall, nan_ok=True)
    assert score_mask(true, true).dice == 1


def test_scores_are_pooled_before_they_are_divided():
    first, second = score_mask(np.ones((1, 9)), np.ones((1, 9))), score_mask(np.ones((1, 1)), np.zeros((1, 1)))

    assert (first + second).dice == pytest.approx(18 / 19)


def test_empty_masks():
    nothing, something = np.zeros((3, 3)), np.ones((3, 3))

    assert (score_mask(nothing, nothing).dice, score_mask(nothing, nothing).iou) == (1, 1)
    assert math.isnan(score_mask(nothing, something).precision)
    assert math.isnan(score_mask(something, nothing).recall)
    assert score_mask(something, nothing).dice == 0


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        score_mask(np.ones((3, 3)), np.ones((3, 4)))
