"""What a training does in which epoch, told by a stand-in for the epoch itself."""

import numpy as np
import pytest
import torch

from nanodefect_assets.science.sem import training
from nanodefect_assets.science.sem.mirror import mirror_label
from nanodefect_assets.science.sem.params import (
    HandednessAugmentationParams,
    HandednessNetworkParams,
    HandednessTrainingParams,
    LabelNoiseParams,
)


@pytest.fixture
def epochs(monkeypatch):
    """Epochs that learn nothing: their images, step and optimisers, in order."""
    seen = []

    def record(networks, optimisers, images, step, *, seed, device):
        seen.append((images, step, list(optimisers)))
        return 0.5

    monkeypatch.setattr(training, "train_epoch", record)
    return seen


def test_the_share_left_out_grows_to_the_forget_rate_and_stays(letters, recipe, epochs):
    labelled, made = mirror_label(letters(20)), recipe(max_epochs=6, forget_ramp_epochs=4, forgets_once_learnt=False)

    training.train_co_teaching(labelled, labelled, 0.4, made, rng=np.random.default_rng(0))

    assert [step.share_kept for _, step, _ in epochs] == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.6])
    assert {len(optimisers) for *_, optimisers in epochs} == {2}


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([0.5, 0.4, 0.3, 0.3, 0.3], [1, 0.9, 0.8, 0.7, 0.6]),
        ([0.69, 0.68, 0.5, 0.69, 0.4], [1, 1, 1, 0.9, 0.8]),
        ([0.69, 0.68, 0.67, 0.66, 0.65], [1, 1, 1, 1, 1]),
    ],
)
def test_nothing_is_left_out_before_something_is_learnt(letters, recipe, epochs, monkeypatch, losses, kept):
    """Of 20 particles, 2 nat are learnt at a loss of 0.59; networks that know nothing would leave out one hand."""
    told = iter(losses)
    monkeypatch.setattr(training, "rescaled_loss", lambda *args: next(told))
    labelled, made = mirror_label(letters(20)), recipe(max_epochs=5, forget_ramp_epochs=4)

    training.train_co_teaching(labelled, labelled, 0.4, made, rng=np.random.default_rng(0))

    assert [step.share_kept for _, step, _ in epochs] == pytest.approx(kept)


def test_two_steps_are_the_clean_images_and_then_the_noisy_ones_with_a_fresh_optimiser(letters, recipe, epochs):
    noisy, clean = mirror_label(letters(20)), mirror_label(letters(10, seed=6))
    made = recipe(max_epochs=3, clean_epochs=2, clean_images_per_epoch=64, images_per_epoch=40, patience=None)

    trained = training.train_two_step(noisy, noisy, clean, made, rng=np.random.default_rng(0))

    assert [images is clean for images, *_ in epochs] == [True, True, False, False, False]
    assert [step.n_images for _, step, _ in epochs] == [64, 64, 40, 40, 40]
    assert {step.share_kept for _, step, _ in epochs} == {1.0}
    optimisers = [optimiser for *_, (optimiser,) in epochs]
    assert optimisers[0] is optimisers[1] is not optimisers[2]
    assert optimisers[2] is optimisers[4]
    assert len(trained.validation_loss) == 3, "clean epochs choose nothing"


def test_the_weights_kept_are_those_of_the_best_epoch(letters, recipe, monkeypatch):
    """Each epoch sets one answer for all images; the least sure loses least on as many labels of either hand."""
    answers = iter([1.0, 0.0, 2.0])

    def answer_always(networks, optimisers, images, step, *, seed, device):
        with torch.no_grad():
            networks[0].answer.weight.zero_()
            networks[0].answer.bias.copy_(torch.tensor([0.0, next(answers)]))
        return 0.5

    monkeypatch.setattr(training, "train_epoch", answer_always)
    labelled = mirror_label(letters(20))

    trained = training.train_standard(
        labelled, labelled, recipe(max_epochs=3, chosen_by="loss"), rng=np.random.default_rng(0)
    )

    assert trained.best_epoch == 1
    assert trained.weights["0.answer.bias"].tolist() == [0, 0]


