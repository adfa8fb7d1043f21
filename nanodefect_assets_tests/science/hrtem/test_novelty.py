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
    """Return features of three correlated clouds of unlike scale and, as the last one, a feature that never varies."""
    mixing = np.eye(N_FEATURES) + 0.6 * np.eye(N_FEATURES, k=1)
    clouds = (rng.normal(size=(n, N_FEATURES)) + 5 * rng.integers(N_CLASSES, size=(n, 1))) @ mixing
    clouds[:, 0] += apart
    return np.column_stack([clouds * [1, 10, 100, 1e-3, 1, 1], np.zeros(n)])


def sides(n, n_train):
    train = np.arange(n) < n_train
    return RegionSplit(train=train, calibration=~train, test=np.zeros(n, dtype=bool))


@pytest.fixture
def reference(rng):
    return fit_novelty(drawn(rng, 800), sides(800, 600))


def test_regions_like_the_training_are_novel_as_often_as_is_said(rng):
    shares = []
    for _ in range(20):
        fitted = fit_novelty(drawn(rng, 500), sides(500, 300))
        shares.append([(p_like_training(drawn(rng, 300), fitted) <= level).mean() for level in (0.05, 0.3)])

    assert np.mean(shares, axis=0) == pytest.approx([0.05, 0.3], abs=0.02)


def test_regions_far_from_every_other_are_novel(reference, rng):
    assert (p_like_training(drawn(rng, 200, apart=20.0), reference) <= 0.05).mean() > 0.95


def test_features_that_lie_in_range_but_never_together_are_novel(reference, rng):
    mixed = drawn(rng, 300)
    mixed[:, 1] = rng.permutation(mixed[:, 1])

    assert (p_like_training(mixed, reference) <= 0.05).mean() > 0.3


def test_units_of_features_and_a_constant_one_do_not_matter(rng):
    features, seen = drawn(rng, 600), drawn(rng, 50, apart=2.0)
    scales = np.array([3, 0.1, 7, 1e4, 1, 1, 1])

    fitted = fit_novelty(features, sides(600, 400))
    plain, scaled = p_like_training(seen, fitted), fit_novelty(features * scales, sides(600, 400))

    assert p_like_training(seen * scales, scaled) == pytest.approx(plain, abs=0.011)  # rounding moves a rank or two
    assert (p_like_training(seen + 9 * np.eye(N_FEATURES + 1)[-1], fitted) == plain).all()


def test_no_more_is_remembered_than_a_thousand_regions_and_rates_still_hold(rng):
    fitted = fit_novelty(drawn(rng, 3500), sides(3500, 3100))

    assert len(fitted.vectors) == 775
    assert (p_like_training(drawn(rng, 2000), fitted) <= 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_the_least_value_is_that_of_the_calibration_and_ties_count_as_farther():
    reference = NoveltyReference(centre=(1.0,), spread=(2.0,), vectors=((0.0,), (9.0,)), distances=(1.0, 2.0, 2.0, 3.0))

    assert p_like_training(np.array([[2.0], [-3.0], [8.0], [18.0]]), reference).tolist() == [1.0, 0.8, 0.2, 1.0]
    assert p_like_training(np.empty((0, 1)), reference).shape == (0,)


def test_what_is_stored_gives_the_same_answers(reference, rng):
    features = drawn(rng, 60, apart=1.0)

    again = NoveltyReference.from_params(json.loads(json.dumps(reference.to_params())))

    assert (p_like_training(features, again) == p_like_training(features, reference)).all()


def test_a_reference_of_other_features_is_refused():
    with pytest.raises(ValidationError, match="Expected spread and vectors of 2 features"):
        NoveltyReference(centre=(0.0, 1.0), spread=(1.0, 1.0), vectors=((0.0,),), distances=(1.0,))


def test_nineteen_regions_flag_one_in_twenty():
    assert least_calibration(0.05) == 19
    assert least_calibration(0.2) == 4
