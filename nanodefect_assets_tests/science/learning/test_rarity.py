from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.patches import UNLABELLED, PatchSet
from nanodefect_assets.science.learning.batches import Batches
from nanodefect_assets.science.learning.networks import build_network
from nanodefect_assets.science.learning.params import TrainingParams
from nanodefect_assets.science.learning.rarity import class_weights, patch_repeats
from nanodefect_assets.science.learning.scores import dice
from nanodefect_assets.science.learning.training import train

SIZE = 64


def patches_of(classes, images=None, name="m"):
    """Return patches of three classes, each of a micrograph of its own."""
    n = len(classes)
    return PatchSet(
        images=classes.astype(np.float32) if images is None else images,
        classes=classes,
        group=np.arange(n),
        micrograph_ids=tuple(f"{name}{index}" for index in range(n)),
        class_names=("support", "film", "dot"),
        pixel_size_nm=np.full(n, np.nan),
    )


def test_a_class_of_few_pixels_weighs_more_by_the_root_and_frequent_ones_alike():
    classes = np.zeros((1, 20, 50), dtype=np.uint8)
    classes[0, :10] = 1
    classes[0, 10, :2] = 2
    patches = patches_of(classes)

    assert class_weights(patches, 0.05) == pytest.approx([1, 1, 5])
    assert class_weights(patches, 0) == pytest.approx([1, 1, 1])


def test_pixels_without_a_label_count_for_no_share():
    classes = np.full((1, 20, 50), UNLABELLED, dtype=np.uint8)
    classes[0, :1] = 0
    classes[0, 1, :10] = 1

    assert class_weights(patches_of(classes), 0.05) == pytest.approx([1, 1, 1])


def test_patches_with_a_class_that_few_hold_are_repeated():
    classes = np.zeros((100, 4, 4), dtype=np.uint8)
    classes[:, 0] = 1
    classes[0, 1, 1] = 2
    patches = patches_of(classes)

    assert patch_repeats(patches, 0.25).tolist() == [5, *[1] * 99]
    assert patch_repeats(patches, 0.0).tolist() == [1] * 100
    seen = np.concatenate([Batches(patches, TrainingParams(), seed=1, device="cpu")._indices(n) for n in range(13)])
    assert np.bincount(seen).tolist() == [5, *[1] * 99]


def planted(n, seed):
    """Return noisy patches: a film in the upper half and, in it, a dot of 0.2 % of the pixels, its own brightness."""
    rng = np.random.default_rng(seed)
    classes = np.zeros((n, SIZE, SIZE), dtype=np.uint8)
    classes[:, : SIZE // 2] = 1
    for patch, row, col in zip(classes, *rng.integers(2, [[SIZE // 2 - 5], [SIZE - 5]], size=(2, n)), strict=True):
        patch[row : row + 3, col : col + 3] = 2
    images = np.array([0.0, 0.5, 1.2])[classes] + rng.normal(0, 0.25, classes.shape)
    return patches_of(classes, images.astype(np.float32), name=str(seed))


@pytest.mark.slow
def test_a_rare_class_is_learnt_in_a_time_in_which_equal_weights_do_not_find_it():
    shared = {"n_per_batch": 4, "steps_per_epoch": 30, "max_epochs": 4, "max_noise": 0.0}
    held_out, scores = planted(20, 9), {}
    for rare_share in (0.0, TrainingParams().rare_share):
        network = build_network("unet", n_classes=3, rng=np.random.default_rng(1))
        params = TrainingParams(**shared, rare_share=rare_share)
        train(network, planted(40, 1), planted(8, 2), params, rng=np.random.default_rng(3))
        scores[rare_share] = dice(judged(network, held_out))[2]

    assert scores[0.05] > 0.6
    assert scores[0.05] > scores[0.0] + 0.1


def judged(network, patches):
    from nanodefect_assets.science.learning.apply import judge

    return judge(network, patches)[1].pooled


def test_weights_reach_the_training_and_its_validation():
    shared = {"n_per_batch": 4, "steps_per_epoch": 1, "max_epochs": 1}
    found = {}
    for rare_share in (0.0, 0.05):
        network = build_network("unet", n_classes=3, rng=np.random.default_rng(1))
        params = TrainingParams(**shared, rare_share=rare_share)
        result = train(network, planted(4, 1), planted(2, 2), params, rng=np.random.default_rng(3))
        found[rare_share] = result.epochs[0]

    assert found[0.0].train_loss != found[0.05].train_loss
    assert found[0.0].validation_loss != found[0.05].validation_loss


def test_a_set_whose_classes_are_all_frequent_is_trained_as_before(discs):
    frequent = discs(4)
    seen = []
    for rare_share in (0.0, 0.05):
        network = build_network("unet", n_classes=2, rng=np.random.default_rng(1))
        params = TrainingParams(n_per_batch=4, steps_per_epoch=1, max_epochs=1, rare_share=rare_share)
        seen.append(
            train(network, frequent, discs(2, name="v"), params, rng=np.random.default_rng(3)).epochs[0].train_loss
        )

    assert seen[0] == seen[1]
    assert replace(frequent).n_pixels["particle"] > 0.05 * frequent.classes.size
