from dataclasses import replace

import numpy as np
import pytest
import torch

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.apply import judge
from nanodefect_assets.science.learning.curves import EpochRecord, best_epoch, why_stopped
from nanodefect_assets.science.learning.learner import Learner, learning_rate
from nanodefect_assets.science.learning.networks import build_network, weights_of
from nanodefect_assets.science.learning.params import TrainingParams
from nanodefect_assets.science.learning.training import TrainingDiverged, train

SHORT = TrainingParams(n_per_batch=4, steps_per_epoch=3, max_epochs=3)


class Kept:
    """A checkpoint in memory."""

    def __init__(self):
        self.state = None

    def load(self):
        return self.state

    def save(self, state):
        self.state = state


class Interrupted(Exception):
    pass


def interrupt_at(step):
    def on_step(progress):
        if progress.done == step:
            raise Interrupted

    return on_step


def trained(discs, params=SHORT, *, seed=5, **given):
    network = build_network("unet", n_classes=2, rng=np.random.default_rng(1))
    sets = {"train_set": discs(6), "validation_set": discs(2, name="v")} | {
        name: given.pop(name) for name in ("train_set", "validation_set") if name in given
    }
    return train(network, *sets.values(), params, rng=np.random.default_rng(seed), **given)


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(array, other[name]) for name, array in one.items())


def losses(result):
    return [(record.train_loss, record.validation_loss, record.validation_dice) for record in result.epochs]


def test_a_network_learns_to_find_discs(discs):
    network = build_network("unet", n_classes=2, rng=np.random.default_rng(1))
    params = TrainingParams(learning_rate=0.01, n_per_batch=8, steps_per_epoch=20, max_epochs=4, ema_decay=0.9)
    held_out = discs(8, name="test")
    before = judge(network, held_out)[1].mean_dice
    result = train(network, discs(20), discs(4, name="v"), params, rng=np.random.default_rng(2))

    assert result.stopped == "epochs"
    assert judge(network, held_out)[1].mean_dice > max(0.85, before + 0.2)
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss
    assert same(weights_of(network), result.weights)
    assert result.epochs[result.best_epoch - 1].validation_loss == min(loss for _, loss, _ in losses(result))
    assert judge(network, discs(4, name="v"), loss=params.loss)[0] == pytest.approx(
        result.epochs[result.best_epoch - 1].validation_loss, rel=1e-5
    )


def test_same_numbers_same_bits_and_torch_left_as_it_was(discs):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, other = (trained(discs, seed=seed) for seed in (5, 5, 6))

    assert torch.equal(torch.get_rng_state(), before)
    assert same(first.weights, second.weights)
    assert losses(first) == losses(second)
    assert not same(first.weights, other.weights)


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "adadelta", "sgd"])
def test_an_interrupted_training_ends_at_the_same_bits(discs, optimiser):
    params = SHORT.model_copy(update={"optimiser": optimiser, "ema_decay": 0.9 if optimiser == "adamw" else 0})
    whole, kept = trained(discs, params), Kept()
    with pytest.raises(Interrupted):
        trained(discs, params, checkpoint=kept, on_step=interrupt_at(8))
    resumed = trained(discs, params, checkpoint=kept)

    assert (whole.n_resumed, resumed.n_resumed) == (0, 2)
    assert same(whole.weights, resumed.weights)
    assert losses(whole) == losses(resumed)


def test_a_finished_training_is_not_done_again(discs):
    kept, steps = Kept(), []
    first = trained(discs, checkpoint=kept)
    again = trained(discs, checkpoint=kept, on_step=steps.append)

    assert not steps
    assert again.epochs == first.epochs
    assert same(again.weights, first.weights)


@pytest.mark.parametrize("change", ["seed", "data", "params"])
def test_the_checkpoint_of_another_training_is_not_used(discs, change):
    kept = Kept()
    trained(discs, checkpoint=kept)
    changed = {
        "seed": {"seed": 6},
        "data": {"train_set": discs(6, seed=2)},
        "params": {"params": SHORT.model_copy(update={"learning_rate": 1e-2})},
    }[change]

    assert trained(discs, **changed, checkpoint=kept).n_resumed == 0


@pytest.mark.parametrize(("factor", "where"), [(1e38, "step 1"), (1e30, "the validation")])
def test_a_loss_that_is_no_number_ends_the_training(discs, factor, where):
    patches, kept = discs(6), Kept()
    wild = replace(patches, images=patches.images * np.float32(factor))
    words = rf"{where} of epoch 1, with learning rate 0\.003.*learning rate ten times"
    with pytest.raises(TrainingDiverged, match=words):
        trained(discs, train_set=wild, checkpoint=kept)
    assert kept.state is None


