import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import mirror_label, mirrored, plant_error, prepare_images
from nanodefect_assets.science.sem.params import MirrorLabelParams
from nanodefect_assets.science.sem.split import split_as_found, split_labelled


def test_an_image_and_its_mirror_are_labelled_by_hand():
    image = np.array([[[0.0, 1.0], [2.0, 3.0]]])

    labelled = mirror_label(image, is_right=np.array([False]))

    assert labelled.images.tolist() == [[[0, 1], [2, 3]], [[1, 0], [3, 2]]]
    assert labelled.says_right.tolist() == [True, False]
    assert labelled.is_right.tolist() == [False, True]
    assert labelled.pair.tolist() == [0, 0]


@given(n=st.integers(10, 60), error_percent=st.integers(0, 50), seed=st.integers(0, 99))
def test_as_many_as_planted_are_mirrored_at_random_places(n, error_percent, seed):
    images = np.random.default_rng(3).random((n, 4, 4))

    noisy, is_right = plant_error(images, error_percent / 100, rng=np.random.default_rng(seed))

    assert np.sum(~is_right) == round(error_percent / 100 * n)
    np.testing.assert_array_equal(noisy, np.where(is_right[:, None, None], images, mirrored(images)))


def test_the_planted_error_follows_from_the_seed_and_is_not_the_first_share():
    images = np.random.default_rng(3).random((100, 4, 4))
    first, again, other = (plant_error(images, 0.2, rng=np.random.default_rng(seed))[1] for seed in (1, 1, 2))

    assert first.tolist() == again.tolist() != other.tolist()
    assert not (~first[:20]).all()


@pytest.mark.parametrize("error_fraction", [-0.1, 0.51, np.nan])
def test_a_share_of_wrong_labels_beyond_one_half_is_refused(rng, error_fraction):
    with pytest.raises(Refusal, match="from 0 to"):
        plant_error(np.ones((10, 4, 4)), error_fraction, rng=rng)


@given(error_percent=st.integers(0, 50), seed=st.integers(0, 99))
def test_a_particle_and_its_mirror_are_on_one_side_and_the_test_is_clean_and_balanced(error_percent, seed):
    images = np.random.default_rng(3).random((40, 4, 4))

    split = split_labelled(
        images, MirrorLabelParams(error_fraction=error_percent / 100), rng=np.random.default_rng(seed)
    )

    sides = [set(side.pair) for side in (split.train, split.validation, split.test)]
    assert [len(side) for side in sides] == [32, 4, 4]
    assert len(set.union(*sides)) == 40
    assert [len(side) for side in (split.train, split.validation, split.test)] == [64, 8, 8]
    assert (split.test.says_right == split.test.is_right).all()
    assert split.test.is_right.sum() == 4


def test_the_published_split_leaks_four_test_images_in_five(rng):
    images = rng.random((1000, 2, 2))

    split = split_labelled(images, MirrorLabelParams(split="leaking"), rng=rng)

    assert np.mean(np.isin(split.test.pair, split.train.pair)) == pytest.approx(0.8, abs=0.06)


def test_a_skewed_test_set_has_each_particle_once(rng):
    population = split_labelled(rng.random((200, 4, 4)), MirrorLabelParams(error_fraction=0.3), rng=rng).skewed

    assert len(population) == 20
    assert len(set(population.pair)) == 20
    assert np.sum(~population.is_right) == 6


def test_a_population_as_found_is_judged_by_images_that_are_not_mirrored(rng):
    images, is_right = rng.random((400, 4, 4)), np.arange(400) % 4 > 0

    split = split_as_found(images, is_right, MirrorLabelParams(), rng=rng)

    n_left = int(np.sum(~split.skewed.is_right))
    assert (len(split.train), len(split.skewed)) == (640, 40)
    assert (split.train.says_right != split.train.is_right).mean() == pytest.approx(0.25, abs=0.03)
    assert (int(split.test.is_right.sum()), len(split.test)) == (n_left, 2 * n_left)
    np.testing.assert_array_equal(split.test.images, images[split.test.pair])
    assert not set(split.skewed.pair) & (set(split.train.pair) | set(split.validation.pair))


def test_a_population_of_one_hand_is_not_judged(rng):
    with pytest.raises(Refusal, match="test particles of both hands"):
        split_as_found(rng.random((40, 4, 4)), np.ones(40, dtype=bool), MirrorLabelParams(), rng=rng)


def test_no_error_is_planted_in_a_population_as_found(rng):
    with pytest.raises(ValueError, match="no planted error"):
        split_as_found(rng.random((40, 4, 4)), np.arange(40) > 5, MirrorLabelParams(error_fraction=0.1), rng=rng)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.ones((20, 8, 9)), "8 x 8 crops"),
        (np.ones((20, 9, 9)), "8 x 8"),
        (np.ones((20, 8, 8)), "20 crops without, the first at index 0"),
        (np.full((20, 8, 8), np.nan), "finite"),
        (np.random.default_rng(0).random((3, 8, 8)), "at least 10 particles, got 3"),
    ],
)
def test_images_that_cannot_be_labelled_are_refused(images, words):
    with pytest.raises(Refusal, match=words) as caught:
        prepare_images(images, file="crops.npz", n_px=8)

    assert caught.value.file == "crops.npz"


def test_shares_that_leave_no_test_are_refused():
    with pytest.raises(ValueError, match="leave a share for the test"):
        MirrorLabelParams(train_fraction=0.9, validation_fraction=0.1)
