"""One step of a network: what its optimiser, its running mean and the limit of its gradient do."""

import numpy as np
import pytest
import torch

from nanodefect_assets.domain.patches import UNLABELLED
from nanodefect_assets.science.learning import learner as learner_module
from nanodefect_assets.science.learning.learner import Learner
from nanodefect_assets.science.learning.networks import build_network
from nanodefect_assets.science.learning.params import TrainingParams


def learner(**changes):
    network = build_network("unet", n_classes=2, rng=np.random.default_rng(1), dropout=0.0)
    return Learner(network, TrainingParams(**{"schedule": "constant", "ema_decay": 0} | changes), device="cpu")


def step(one, *, index=0, label=None):
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(2, 1, 32, 32, generator=generator)
    classes = (images[:, 0] > 0).to(torch.uint8) if label is None else torch.full((2, 32, 32), label).to(torch.uint8)
    one.step(images, classes, progress=0.5, index=index)


def parameters(network):
    return torch.cat([values.detach().flatten().clone() for values in network.parameters()])


def test_a_gradient_is_shortened_to_the_longest_that_is_allowed():
    moved = {}
    for longest in (None, 1e-3):
        one = learner(optimiser="sgd", learning_rate=1.0, weight_decay=0, max_gradient_norm=longest)
        before = parameters(one.network)
        step(one)
        moved[longest] = float((parameters(one.network) - before).norm())

    assert moved[1e-3] == pytest.approx(1.9e-3, rel=0.01)  # with the momentum of Nesterov's first step
    assert moved[None] > 0.1


def test_weights_decay_where_nothing_is_learnt():
    one = learner(optimiser="adamw", learning_rate=0.1, weight_decay=0.5)
    before = parameters(one.network)
    step(one, label=UNLABELLED)

    torch.testing.assert_close(parameters(one.network), 0.95 * before)


@pytest.mark.parametrize(("index", "kept"), [(0, 0.1), (5, 0.4), (10_000, 0.9)])
def test_the_running_mean_forgets_fast_at_first_and_then_as_told(index, kept):
    one = learner(ema_decay=0.9)
    before = parameters(one.averaged)
    step(one, index=index)

    torch.testing.assert_close(parameters(one.averaged), kept * before + (1 - kept) * parameters(one.network))
    assert not torch.equal(before, parameters(one.network))


@pytest.mark.parametrize(("progress", "weights"), [(0.0, [1, 16]), (0.5, [1, 8]), (1.0, [1, 4]), (1.2, [1, 4])])
def test_weights_of_classes_fade_to_their_square_roots(progress, weights, monkeypatch):
    seen = []
    loss = learner_module.segmentation_loss
    monkeypatch.setattr(
        learner_module, "segmentation_loss", lambda *given: seen.append(given[3].tolist()) or loss(*given)
    )
    network = build_network("unet", n_classes=2, rng=np.random.default_rng(1))
    one = Learner(network, TrainingParams(), device="cpu", class_weights=np.array([1.0, 16.0]))
    one.step(torch.randn(1, 1, 32, 32), torch.zeros(1, 32, 32, dtype=torch.uint8), progress=progress, index=0)

    assert seen == [pytest.approx(weights)]
