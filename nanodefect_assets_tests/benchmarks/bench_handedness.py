"""An epoch of training handedness, in one run: against a bare torch loop over the same batches."""

import time

import numpy as np
import pytest
import torch
from torch.nn import functional

from nanodefect_assets.science.sem.augment import augment
from nanodefect_assets.science.sem.epoch import Step, train_epoch
from nanodefect_assets.science.sem.mirror import mirror_label
from nanodefect_assets.science.sem.network import build_handedness_network
from nanodefect_assets.science.sem.params import (
    HandednessAugmentationParams,
    HandednessNetworkParams,
    HandednessTrainingParams,
)

pytestmark = pytest.mark.benchmark
N_PARTICLES, N_PX, BATCH, ROUNDS = 512, 28, 128, 7


def fresh():
    network = build_handedness_network(HandednessNetworkParams(), n_px=N_PX, rng=np.random.default_rng(0))
    return network.train(), torch.optim.Adam(network.parameters(), lr=1e-3)


def bare_loop(network, optimiser, images, labels):
    for start in range(0, len(images), BATCH):
        optimiser.zero_grad()
        odds = network(images[start : start + BATCH])
        functional.binary_cross_entropy_with_logits(odds, labels[start : start + BATCH]).backward()
        optimiser.step()


def test_an_epoch_costs_a_tenth_more_than_a_bare_loop_at_most(record_property, capsys):
    labelled = mirror_label(np.random.default_rng(1).random((N_PARTICLES, N_PX, N_PX), dtype=np.float32))
    images, labels = torch.from_numpy(labelled.images[:, None]), torch.from_numpy(labelled.says_right).float()
    step = Step(
        training=HandednessTrainingParams(batch_size=BATCH),
        augmentation=HandednessAugmentationParams(),
        n_images=None,
        share_kept=1.0,
        noisy_epoch=0,
    )
    (theirs, their_optimiser), (ours, our_optimiser) = fresh(), fresh()
    bare_s, ours_s, augmentation_s = [], [], []
    for number in range(ROUNDS):
        start = time.process_time()
        bare_loop(theirs, their_optimiser, images, labels)
        bare_s.append(time.process_time() - start)
        start = time.process_time()
        train_epoch([ours], [our_optimiser], labelled, step, seed=[number], device="cpu")
        ours_s.append(time.process_time() - start)
        start = time.process_time()
        for batch in images.split(BATCH):
            augment(batch, step.augmentation, rng=np.random.default_rng(number))
        augmentation_s.append(time.process_time() - start)
    ratio, share = min(ours_s) / min(bare_s), min(augmentation_s) / min(bare_s)
    with capsys.disabled():
        print(f"\n{2 * N_PARTICLES} crops of {N_PX} px: {ratio:.2f} x a bare loop; augmentation {share:.3f} of one")
    record_property("ratio", ratio)

    assert ratio < 1.1
    assert share < 0.1
