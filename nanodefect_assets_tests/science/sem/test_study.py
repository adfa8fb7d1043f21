import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem import study as studies
from nanodefect_assets.science.sem.mirror import mirror_label, mirrored
from nanodefect_assets.science.sem.noise import LabelErrorEstimate
from nanodefect_assets.science.sem.params import HandednessStudyParams, MirrorLabelParams
from nanodefect_assets.science.sem.study import KeptState, clean_images, run_cell

ESTIMATE = LabelErrorEstimate(
    error_fraction=0.12,
    low=0.05,
    high=0.2,
    disagreeing_fraction=0.3,
    fitted_fraction=0.12,
    misfit_p=0.5,
    is_minority_harder=False,
    n_particles=80,
)


class Stopped(Exception):
    """Carries what a training was given."""


@pytest.fixture
def given_to(monkeypatch):
    """Return what a cell's training is given, without training."""

    def stop(*args, **kwargs):
        raise Stopped(args, kwargs)

    for name in ("train_standard", "train_two_step", "train_co_teaching"):
        monkeypatch.setattr(studies, name, stop)

    def cell(letters, recipe, study, **more):
        with pytest.raises(Stopped) as caught:
            run_cell(letters(100), MirrorLabelParams(error_fraction=0.2), study, recipe, repeat=0, seed=1, **more)
        return caught.value.args

    return cell


@pytest.mark.parametrize(
    "study",
    [
        HandednessStudyParams(method="standard", is_antisymmetric=True),
        HandednessStudyParams(method="two_step", n_clean=5),
        HandednessStudyParams(method="co_teaching"),
    ],
)
def test_a_cell_trains_judges_and_repeats_itself(letters, recipe, study):
    cells = [
        run_cell(
            letters(100),
            MirrorLabelParams(error_fraction=0.2),
            study,
            recipe(max_epochs=2, clean_epochs=2, clean_images_per_epoch=64),
            repeat=0,
            seed=seed,
        )
        for seed in (1, 1)
    ]

    assert cells[0].balanced == cells[1].balanced
    assert (cells[0].balanced.n_right, cells[0].balanced.n_left) == (10, 10)
    assert (cells[0].skewed.n_right, cells[0].skewed.n_left) == (8, 2)
    assert cells[0].balanced_both_ways.n_left_wrong == cells[0].balanced_both_ways.n_right_wrong
    assert (cells[0].estimate is not None) == (study.method == "co_teaching")


def test_a_judge_who_knows_the_hands_errs_in_no_test_image(recipe, monkeypatch):
    """An image that is its own half turn, and another one when mirrored or put upside down."""
    images = np.tile(np.float32([[0, 1], [1, 0]]), (100, 1, 1))
    monkeypatch.setattr(studies, "train_standard", lambda *args, **kwargs: None)
    monkeypatch.setattr(studies, "predict_log_odds", lambda trained, view, *, device: view[:, 0, 1] - view[:, 0, 0])

    cell = run_cell(images, MirrorLabelParams(error_fraction=0.2), HandednessStudyParams(), recipe(), repeat=0, seed=1)

    assert [each.accuracy for each in (cell.balanced, cell.balanced_both_ways, cell.skewed)] == [1, 1, 1]


def test_clean_images_are_what_an_expert_would_pick(rng):
    """Right-handed images rise to the right; of those that are labelled so a third falls."""
    right, is_right = np.arange(60.0).reshape(30, 1, 2), np.arange(30) % 3 > 0
    labelled = mirror_label(np.where(is_right[:, None, None], right, mirrored(right)), is_right=is_right)

    clean = clean_images(labelled, 10, rng=rng)

    rises = clean.images[:, 0, 1] > clean.images[:, 0, 0]
    assert rises.tolist() == clean.says_right.tolist() == [True] * 10 + [False] * 10
    assert len(np.unique(clean.images)) == 20, "no particle twice"


def test_too_few_particles_to_start_from_are_refused(letters, rng):
    with pytest.raises(Refusal, match="50 right-handed"):
        clean_images(mirror_label(letters(30)), 50, rng=rng)


