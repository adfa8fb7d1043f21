"""An epoch of training, in one run: against a bare torch loop of the same network, batch and patches."""

import time

import numpy as np
import pytest
import torch

from nanodefect_assets.domain.patches import PatchSet
from nanodefect_assets.science.learning.batches import Batches
from nanodefect_assets.science.learning.learner import Learner
from nanodefect_assets.science.learning.networks import build_network, place
from nanodefect_assets.science.learning.params import TrainingParams

pytestmark = pytest.mark.benchmark
ROUNDS, STEPS, N_PER_BATCH, SIZE = 3, 1, 4, 512


def patches():
    rng = np.random.default_rng(1)
    n = 8
    classes = np.zeros((n, SIZE, SIZE), np.uint8)
    classes[:, 100:300, 150:350] = 1
    return PatchSet(
        images=(classes + rng.standard_normal(classes.shape)).astype(np.float32),
        classes=classes,
        group=np.arange(n),
        micrograph_ids=tuple(str(index) for index in range(n)),
        class_names=("support", "particle"),
        pixel_size_nm=np.full(n, np.nan),
    )


class BareLoop:
    """What anyone would write: no augmentation, no Dice, no running mean; the same network in the same layout."""

    def __init__(self, data, *, channels_last):
        self.images, self.classes = torch.from_numpy(data.images)[:, None], torch.from_numpy(data.classes).long()
        network = build_network("unet", n_classes=2, rng=np.random.default_rng(1))
        self.network = (place(network, "cpu") if channels_last else network).train()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-3)

    def epoch(self):
        for step in range(STEPS):
            part = slice(step * N_PER_BATCH, (step + 1) * N_PER_BATCH)
            self.optimiser.zero_grad()
            torch.nn.functional.cross_entropy(self.network(self.images[part]), self.classes[part]).backward()
            self.optimiser.step()


class Ours:
    def __init__(self, data, params):
        self.learner = Learner(build_network("unet", n_classes=2, rng=np.random.default_rng(1)), params, device="cpu")
        self.batches = Batches(data, params, seed=1, device="cpu")

    def epoch(self):
        for step in range(STEPS):
            images, classes, _ = self.batches.at(step)
            self.learner.step(images, classes, progress=0.5, index=step)


def fastest_of_each(loops):
    """Return the shortest processor time of each, taken in turns, after one round that warms up."""
    times = {name: [] for name in loops}
    for _ in range(1 + ROUNDS):
        for name, loop in loops.items():
            start = time.process_time()
            loop.epoch()
            times[name].append(time.process_time() - start)
    return {name: min(found[1:]) for name, found in times.items()}


def test_training_costs_little_more_than_a_bare_loop(record_property, capsys):
    data = patches()
    default = {"n_per_batch": N_PER_BATCH}
    found = fastest_of_each(
        {
            "bare, contiguous": BareLoop(data, channels_last=False),
            "bare, channels last": BareLoop(data, channels_last=True),
            "ours, cross-entropy": Ours(data, TrainingParams(**default, loss="cross_entropy")),
            "ours": Ours(data, TrainingParams(**default)),
            "ours, bfloat16": Ours(data, TrainingParams(**default, precision="bfloat16")),
        }
    )
    with capsys.disabled():
        for name, epoch_s in found.items():
            print(f"\n{name}: {epoch_s / STEPS:.2f} s a step, {epoch_s / found['bare, channels last']:.2f}", end="")
        print()
    record_property("ratio_to_bare_loop", found["ours"] / found["bare, channels last"])

    assert found["ours"] < 1.25 * found["bare, channels last"]
    assert found["ours"] < 1.1 * found["bare, contiguous"]
