import numpy as np
import pytest

from nanodefect_assets.science.sem.leak import LeakCounts, count_leak
from nanodefect_assets.science.sem.params import MirrorLabelParams
from nanodefect_assets.science.sem.split import split_labelled


def leaking(letters, rng, **params):
    return split_labelled(letters(200), MirrorLabelParams(error_fraction=0.3, split="leaking", **params), rng=rng)


def remembered(split):
    """Return the answers of a network that learnt nothing but the label of each training image, and of its mirror."""
    told = {}
    for image, says_right in zip(split.train.images, split.train.says_right, strict=True):
        told[image.tobytes()] = 1.0 if says_right else -1.0
        told.setdefault(image[:, ::-1].tobytes(), -told[image.tobytes()])
    return np.array([told.get(image.tobytes(), 0.5) for image in split.test.images])


def test_a_network_that_remembers_is_right_and_wrong_as_it_was_told(letters, rng):
    split = leaking(letters, rng)

    found = count_leak(split, remembered(split))

    n_known = found.n_told_truly + found.n_told_falsely
    assert n_known / len(split.test) == pytest.approx(0.8, abs=0.15)
    assert found.n_told_falsely / n_known == pytest.approx(0.3, abs=0.15)
    assert found.n_told_truly_wrong == 0
    assert found.n_told_falsely_wrong == found.n_told_falsely > 0


def test_a_network_that_knows_the_hand_shows_no_leak(letters, rng):
    split = leaking(letters, rng)

    found = count_leak(split, np.where(split.test.is_right, 2.0, -2.0))

    assert (found.n_told_truly_wrong, found.n_told_falsely_wrong) == (0, 0)


def test_no_particle_is_on_both_sides_of_the_sound_split(letters, rng):
    split = split_labelled(letters(200), MirrorLabelParams(error_fraction=0.3), rng=rng)

    assert count_leak(split, np.ones(len(split.test))) == LeakCounts(
        n_told_truly=0, n_told_truly_wrong=0, n_told_falsely=0, n_told_falsely_wrong=0
    )
