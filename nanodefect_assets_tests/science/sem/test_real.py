import numpy as np
import pytest

from nanodefect_assets.science.sem.mirror import mirror_label, plant_error, prepare_images
from nanodefect_assets.science.sem.noise import estimate_label_error
from nanodefect_assets.science.sem.params import (
    HandednessAugmentationParams,
    HandednessNetworkParams,
    HandednessStudyParams,
    HandednessTrainingParams,
    MirrorLabelParams,
)
from nanodefect_assets.science.sem.study import run_cell
from nanodefect_assets.science.sem.trained import HandednessRecipe


@pytest.fixture(scope="module")
def sevens(real_data):
    with np.load(real_data / "mnist" / "mnist.npz") as digits:
        return prepare_images(digits["x_train"][digits["y_train"] == 7])


@pytest.fixture
def reduced():
    return HandednessRecipe(
        network=HandednessNetworkParams(),
        training=HandednessTrainingParams.reduced(),
        augmentation=HandednessAugmentationParams.sevens(),
    )


def test_real_crops_of_tellurium_are_accepted_as_they_are(real_data):
    with np.load(real_data / "te_chirality" / "te_particles.npz") as crops:
        images = prepare_images(crops["images"], n_px=128)

    assert images.shape == (64, 128, 128)
    assert (images.max(axis=(1, 2)) == 1).all()
    assert len(mirror_label(images)) == 128


def test_there_are_as_many_real_sevens_as_published(sevens):
    assert len(sevens) == 6265


@pytest.mark.slow
@pytest.mark.parametrize("is_antisymmetric", [False, True])
def test_the_hand_of_real_sevens_is_learnt_from_labels_of_which_a_fifth_is_wrong(sevens, reduced, is_antisymmetric):
    study = HandednessStudyParams(is_antisymmetric=is_antisymmetric)

    cell = run_cell(sevens[:2000], MirrorLabelParams(error_fraction=0.2), study, reduced, repeat=0, seed=1)

    assert cell.balanced.accuracy > 0.97
    assert cell.skewed.left_fraction == pytest.approx(0.2, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("error_fraction", [0.05, 0.4])
def test_the_error_of_real_sevens_is_found_without_a_clean_label(sevens, reduced, error_fraction):
    noisy, is_right = plant_error(sevens[:2000], error_fraction, rng=np.random.default_rng(1))

    estimate = estimate_label_error(mirror_label(noisy, is_right=is_right), reduced, rng=np.random.default_rng(2))

    assert estimate.error_fraction == pytest.approx(error_fraction, abs=0.03)
