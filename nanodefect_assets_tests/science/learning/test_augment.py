import numpy as np
import pytest
import torch

from nanodefect_assets.science.learning.augment import augment, draw
from nanodefect_assets.science.learning.batches import Batches
from nanodefect_assets.science.learning.params import TrainingParams

NOTHING = {"has_flips": False, "rotated_share": 0, "max_zoom": 0, "max_gain": 0, "max_offset": 0, "max_noise": 0}


def params(**changes):
    return TrainingParams(**NOTHING | changes)


def augmented(images, classes, rng, **changes):
    is_square = images.shape[1] == images.shape[2]
    draws = draw(len(images), is_square=is_square, params=params(**changes), rng=rng)
    found = augment(torch.from_numpy(images), torch.from_numpy(classes), draws, seed=3)
    return found[0].numpy(), found[1].numpy()


@pytest.fixture
def pair(rng):
    classes = rng.choice([0, 1, 255], size=(40, 12, 12)).astype(np.uint8)
    return classes.astype(np.float32), classes


def test_quarter_turns_and_mirrors_move_pixels_and_change_none(pair, rng):
    images, classes = augmented(*pair, rng, has_flips=True)
    corner = np.arange(144, dtype=np.float32).reshape(1, 12, 12).repeat(40, 0)
    ways = {tuple(patch[[0, 0, -1], [0, -1, 0]]) for patch in augmented(corner, pair[1], rng, has_flips=True)[0]}

    assert np.array_equal(images, classes)
    assert np.array_equal(np.sort(images.reshape(40, -1)), np.sort(pair[0].reshape(40, -1)))
    assert len(ways) == 8


def test_oblong_patches_keep_their_shape(rng):
    images = np.arange(40 * 6 * 10, dtype=np.float32).reshape(40, 6, 10)
    found, _ = augmented(images, np.zeros((40, 6, 10), np.uint8), rng, has_flips=True)

    assert {tuple(patch[[0, 0], [0, -1]] - start) for patch, start in zip(found, images[:, 0, 0], strict=True)} == {
        (0, 9),
        (9, 0),
        (50, 59),
        (59, 50),
    }


