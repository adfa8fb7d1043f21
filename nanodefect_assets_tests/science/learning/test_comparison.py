from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.science.learning.comparison import compare_dice, score_dice
from nanodefect_assets.science.learning.scores import ConfusionCounts


def counts_of(true_positive, false_positive, false_negative):
    """Binary counts of micrographs of 10,000 pixels with 1,000 of the particle."""
    tp, fp, fn = (np.asarray(values) for values in (true_positive, false_positive, false_negative))
    counts = np.stack([np.stack([9000 - fp, fp], -1), np.stack([fn, tp], -1)], axis=-2).astype(int)
    names = tuple(f"m{index}" for index in range(len(counts)))
    return ConfusionCounts(counts=counts, micrograph_ids=names, class_names=("support", "particle"))


def judged(recalls):
    found = np.round(1000 * np.asarray(recalls)).astype(int)
    return counts_of(found, np.full(len(found), 100), 1000 - found)


def test_a_model_is_not_better_than_itself(rng):
    counts = judged(rng.uniform(0.3, 0.9, size=12))
    found = compare_dice(counts, counts, rng=rng)

    assert found.difference == 0
    assert found.difference_interval == (0, 0)
    assert found.challenger == found.incumbent
    assert found.challenger.interval[0] < counts.mean_dice < found.challenger.interval[1]


def test_pairing_sees_a_small_gain_on_micrographs_that_differ_much(rng):
    hard = rng.uniform(0.2, 0.9, size=15)
    found = compare_dice(judged(hard + 0.05), judged(hard), rng=rng)
    low, high = found.difference_interval

    assert 0 < low < found.difference < high < 0.1
    assert found.challenger.interval[0] < found.incumbent.interval[1]
    assert found.challenger.value - found.incumbent.value == pytest.approx(found.difference)


def test_interval_holds_the_true_difference_about_nineteen_times_in_twenty(rng):
    gains = rng.normal(0.02, 0.1, size=(150, 16))
    inside = 0
    for gain in gains:
        base = np.full(16, 0.6)
        low, high = compare_dice(
            judged(np.clip(base + gain, 0, 1)), judged(base), n_resamples=400, rng=rng
        ).difference_interval
        truth = 2 * 620 / (2 * 620 + 100 + 380) - 2 * 600 / (2 * 600 + 100 + 400)
        inside += low <= truth <= high
    assert 0.88 < inside / len(gains) < 0.99


def test_one_micrograph_gives_no_interval(rng):
    found = compare_dice(judged([0.7]), judged([0.6]), rng=rng)

    assert found.difference > 0
    assert (found.difference_interval, found.challenger.interval, found.challenger.n) == (None, None, 1)


def test_micrographs_without_labels_are_not_counted(rng):
    some = judged([0.5, 0.6, 0.7])
    padded = ConfusionCounts(
        counts=np.concatenate([some.counts, np.zeros((1, 2, 2), dtype=int)]),
        micrograph_ids=("m0", "m1", "m2", "empty"),
        class_names=some.class_names,
    )

    assert score_dice(padded, rng=np.random.default_rng(1)) == score_dice(some, rng=np.random.default_rng(1))
    assert score_dice(padded, rng=rng).n == 3


def test_models_judged_on_other_pixels_are_not_compared(rng):
    one, other = judged([0.5, 0.6]), judged([0.5, 0.6, 0.7])
    fewer = ConfusionCounts(
        counts=one.counts - np.eye(2, dtype=int), micrograph_ids=one.micrograph_ids, class_names=one.class_names
    )
    with pytest.raises(ValueError, match="same micrographs"):
        compare_dice(one, other, rng=rng)
    with pytest.raises(ValueError, match="same pixels"):
        compare_dice(one, fewer, rng=rng)
    with pytest.raises(ValueError, match="at least one micrograph"):
        score_dice(judged([]), rng=rng)


def test_frames_of_one_file_are_one_item_and_their_pixels_are_added(rng):
    frames = judged([0.5, 0.7, 0.6, 0.9])
    frames = replace(frames, micrograph_ids=("b/a/x.tif@0000", "b/a/x.tif@0001", "b/a/y.tif", "b/a/z@2.tif"))
    merged = ConfusionCounts(
        counts=np.stack([frames.counts[:2].sum(axis=0), *frames.counts[2:]]),
        micrograph_ids=("x", "y", "z"),
        class_names=frames.class_names,
    )
    found, expected = (score_dice(counts, rng=np.random.default_rng(1)) for counts in (frames, merged))

    assert found == expected
    assert found.n == 3
