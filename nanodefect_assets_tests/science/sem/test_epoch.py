import numpy as np
import pytest
import torch
from torch import nn

from nanodefect_assets.science.sem.epoch import Step, train_epoch
from nanodefect_assets.science.sem.mirror import mirror_label
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
    step = Step(recipe_training=training, augmentation=STILL, n_images=None, share_kept=share_kept, noisy_epoch=9)
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