@pytest.mark.parametrize("shape", [(48, 48), (32, 64)])
def test_free_rotation_and_zoom_keep_labels_on_their_pixels(shape, rng):
    row, col = np.mgrid[: shape[0], : shape[1]] - (np.array(shape)[:, None, None] - 1) / 2
    classes = ((np.abs(row) < 6) & (np.abs(col) < 12)).astype(np.uint8)[None].repeat(20, 0)
    images, turned = augmented(classes.astype(np.float32), classes, rng, rotated_share=1)
    middle = slice((shape[1] - shape[0]) // 2, (shape[1] + shape[0]) // 2)  # beside it, oblong patches reflect the bar
    areas = turned[:, :, middle].sum(axis=(1, 2))

    assert set(np.unique(turned)) == {0, 1}
    assert np.mean((images > 0.5) == turned) > 0.99
    assert areas == pytest.approx(np.full(20, classes[0].sum()), rel=0.05)
    assert np.std(turned.any(axis=2).sum(axis=1)) > 2  # rows that the bar covers
    zoomed = augmented(images, classes, rng, rotated_share=1, max_zoom=0.2)[1][:, :, middle].sum(axis=(1, 2))
    assert np.std(zoomed) > 3 * np.std(areas)
    assert zoomed.max() < 1.5 * areas.mean()


def test_a_turn_of_ninety_degrees_is_the_exact_one(rng):
    images = rng.standard_normal((1, 16, 16)).astype(np.float32)
    classes = rng.integers(0, 3, (1, 16, 16)).astype(np.uint8)
    draws = draw(1, is_square=True, params=params(rotated_share=1), rng=rng)
    draws.angle_deg[:] = 90
    turned = augment(torch.from_numpy(images), torch.from_numpy(classes), draws, seed=1)

    assert np.array_equal(turned[1][0].numpy(), np.rot90(classes[0], 1)) or np.array_equal(
        turned[1][0].numpy(), np.rot90(classes[0], -1)
    )
    assert np.abs(turned[0][0].numpy() - images[0][tuple(_places(images[0], turned[0][0].numpy()))]).max() < 1e-4


def _places(image, turned):
    """Return which of the two exact quarter turns is nearer, as rows and columns of `image`."""
    places = np.indices(image.shape)
    ways = [np.stack([np.rot90(axis, k) for axis in places]) for k in (1, -1)]
    return min(ways, key=lambda way: np.abs(image[tuple(way)] - turned).max())


def test_contrast_and_noise_are_in_units_of_the_patch(rng):
    images = rng.normal(100, 5, size=(200, 16, 16)).astype(np.float32)
    classes = np.zeros(images.shape, np.uint8)
    gained, _ = augmented(images, classes, rng, max_gain=0.5)
    shifted, _ = augmented(images, classes, rng, max_offset=2)
    noisy, _ = augmented(images, classes, rng, max_noise=1)
    gains = gained.std(axis=(1, 2)) / images.std(axis=(1, 2))
    shifts = (shifted - images).mean(axis=(1, 2)) / images.std(axis=(1, 2))
    noises = (noisy - images).std(axis=(1, 2)) / images.std(axis=(1, 2))

    assert gained.mean(axis=(1, 2)) == pytest.approx(images.mean(axis=(1, 2)), rel=1e-5)
    assert (gains.min(), gains.max()) == pytest.approx((1 / 1.5, 1.5), rel=0.05)
    assert (shifts.min(), shifts.max()) == pytest.approx((-2, 2), rel=0.05)
    assert 0 <= noises.min() < 0.05
    assert 0.9 < noises.max() < 1.15


def test_a_step_is_a_function_of_seed_and_step_alone(discs):
    patches = discs()
    make = TrainingParams(n_per_batch=5)
    forward = {step: Batches(patches, make, seed=1, device="cpu").at(step) for step in range(6)}
    batches = Batches(patches, make, seed=1, device="cpu")
    for step in (4, 0, 3):
        images, classes, seed = batches.at(step)
        assert torch.equal(images, forward[step][0])
        assert torch.equal(classes, forward[step][1])
        assert seed == forward[step][2]
    assert not torch.equal(Batches(patches, make, seed=2, device="cpu").at(0)[0], forward[0][0])


def test_every_patch_comes_once_in_each_pass(discs):
    patches = discs(n_micrographs=6)
    batches = Batches(patches, params(n_per_batch=5), seed=1, device="cpu")
    seen = np.concatenate([batches.at(step)[0][:, 0].numpy() for step in range(12)])
    order = [int(np.flatnonzero((patches.images == image).all(axis=(1, 2)))[0]) for image in seen]
    passes = [order[first : first + 12] for first in range(0, 60, 12)]

    assert all(sorted(indices) == list(range(12)) for indices in passes)
    assert passes[0] != passes[1]
    many = Batches(patches, params(n_per_batch=30), seed=1, device="cpu").at(0)[0][:, 0].numpy()
    assert np.array_equal(many, seen[:30])


def test_cropped_patches_are_windows_of_the_whole_ones_until_their_share_is_over(discs):
    batches = Batches(discs(6), params(cropped_share=0.5, n_per_batch=8), seed=1, device="cpu")
    (whole, labels, seed), (cut, cut_labels, cut_seed) = (batches.at(3, progress=at) for at in (0.5, 0.49))

    assert (whole.shape, cut.shape) == ((8, 1, 32, 32), (8, 1, 16, 16))
    assert seed == cut_seed
    corners = []
    for patch, classes, part, part_classes in zip(whole[:, 0], labels, cut[:, 0], cut_labels, strict=True):
        windows = patch.unfold(0, 16, 1).unfold(1, 16, 1)
        ((row, col),) = (windows == part).all(dim=(2, 3)).nonzero().tolist()
        assert torch.equal(classes[row : row + 16, col : col + 16], part_classes)
        corners.append((row, col))
    assert len(set(corners)) > 4
