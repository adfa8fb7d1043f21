import numpy as np
import pytest

from nanodefect_assets.science.sem import production
from nanodefect_assets.science.sem.advice import Choice
from nanodefect_assets.science.sem.mirror import mirror_label, plant_error
from nanodefect_assets.science.sem.noise import UnseenAnswers
from nanodefect_assets.science.sem.params import ProductionParams
from nanodefect_assets.science.sem.production import _sides, flipped_suspects, name_hands, train_for_batch
from nanodefect_assets.science.sem.trained import predict_log_odds

NO_ANCHORS = {"anchors": np.zeros(0, dtype=int), "anchor_is_right": np.zeros(0, dtype=bool)}


def test_one_anchor_names_the_hands_and_says_that_nothing_checks_it():
    by_right, by_left = (name_hands(np.array([2.0]), np.array([is_right])) for is_right in (True, False))

    assert (by_right.majority, by_left.majority) == ("right", "left")
    assert "One anchor cannot be checked" in by_right.reason


def test_anchors_of_the_minority_name_the_majority_too():
    assert name_hands(np.array([-3.0, 2.0]), np.array([False, True])).majority == "right"


def test_a_wrong_anchor_among_three_is_told():
    named = name_hands(np.array([2.0, 1.0, 3.0]), np.array([True, True, False]))

    assert (named.majority, named.n_contradicting) == ("right", 1)
    assert "flipped" in named.reason


def test_anchors_that_contradict_each_other_name_nothing():
    named = name_hands(np.array([2.0, 1.0]), np.array([True, False]))

    assert (named.majority, named.n_contradicting) == (None, 1)


def test_without_an_anchor_the_hands_stay_unnamed():
    named = name_hands(np.zeros(0), np.zeros(0, dtype=bool))

    assert named.majority is None
    assert "which is which is not known" in named.reason


def test_an_image_that_came_in_flipped_is_suspected_and_no_other(rng):
    minority = rng.random(120) < 0.15
    minority[80:] = ~minority[80:]

    assert flipped_suspects(minority, ["a"] * 40 + ["b"] * 40 + ["c"] * 40) == ("c",)
    assert flipped_suspects(np.array([True]), ["a"]) == ()
    assert flipped_suspects(np.zeros(0, dtype=bool), []) == ()


def test_a_particle_is_learnt_from_or_chooses_the_epoch_but_never_both(letters, rng):
    train, validation = _sides(mirror_label(letters(40)), ProductionParams(validation_fraction=0.2), rng)

    assert not set(train.pair) & set(validation.pair)
    assert (len(train), len(validation)) == (64, 16)


@pytest.mark.parametrize("majority_is_right", [True, False])
def test_two_step_training_starts_from_anchors_of_either_hand(letters, recipe, rng, majority_is_right):
    images, is_majority = plant_error(letters(200), 0.2, rng=rng)
    is_right = is_majority == majority_is_right
    anchors = np.array([np.flatnonzero(is_right)[0], np.flatnonzero(~is_right)[0]])

    trained = train_for_batch(
        images,
        Choice(method="two_step", reason="Told to."),
        recipe(max_epochs=12, patience=None),
        ProductionParams(),
        anchors=anchors,
        anchor_is_right=is_right[anchors],
        rng=rng,
    )

    assert trained.choice.method == "two_step"
    assert np.mean((predict_log_odds(trained.model, images) > 0) == is_majority) > 0.9


def test_a_wrong_anchor_is_told_by_networks_that_did_not_learn_from_it(letters, recipe, rng, monkeypatch):
    """Two-step training starts from the anchors: asked about them, the model repeats what it was told."""
    images, is_majority = plant_error(letters(60), 0.2, rng=rng)
    anchors = np.flatnonzero(is_majority)[:3]
    unseen = UnseenAnswers(log_odds=np.where(is_majority, 2.0, -2.0), judge=np.arange(60) % 3)
    monkeypatch.setattr(production, "cross_fit", lambda *args, **more: unseen)
    monkeypatch.setattr(production, "train_two_step", lambda *args, **more: "a model that agrees with its anchors")

    trained = train_for_batch(
        images,
        Choice(method="two_step", reason="Told to."),
        recipe(),
        ProductionParams(),
        anchors=anchors,
        anchor_is_right=np.array([True, False, True]),
        rng=rng,
    )

    assert (trained.named.majority, trained.named.n_contradicting) == ("right", 1)
    np.testing.assert_array_equal(trained.unseen, unseen.log_odds)


def test_a_racemic_batch_is_abstained_from(letters, recipe, rng):
    images, _ = plant_error(letters(80), 0.5, rng=rng)

    trained = train_for_batch(
        images,
        Choice(method="standard", reason="Told to."),
        recipe(max_epochs=2),
        ProductionParams(racemic_from=0.3),
        rng=rng,
        **NO_ANCHORS,
    )

    assert (trained.choice.method, trained.model) == (None, None)
    assert "racemic" in trained.choice.reason
