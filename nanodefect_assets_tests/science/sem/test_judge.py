import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.sem.judge import log_odds, mean_loss, rescaled_loss, score
from nanodefect_assets.science.sem.network import build_handedness_network
from nanodefect_assets.science.sem.params import HandednessNetworkParams


def test_counts_by_hand():
    found = score(np.array([2.0, -1.0, 0.5, -3.0, -1.0]), np.array([True, True, False, False, False]))

    assert (found.n_right, found.n_left, found.n_right_wrong, found.n_left_wrong) == (2, 3, 1, 1)
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.left_fraction == pytest.approx(3 / 5)


def test_the_loss_of_not_knowing_is_the_logarithm_of_two():
    assert mean_loss(np.zeros(4), np.array([True, False, True, True])) == pytest.approx(np.log(2))


@given(factor=st.floats(1e-2, 1e2))
def test_sureness_alone_does_not_change_the_rescaled_loss(factor):
    rng = np.random.default_rng(0)
    says_right = rng.random(300) < 0.5
    odds = np.where(says_right, 1, -1) + 2 * rng.standard_normal(300)

    assert rescaled_loss(factor * odds, says_right) == pytest.approx(rescaled_loss(odds, says_right), abs=1e-6)
    assert rescaled_loss(odds, says_right) <= mean_loss(odds, says_right)


def test_the_rescaled_loss_sees_bias_and_wrong_signs():
    says_right = np.arange(400) % 2 == 0
    odds = np.where(says_right, 1.0, -1.0)
    noisy = np.where(np.arange(400) % 5 == 0, ~says_right, says_right)

    assert rescaled_loss(odds, noisy) < rescaled_loss(odds + 0.8, noisy)
    assert rescaled_loss(-odds, noisy) == pytest.approx(np.log(2), abs=1e-3)
    assert rescaled_loss(0 * odds, noisy) == pytest.approx(np.log(2))


def test_an_answer_does_not_hang_on_who_else_is_asked(rng):
    network = build_handedness_network(HandednessNetworkParams(n_filters=4), n_px=16, rng=rng)
    images = rng.random((70, 16, 16)).astype(np.float32)

    together = log_odds([network], images, device="cpu")
    alone = log_odds([network], images[:1], device="cpu")

    assert alone[0] == together[0]
