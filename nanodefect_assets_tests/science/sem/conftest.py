import numpy as np
import pytest
import torch

from nanodefect_assets.science.sem.mirror import prepare_images
from nanodefect_assets.science.sem.params import (
    HandednessAugmentationParams,
    HandednessNetworkParams,
    HandednessTrainingParams,
)
from nanodefect_assets.science.sem.trained import HandednessRecipe


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks as small as these are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def letters():
    """Images of the letter L, all of one hand, at slightly different places and sizes in noise."""

    def draw(n, n_px=16, seed=5):
        rng = np.random.default_rng(seed)
        images = rng.uniform(0, 0.2, (n, n_px, n_px))
        for image in images:
            top, left, foot = rng.integers(1, 4), rng.integers(3, 6), rng.integers(8, 12)
            image[top : foot + 1, left] += 1
            image[foot, left : left + 6] += 1
        return prepare_images(images)

    return draw


@pytest.fixture
def recipe():
    def make(network=None, **training):
        return HandednessRecipe(
            network=HandednessNetworkParams(n_filters=8, n_hidden=16, dropout=0.2, **(network or {})),
            training=HandednessTrainingParams(
                **({"batch_size": 32, "max_epochs": 4, "learning_rate": 3e-3} | training)
            ),
            augmentation=HandednessAugmentationParams(max_zoom=0.1),
        )

    return make