def test_the_labels_choose_the_best_epoch_and_not_the_truth(letters, recipe, epochs, monkeypatch):
    """The first epoch answers by the truth, the second by the labels, of which a quarter is wrong."""
    labelled = mirror_label(letters(20), is_right=np.arange(20) % 4 > 0)
    answers = iter([labelled.is_right, labelled.says_right])
    monkeypatch.setattr(training, "log_odds", lambda *args, **kwargs: np.where(next(answers), 1.0, -1.0))

    trained = training.train_standard(labelled, labelled, recipe(max_epochs=2), rng=np.random.default_rng(0))

    assert trained.best_epoch == np.argmin(trained.rescaled_loss) == np.argmin(trained.validation_loss) == 1


PUBLISHED = {"patience": None, "chosen_by": "loss", "clean_epochs": 10, "clean_images_per_epoch": 288}
OF_KERAS = PUBLISHED | {
    "optimiser": "adadelta",
    "learning_rate": 1e-3,
    "batch_size": 32,
    "max_epochs": 100,
    "images_per_epoch": 91_840,
    "decay_from_epoch": None,
}
OF_TORCH = PUBLISHED | {
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "batch_size": 128,
    "max_epochs": 40,
    "images_per_epoch": 97_984,
    "forget_ramp_epochs": 10,
    "decay_from_epoch": 15,
    "decayed_beta1": 0.1,
    "forgets_once_learnt": False,
}


@pytest.mark.parametrize(
    ("method", "settings"), [("standard", OF_KERAS), ("two_step", OF_KERAS), ("co_teaching", OF_TORCH)]
)
def test_the_published_settings_are_those_of_chapter_5(method, settings):
    found = HandednessTrainingParams.thesis(method).model_dump()

    assert {name: found[name] for name in settings} == settings


def test_the_published_networks_and_augmentation_are_those_of_chapter_5():
    network, averaging = HandednessNetworkParams.thesis("standard"), HandednessNetworkParams.thesis("co_teaching")
    augmentation = HandednessAugmentationParams()

    assert network.model_dump() == HandednessNetworkParams.thesis("two_step").model_dump()
    assert (network.n_filters, network.n_hidden, network.dropout, network.head) == (64, 64, 0.5, "softmax")
    assert (network.pooling, averaging.pooling) == ("flatten", "average")
    assert averaging.model_dump(exclude={"pooling"}) == network.model_dump(exclude={"pooling"})
    assert augmentation.half_turn
    assert (augmentation.max_rotation_deg, augmentation.max_zoom, augmentation.max_shear) == (5, 0.3, 0.1)


def test_the_published_study_leaks_and_is_told_the_rate():
    published = LabelNoiseParams.thesis()

    assert (published.protocol, published.split, published.forget_rate_from) == ("thesis", "leaking", "truth")
    assert (published.networks, published.optimisers, published.n_repeats) == (["plain"], ["own"], 3)


def test_co_teaching_keeps_its_last_epoch_whatever_the_noisy_labels_say(letters, recipe, monkeypatch):
    answers = iter([3.0, 0.0, 0.0, -3.0])

    def answer_always(networks, optimisers, images, step, *, seed, device):
        with torch.no_grad():
            for network in networks:
                network.answer.weight.zero_()
                network.answer.bias.copy_(torch.tensor([0.0, next(answers)]))
        return 0.5

    monkeypatch.setattr(training, "train_epoch", answer_always)
    labelled = mirror_label(letters(20))

    trained = training.train_co_teaching(
        labelled, labelled, 0.2, recipe(max_epochs=2, patience=1, chosen_by="loss"), rng=np.random.default_rng(0)
    )

    assert (trained.best_epoch, trained.stopped) == (1, "finished")
    assert trained.weights["1.answer.bias"].tolist() == [0, -3]


@pytest.mark.parametrize("max_epochs", [2, 5, 24, 80])
def test_in_a_shorter_training_co_teaching_still_leaves_out_the_share_that_it_is_told(max_epochs):
    published = HandednessTrainingParams.thesis("co_teaching")

    found = published.for_epochs(max_epochs)

    assert found.max_epochs == max_epochs
    assert found.forget_ramp_epochs == min(10, max_epochs // 2)
    assert found.decay_from_epoch == min(15, max_epochs // 2)