def test_a_set_without_a_class_is_refused(discs):
    patches = discs(6)
    empty = replace(patches, classes=np.zeros_like(patches.classes))
    with pytest.raises(Refusal, match=r"training set.*not a pixel of particle"):
        trained(discs, train_set=empty)
    with pytest.raises(Refusal, match=r"validation set.*not a pixel of particle"):
        trained(discs, validation_set=replace(empty, micrograph_ids=tuple("uvwxyz")))


def test_a_corrupt_label_is_refused(discs):
    patches = discs(6)
    corrupt = patches.classes.copy()
    corrupt[3, 4, 5] = 7
    with pytest.raises(ValueError, match="class 7"):
        trained(discs, train_set=replace(patches, classes=corrupt))


def test_a_micrograph_on_both_sides_is_refused(discs):
    with pytest.raises(Refusal, match=r"m0: .*different micrographs"):
        trained(discs, validation_set=discs(1))


def test_a_network_of_other_classes_is_refused(discs, rng):
    network = build_network("unet", n_classes=3, rng=rng)
    with pytest.raises(ValueError, match="network of 2 classes"):
        train(network, discs(6), discs(2, name="v"), SHORT, rng=rng)


def curve(*validation_losses, used_s=1.0):
    return [
        EpochRecord(epoch=index, train_loss=1, validation_loss=loss, validation_dice=0, wall_s=1, used_s=used_s)
        for index, loss in enumerate(validation_losses, 1)
    ]


def test_of_two_classes_the_smallest_loss_is_kept_and_of_more_the_largest_dice_in_which_all_count_alike():
    epochs = [
        replace(epoch, validation_dice=dice)
        for epoch, dice in zip(curve(3, 1, 2, 1), (0.2, 0.3, 0.8, 0.8), strict=True)
    ]

    assert best_epoch(epochs) == 2
    assert best_epoch(epochs, n_classes=3) == 3


def test_training_stops_as_published():
    thesis = TrainingParams.thesis("unet")

    assert why_stopped(curve(1.0, 0.5, 0.4995), thesis) is None
    assert why_stopped(curve(1.0, 0.5, 0.4995, 0.4992), thesis) == "no_gain"
    assert why_stopped(curve(1.0, 0.5, 0.4995, 0.4), thesis) is None
    assert why_stopped(curve(*np.linspace(1, 0.1, 10)), thesis) == "epochs"
    assert why_stopped(curve(1.0, 2.0, 3.0), TrainingParams()) is None


def test_a_budget_ends_training_and_anneals_the_learning_rate(discs):
    params = SHORT.model_copy(update={"max_epochs": 1000, "budget_s": 0.5})
    result = trained(discs, params)

    assert result.stopped == "budget"
    assert 1 <= len(result.epochs) < 1000
    assert why_stopped(curve(1.0, 1.0, used_s=0.2), params) is None


def test_learning_rate_rises_then_falls_to_nothing():
    params = TrainingParams(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(params, progress) for progress in (0, 0.05, 0.1, 0.55, 1, 1.2)]

    assert rates == pytest.approx([0.01, 0.5, 1, 0.5, 0, 0])
    assert learning_rate(TrainingParams.thesis("unet"), 0.9) == 1e-4


def test_published_protocol_and_half_precision_run(discs):
    thesis = TrainingParams.thesis("unet").model_copy(update={"n_per_batch": 4, "steps_per_epoch": 2, "max_epochs": 1})
    half = SHORT.model_copy(update={"precision": "bfloat16", "max_epochs": 1})

    assert np.isfinite(trained(discs, thesis).epochs[0].validation_loss)
    assert all(array.dtype == np.float32 for array in trained(discs, half).weights.values())


def test_cropping_ends_with_its_share_and_an_interrupted_training_keeps_to_it(discs):
    params, sizes = SHORT.model_copy(update={"cropped_share": 0.5}), []
    step = Learner.step
    kept = Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", lambda *args, **given: sizes.append(args[1].shape[-1]) or step(*args, **given))
        whole = trained(discs, params)
    with pytest.raises(Interrupted):
        trained(discs, params, checkpoint=kept, on_step=interrupt_at(5))

    assert sizes == [16] * 5 + [32] * 4
    assert same(trained(discs, params, checkpoint=kept).weights, whole.weights)
