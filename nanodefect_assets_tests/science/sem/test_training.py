import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.judge import score
from nanodefect_assets.science.sem.mirror import mirror_label
from nanodefect_assets.science.sem.params import MirrorLabelParams
from nanodefect_assets.science.sem.split import split_labelled
from nanodefect_assets.science.sem.trained import predict_log_odds
from nanodefect_assets.science.sem.training import train_co_teaching, train_standard, train_two_step
from nanodefect_assets.stores.checkpoints import FileCheckpoint


class Memory:
    """A checkpoint that may be made to stop the process it serves."""

    def __init__(self, stop_after=None):
        self.state, self.n_saved, self.stop_after = None, 0, stop_after

    def load(self):
        return self.state

    def save(self, state):
        self.state, self.n_saved = state, self.n_saved + 1
        if self.n_saved == self.stop_after:
            raise KeyboardInterrupt


def noisy_split(letters, error_fraction=0.2, n=150):
    return split_labelled(letters(n), MirrorLabelParams(error_fraction=error_fraction), rng=np.random.default_rng(1))


def run(method, split, recipe, checkpoint=None, seed=2):
    sides, keywords = (split.train, split.validation), {"rng": np.random.default_rng(seed), "checkpoint": checkpoint}
    if method == "two_step":
        clean = mirror_label(split.train.images[split.train.is_right][:5])
        return train_two_step(*sides, clean, recipe, **keywords)
    if method == "co_teaching":
        return train_co_teaching(*sides, 0.2, recipe, **keywords)
    return train_standard(*sides, recipe, **keywords)


METHODS = ["standard", "two_step", "co_teaching"]


@pytest.mark.parametrize("is_antisymmetric", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_hand_is_learnt_from_labels_of_which_a_fifth_is_wrong(letters, recipe, method, is_antisymmetric):
    split = noisy_split(letters)
    made = recipe(
        {"is_antisymmetric": is_antisymmetric},
        max_epochs=10,
        clean_epochs=4,
        clean_images_per_epoch=64,
        forget_ramp_epochs=3,
    )

    trained = run(method, split, made)

    found = score(predict_log_odds(trained, split.test.images), split.test.is_right)
    assert found.accuracy > 0.93
    assert trained.n_networks == (2 if method == "co_teaching" else 1)
    if is_antisymmetric:
        assert found.n_left_wrong == found.n_right_wrong


@pytest.mark.parametrize(
    ("method", "stop_after"), [("standard", 2), ("two_step", 1), ("two_step", 3), ("co_teaching", 2)]
)
@pytest.mark.parametrize("optimiser", ["adam", "adadelta"])
def test_a_killed_training_goes_on_to_the_same_bits(letters, recipe, method, stop_after, optimiser):
    split = noisy_split(letters, n=60)
    made = recipe(max_epochs=3, clean_epochs=2, optimiser=optimiser, clean_images_per_epoch=20)
    whole, killed = run(method, split, made), Memory(stop_after)

    with pytest.raises(KeyboardInterrupt):
        run(method, split, made, killed)
    n_before = killed.n_saved
    resumed = run(method, split, made, killed)

    assert killed.n_saved > n_before
    assert killed.n_saved == 3 + 2 * (method == "two_step")
    assert whole.weights.keys() == resumed.weights.keys()
    assert all(np.array_equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)
    np.testing.assert_array_equal(whole.validation_loss, resumed.validation_loss)
    assert whole.best_epoch == resumed.best_epoch


def test_a_training_goes_on_from_a_file(letters, recipe, tmp_path):
    split, made = noisy_split(letters, n=60), recipe(max_epochs=2)
    whole = run("co_teaching", split, made, FileCheckpoint(tmp_path / "state.safetensors"))

    read = run("co_teaching", split, made, FileCheckpoint(tmp_path / "state.safetensors"))

    assert all(np.array_equal(whole.weights[name], read.weights[name]) for name in whole.weights)
    np.testing.assert_array_equal(whole.validation_loss, read.validation_loss)


def test_a_checkpoint_of_another_training_is_refused(letters, recipe):
    split, memory = noisy_split(letters, n=60), Memory()
    run("standard", split, recipe(max_epochs=1), memory)

    with pytest.raises(Refusal, match="another training"):
        run("standard", split, recipe(max_epochs=2), memory)
    with pytest.raises(Refusal, match="another training"):
        run("standard", noisy_split(letters, 0.3, n=60), recipe(max_epochs=1), memory)


def test_training_stops_when_it_gets_no_better_and_keeps_the_best_epoch(letters, recipe):
    split = noisy_split(letters, error_fraction=0.2, n=300)

    trained = run("standard", split, recipe(max_epochs=30, patience=2, chosen_by="loss"))

    n_epochs = len(trained.validation_loss)
    assert n_epochs < 30
    assert trained.stopped == "no better in 2 epochs"
    assert trained.best_epoch == np.argmin(trained.validation_loss) == n_epochs - 3


def test_progress_tells_every_epoch(letters, recipe):
    split, steps = noisy_split(letters, n=60), []

    train_standard(
        split.train, split.validation, recipe(max_epochs=2), rng=np.random.default_rng(0), on_step=steps.append
    )

    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]


def test_an_empty_class_is_refused(letters, recipe):
    split = noisy_split(letters, n=60)
    only_right = split.train.take(np.flatnonzero(split.train.says_right))

    with pytest.raises(Refusal, match="training images of both hands"):
        train_standard(only_right, split.validation, recipe(), rng=np.random.default_rng(0))


def test_crops_of_two_sizes_are_refused(letters, recipe):
    with pytest.raises(Refusal, match="16 x 16 and 18 x 18"):
        train_standard(
            mirror_label(letters(20)), mirror_label(letters(20, n_px=18)), recipe(), rng=np.random.default_rng(0)
        )


@pytest.mark.parametrize("forget_rate", [-0.1, 0.6, np.nan])
def test_a_forget_rate_beyond_one_half_is_refused(letters, recipe, forget_rate):
    split = noisy_split(letters, n=60)

    with pytest.raises(Refusal, match="from 0 to"):
        train_co_teaching(split.train, split.validation, forget_rate, recipe(), rng=np.random.default_rng(0))


def test_a_loss_that_is_no_number_is_told_with_advice(letters, recipe):
    split = noisy_split(letters, n=60)

    with pytest.raises(Refusal, match="smaller learning rate"):
        run("standard", split, recipe(learning_rate=1e30, max_epochs=3))


def test_waiting_for_the_first_gain_is_no_stalling(letters, recipe):
    """A rate at which nothing is learnt: of the losses, all alike, the first may be the smallest by chance."""
    labelled = mirror_label(letters(40))

    trained = train_standard(
        labelled, labelled, recipe(learning_rate=1e-9, max_epochs=6, patience=1), rng=np.random.default_rng(0)
    )

    assert (len(trained.train_loss), trained.stopped) == (6, "finished")