def test_co_teaching_leaves_out_what_was_estimated_or_what_is_stated(letters, recipe, given_to, monkeypatch):
    monkeypatch.setattr(studies, "estimate_label_error", lambda *args, **kwargs: ESTIMATE)
    study, stated = (HandednessStudyParams(method="co_teaching", forget_rate=rate) for rate in (None, 0.2))

    (_, _, estimated, _), _ = given_to(letters, recipe(), study)
    (_, _, told, _), _ = given_to(letters, recipe(), stated, kept=KeptState(estimate=ESTIMATE))

    assert (estimated, told) == (0.12, 0.2)


def test_an_estimate_made_before_is_not_made_again_and_changes_no_random_number(letters, recipe, given_to, monkeypatch):
    calls = []

    def estimate(labelled, recipe, *, rng, **more):
        calls.append(rng.random())
        return ESTIMATE

    monkeypatch.setattr(studies, "estimate_label_error", estimate)
    study = HandednessStudyParams(method="co_teaching")

    (first, *_), made = given_to(letters, recipe(), study)
    (second, _, rate, _), taken = given_to(letters, recipe(), study, kept=KeptState(estimate=ESTIMATE))

    assert (len(calls), rate) == (1, 0.12)
    np.testing.assert_array_equal(first.images, second.images)
    assert made["rng"].random() == taken["rng"].random()


def test_an_estimate_is_the_same_whichever_network_asks_for_it_first(letters, recipe, given_to, monkeypatch):
    asked = []

    def estimate(labelled, recipe, *, rng, **more):
        asked.append((rng.random(), recipe))
        return ESTIMATE

    monkeypatch.setattr(studies, "estimate_label_error", estimate)

    for is_antisymmetric in (False, True):
        given_to(letters, recipe(), HandednessStudyParams(method="co_teaching", is_antisymmetric=is_antisymmetric))

    assert asked[0] == asked[1]
    assert not asked[0][1].network.is_antisymmetric


def test_an_estimate_is_told_before_the_training_that_needs_it_begins(letters, recipe, given_to, monkeypatch):
    told, judges = [], object()

    def estimate(labelled, recipe, *, checkpoint, **more):
        assert checkpoint is judges
        return ESTIMATE

    monkeypatch.setattr(studies, "estimate_label_error", estimate)
    study = HandednessStudyParams(method="co_teaching")

    given_to(letters, recipe(), study, kept=KeptState(judges=judges, on_estimate=told.append))
    given_to(letters, recipe(), study, kept=KeptState(estimate=ESTIMATE, on_estimate=told.append))

    assert told == [ESTIMATE]


def test_an_antisymmetric_network_sees_half_the_images_each_twice(letters, recipe, given_to):
    study = HandednessStudyParams(is_antisymmetric=True)

    (train, _, of_each_once), _ = given_to(letters, recipe(), study)
    (_, _, of_a_number), _ = given_to(letters, recipe(images_per_epoch=90), study)

    assert of_each_once.network.is_antisymmetric
    assert (len(train), of_each_once.training.images_per_epoch) == (160, 80)
    assert of_a_number.training.images_per_epoch == 45
    assert of_a_number.antisymmetric(160) == of_a_number, "halved once"


def test_a_control_has_the_network_and_the_rate_of_its_optimiser(letters, recipe, given_to):
    """At its published rate Adadelta would need ten million images."""
    study = HandednessStudyParams(is_averaging=True, optimiser="adadelta", max_contrast=0.2)

    (_, _, varied), _ = given_to(letters, recipe(), study)
    (_, _, own), _ = given_to(letters, recipe(), HandednessStudyParams(optimiser="adam"))

    assert (varied.training.optimiser, varied.training.learning_rate) == ("adadelta", 1.0)
    assert (varied.network.pooling, varied.network.has_batch_norm, varied.network.n_filters) == ("average", True, 8)
    assert varied.augmentation.max_contrast == 0.2
    assert (own.training.optimiser, own.training.learning_rate) == ("adam", 3e-3)
