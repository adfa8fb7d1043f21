from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.answers import answer, unmix
from nanodefect_assets.science.sem.mirror import mirror_label, mirrored
from nanodefect_assets.science.sem.trained import predict_log_odds
from nanodefect_assets.science.sem.training import train_standard


@pytest.fixture
def trained(letters, recipe):
    labelled = mirror_label(letters(60))
    return train_standard(labelled, labelled, recipe(max_epochs=3), rng=np.random.default_rng(0))


def test_any_network_asked_both_ways_has_no_bias_and_does_not_mind_a_half_turn(trained, letters):
    images = letters(20, seed=8)

    found = answer(trained, images)
    of_mirrors, of_turned = answer(trained, mirrored(images)), answer(trained, images[:, ::-1, ::-1])

    np.testing.assert_allclose(of_mirrors.log_odds, -found.log_odds, rtol=1e-12)
    np.testing.assert_allclose(of_mirrors.p_right, 1 - found.p_right, rtol=1e-12)
    np.testing.assert_allclose(of_turned.log_odds, found.log_odds, rtol=1e-12)
    np.testing.assert_array_equal(of_turned.agreement, found.agreement)
    assert np.mean(found.log_odds > 0) > 0.9
    assert set(found.agreement) <= {0.25, 0.5, 0.75, 1.0}


@pytest.mark.parametrize("pooling", ["flatten", "average"])
def test_crops_of_another_size_than_those_learnt_are_refused(letters, recipe, pooling):
    """A network that averages over all places would answer, whatever the scale."""
    labelled = mirror_label(letters(20))
    trained = train_standard(labelled, labelled, recipe(max_epochs=1), rng=np.random.default_rng(0))
    trained = replace(trained, network=trained.network.model_copy(update={"pooling": pooling}))

    for ask in (answer, predict_log_odds):
        with pytest.raises(Refusal, match="16 x 16 pixels, as the model learnt"):
            ask(trained, letters(10, n_px=20))


def test_a_particle_without_a_hand_is_one_or_the_other_with_equal_chance(trained, letters):
    images = letters(10)

    assert answer(trained, images + mirrored(images)).p_right == pytest.approx(np.full(10, 0.5))


def test_wrong_labels_are_taken_out_of_a_chance_by_hand():
    np.testing.assert_allclose(unmix(np.array([0.2, 0.5, 0.65, 0.8, 0.99]), 0.2), [0, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize("error_fraction", [-0.01, 0.5, np.nan])
def test_a_racemic_training_gives_no_chance(error_fraction):
    with pytest.raises(Refusal, match="racemic"):
        unmix(np.array([0.5]), error_fraction)
