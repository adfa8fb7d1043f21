import numpy as np
import pytest

from nanodefect_assets.science.hrtem.fault_compare import (
    confusions_by_micrograph,
    difference_interval,
    score_balanced,
    score_by_condition,
)

N_CLASSES = 5


def answers(classes, is_right):
    """Return certain probabilities, right or of the next class."""
    return np.eye(N_CLASSES)[np.where(is_right, classes, (classes + 1) % N_CLASSES)]


def test_a_classifier_that_fails_at_low_dose_is_seen_to(rng):
    classes, dose = rng.integers(N_CLASSES, size=900), rng.permutation(900) // 300 + rng.uniform(1, 1.9, 900)

    low, middle, high = score_by_condition(dose, answers(classes, dose > 2), classes)

    assert (low.balanced_accuracy, low.calibration_error) == (0, 1)
    assert (middle.balanced_accuracy, high.balanced_accuracy) == (1, 1)
    assert low.high == middle.low < middle.high == high.low
    assert low.n_regions + middle.n_regions + high.n_regions == 900
    assert low.n_regions == 300


def test_unknown_conditions_are_left_out_and_one_value_has_no_spans(rng):
    classes, dose = rng.integers(N_CLASSES, size=60), rng.uniform(1, 4, 60)
    dose[:20] = np.nan

    assert sum(one.n_regions for one in score_by_condition(dose, answers(classes, True), classes)) == 40
    for nothing in (np.full(60, 2.0), np.full(60, np.nan)):
        assert score_by_condition(nothing, answers(classes, True), classes) == []


def test_confusions_by_hand_are_true_by_found_for_each_micrograph():
    classes, found = np.array([0, 0, 1]), np.array([1, 0, 1])

    confusions = confusions_by_micrograph(np.eye(N_CLASSES)[found], classes, np.array(["b", "a", "b"]))

    assert confusions.shape == (2, N_CLASSES, N_CLASSES)
    assert np.argwhere(confusions).tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 1]]


def test_intervals_are_clustered_by_micrograph(rng):
    classes, micrographs = rng.integers(N_CLASSES, size=900), np.arange(900) % 30
    scattered, clustered = rng.random(900) < 0.8, micrographs % 5 > 0

    def width(is_right):
        confusions = confusions_by_micrograph(answers(classes, is_right), classes, micrographs)
        low, high = score_balanced(confusions, rng=rng).interval
        return high - low

    assert width(clustered) > 3 * width(scattered)


def test_the_surely_better_of_two_has_a_difference_above_zero(rng):
    classes, micrographs = rng.integers(N_CLASSES, size=600), rng.integers(30, size=600)
    good, bad = (
        confusions_by_micrograph(answers(classes, rng.random(600) < share), classes, micrographs)
        for share in (0.9, 0.6)
    )

    score = score_balanced(good, rng=rng)

    assert good.sum() == 600
    assert score.value == pytest.approx(0.9, abs=0.05)
    assert score.interval[0] < score.value < score.interval[1]
    assert difference_interval(good, bad, rng=rng)[0] > 0.1
    assert difference_interval(good, good, rng=rng) == (0, 0)
    with pytest.raises(ValueError, match="same micrographs"):
        difference_interval(good, bad[:5], rng=rng)


def test_the_interval_of_independent_micrographs_is_as_wide_as_the_binomial_says(rng):
    classes, micrographs = np.tile(np.arange(N_CLASSES), 200), np.repeat(np.arange(200), N_CLASSES)
    confusions = confusions_by_micrograph(answers(classes, rng.random(1000) < 0.8), classes, micrographs)

    low, high = score_balanced(confusions, rng=rng).interval

    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 1000), rel=0.2)
