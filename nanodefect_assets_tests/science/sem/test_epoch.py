import numpy as np
import pytest
import torch
from torch import nn

from nanodefect_assets.science.sem.epoch import Step, train_epoch
from nanodefect_assets.science.sem.mirror import HandedSet, mirror_label
from nanodefect_assets.science.sem.params import HandednessAugmentationParams, HandednessTrainingParams

STILL = HandednessAugmentationParams(half_turn=False, max_rotation_deg=0, max_zoom=0, max_shear=0)


class Constant(nn.Module):
    """Answers one number for every crop."""

    def __init__(self, odds):
        super().__init__()
        self.odds = nn.Parameter(torch.tensor(odds))

    def forward(self, crops):
        return self.odds.expand(len(crops))


def one_step(networks, share_kept, **params):
    labelled = mirror_label(np.random.default_rng(0).random((8, 4, 4)).astype(np.float32))
    training = HandednessTrainingParams(batch_size=16, max_epochs=10, **params)
    optimisers = [torch.optim.SGD(network.parameters(), lr=1.0) for network in networks]
    step = Step(training=training, augmentation=STILL, n_images=None, share_kept=share_kept, noisy_epoch=9)
    loss = train_epoch(networks, optimisers, labelled, step, seed=[1, 2], device="cpu")
    return loss, optimisers


def test_two_networks_learn_from_what_is_easy_for_the_other():
    sure_of_right, sure_of_left = Constant(3.0), Constant(-3.0)

    loss, _ = one_step([sure_of_right, sure_of_left], share_kept=0.5)

    # The easy half for the one is the right-handed, and only those teach the other, which goes up by 1 - sigmoid(-3).
    pull = 1 / (1 + np.exp(-3.0))
    assert float(sure_of_left.odds.detach()) == pytest.approx(-3 + pull)
    assert float(sure_of_right.odds.detach()) == pytest.approx(3 - pull)
    assert loss == pytest.approx((np.log1p(np.exp(3.0)) + np.log1p(np.exp(-3.0))) / 2)


def test_the_rate_falls_to_nearly_nothing_in_the_last_epoch():
    _, optimisers = one_step([Constant(1.0)], 1.0, decay_from_epoch=5, learning_rate=1.0)

    assert optimisers[0].param_groups[0]["lr"] == np.float64(1 / 5)


def test_an_image_teaches_its_label_and_not_the_truth():
    images = np.random.default_rng(0).random((8, 4, 4)).astype(np.float32)
    labelled = HandedSet(images=images, says_right=np.arange(8) < 6, is_right=np.arange(8) < 2, pair=np.arange(8))
    network = Constant(0.0)
    training = HandednessTrainingParams(batch_size=8)
    step = Step(training=training, augmentation=STILL, n_images=None, share_kept=1.0, noisy_epoch=0)

    train_epoch([network], [torch.optim.SGD(network.parameters(), lr=1.0)], labelled, step, seed=[1], device="cpu")

    assert float(network.odds.detach()) == pytest.approx(6 / 8 - 0.5)


@pytest.mark.parametrize(("noisy_epoch", "rate", "beta1"), [(5, 1.0, 0.9), (6, 0.8, 0.1), (9, 0.2, 0.1)])
def test_once_the_rate_falls_adam_forgets_sooner(noisy_epoch, rate, beta1):
    network, labelled = Constant(0.0), mirror_label(np.ones((4, 4, 4), dtype=np.float32))
    training = HandednessTrainingParams(max_epochs=10, learning_rate=1.0, decay_from_epoch=5, decayed_beta1=0.1)
    optimiser = torch.optim.Adam(network.parameters(), lr=1.0)
    step = Step(training=training, augmentation=STILL, n_images=None, share_kept=1.0, noisy_epoch=noisy_epoch)

    train_epoch([network], [optimiser], labelled, step, seed=[1], device="cpu")

    (group,) = optimiser.param_groups
    assert group["lr"] == pytest.approx(rate)
    assert group["betas"] == (beta1, 0.999)
