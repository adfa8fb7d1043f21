import numpy as np
import pytest
import torch

from nanodefect_assets.science.learning.apply import judge, probabilities
from nanodefect_assets.science.learning.devices import threads
from nanodefect_assets.science.learning.networks import build_network


def test_probabilities_do_not_depend_on_the_batch(rng):
    network = build_network("unet", n_classes=3, rng=rng)
    images = rng.standard_normal((5, 40, 52), dtype=np.float32)
    together, alone = (probabilities(network, images, n_per_batch=n) for n in (5, 1))

    assert together.shape == (5, 3, 40, 52)
    assert together.dtype == np.float32
    assert together.sum(axis=1) == pytest.approx(np.ones((5, 40, 52)), abs=1e-5)
    assert np.abs(together - alone).max() < 1e-5
    assert np.array_equal(probabilities(network, images, n_per_batch=1), alone)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_the_softmax_of_the_scores(n_classes, rng):
    network = build_network("unet", n_classes=n_classes, rng=rng).eval()
    images = rng.standard_normal((2, 32, 48), dtype=np.float32)
    with torch.inference_mode():
        expected = torch.softmax(network(torch.from_numpy(images)[:, None]), dim=1).numpy()

    assert np.abs(probabilities(network, images) - expected).max() < 1e-6


def test_half_precision_agrees_to_two_digits(rng):
    network = build_network("unet", n_classes=2, rng=rng)
    images = rng.standard_normal((2, 32, 32), dtype=np.float32)
    difference = probabilities(network, images, precision="bfloat16") - probabilities(network, images)

    assert 0 < np.abs(difference).max() < 0.03


def test_read_only_and_double_images_are_taken(rng):
    network = build_network("unet", n_classes=2, rng=rng)
    images = rng.standard_normal((1, 32, 32))
    images.flags.writeable = False

    assert np.array_equal(probabilities(network, images), probabilities(network, images.astype(np.float32)))


@pytest.mark.parametrize("images", [np.zeros((4, 4)), np.zeros((1, 0, 4)), np.full((1, 4, 4), np.nan)])
def test_what_is_no_stack_of_images_is_refused(images, rng):
    with pytest.raises(ValueError, match="Expected"):
        probabilities(build_network("unet", n_classes=2, rng=rng), images)


def test_judging_counts_the_most_probable_class_of_each_micrograph(discs, rng):
    network, patches = build_network("unet", n_classes=2, rng=rng), discs(3)
    loss, counts = judge(network, patches, n_per_batch=4)
    p = probabilities(network, patches.images)
    p_true = np.take_along_axis(p, patches.classes[:, None].astype(int), axis=1)

    assert loss == pytest.approx(-np.log(p_true).mean(), rel=1e-4)
    assert counts.micrograph_ids == patches.micrograph_ids
    assert counts.counts.sum(axis=(1, 2)).tolist() == [2 * 32 * 32] * 3
    found = p.argmax(axis=1)
    assert counts.counts[1, 1, 1] == np.sum((found[2:4] == 1) & (patches.classes[2:4] == 1))


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(ZeroDivisionError), threads(before + 1):
        _ = 1 / 0
    assert torch.get_num_threads() == before
