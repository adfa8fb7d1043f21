import json

import numpy as np
import pytest
from pydantic import ValidationError

from nanodefect_assets.science.hrtem.fault_forest import RegionSplit
from nanodefect_assets.science.hrtem.novelty import (
    NoveltyReference,
    fit_novelty,
    least_calibration,
    p_like_training,
)

N_CLASSES, N_FEATURES = 3, 6


def drawn(rng, n, *, apart=0.0):
    """Return features of three correlated clouds of unlike scale, one feature constant, and the class of each."""
    classes = rng.integers(N_CLASSES, size=n)
    mixing = np.eye(N_FEATURES) + 0.6 * np.eye(N_FEATURES, k=1)
    clouds = (rng.normal(size=(n, N_FEATURES)) + 5 * classes[:, None]) @ mixing
    clouds[:, 0] += apart
    return np.column_stack([clouds * [1, 10, 100, 1e-3, 1, 1], np.zeros(n)]), classes


def sides(n, n_train):
    train = np.arange(n) < n_train
    return RegionSplit(train=train, calibration=~train, test=np.zeros(n, dtype=bool))


@pytest.fixture
def reference(rng):
    return fit_novelty(*drawn(rng, 800), sides(800, 600))


def test_regions_like_the_training_are_novel_as_often_as_is_said(rng):
    shares = []
    for _ in range(20):
        fitted = fit_novelty(*drawn(rng, 500), sides(500, 300))
        shares.append([(p_like_training(drawn(rng, 300)[0], fitted) <= level).mean() for level in (0.05, 0.3)])

    assert np.mean(shares, axis=0) == pytest.approx([0.05, 0.3], abs=0.02)


def test_regions_far_from_every_class_are_novel(reference, rng):
    assert (p_like_training(drawn(rng, 200, apart=8.0)[0], reference) <= 0.05).mean() > 0.95


def test_features_that_lie_in_range_but_never_together_are_novel(reference, rng):
    mixed = drawn(rng, 300)[0]
    mixed[:, 1] = rng.permutation(mixed[:, 1])

    assert (p_like_training(mixed, reference) <= 0.05).mean() > 0.4


def test_units_of_features_and_a_constant_one_do_not_matter(rng):
    features, classes = drawn(rng, 600)
    scales = np.array([3, 0.1, 7, 1e4, 1, 1, 1])
    seen = drawn(rng, 50, apart=2.0)[0]

    plain = p_like_training(seen, fit_novelty(features, classes, sides(600, 400)))
    scaled = p_like_training(seen * scales, fit_novelty(features * scales, classes, sides(600, 400)))
    other = p_like_training(seen + 9 * np.eye(N_FEATURES + 1)[-1], fit_novelty(features, classes, sides(600, 400)))

    assert scaled == pytest.approx(plain, abs=0.011)  # rounding of what is stored moves a rank or two
    assert (other == plain).all()


def test_the_least_value_is_that_of_the_calibration_and_ties_count_as_farther():
    reference = NoveltyReference(means=((0.0,),), axes=((1.0,),), distances=(1.0, 2.0, 2.0, 3.0))

    assert p_like_training(np.array([[0.5], [-2.0], [3.5]]), reference).tolist() == [1.0, 0.8, 0.2]
    assert p_like_training(np.empty((0, 1)), reference).shape == (0,)


def test_what_is_stored_gives_the_same_answers(reference, rng):
    features = drawn(rng, 60, apart=1.0)[0]

    again = NoveltyReference.from_params(json.loads(json.dumps(reference.to_params())))

    assert (p_like_training(features, again) == p_like_training(features, reference)).all()


def test_a_reference_of_other_features_is_refused():
    with pytest.raises(ValidationError, match="Expected means and axes of 2 features"):
        NoveltyReference(means=((0.0,),), axes=((1.0, 0.0), (0.0, 1.0)), distances=(1.0,))


def test_nineteen_regions_flag_one_in_twenty():
    assert least_calibration(0.05) == 19
    assert least_calibration(0.2) == 4
