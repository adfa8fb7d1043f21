import math

import numpy as np
import pytest
import torch

from nanodefect_assets.science.learning.losses import segmentation_loss, soft_dice_loss


def test_cross_entropy_is_that_of_torch(rng):
    scores = torch.from_numpy(rng.standard_normal((2, 3, 5, 7), dtype=np.float32))
    classes = torch.from_numpy(rng.choice([0, 1, 2, 255], size=(2, 5, 7)).astype(np.uint8))
    expected = torch.nn.functional.cross_entropy(scores, classes.long(), ignore_index=255)

    torch.testing.assert_close(segmentation_loss("cross_entropy", scores, classes), expected)


def test_soft_dice_by_hand():
    p_particle = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    scores = torch.stack([(1 - p_particle).log(), p_particle.log()])[None]
    classes = torch.tensor([[[0, 255], [1, 0]]], dtype=torch.uint8)
    dice_support, dice_particle = 2 * (0.5 + 0.9) / (1.5 + 2), 2 * 0.9 / (1.5 + 1)

    assert soft_dice_loss(scores, classes).item() == pytest.approx(1 - (dice_support + dice_particle) / 2)
    both = segmentation_loss("cross_entropy_dice", scores, classes)
    alone = segmentation_loss("cross_entropy", scores, classes)
    assert (both - alone).item() == pytest.approx(1 - (dice_support + dice_particle) / 2)


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy_dice"])
def test_pixels_without_label_have_no_gradient(name, rng):
    scores = torch.from_numpy(rng.standard_normal((1, 2, 4, 4), dtype=np.float32)).requires_grad_()
    classes = torch.from_numpy(rng.integers(0, 2, (1, 4, 4)).astype(np.uint8))
    classes[0, :2] = 255
    segmentation_loss(name, scores, classes).backward()

    assert (scores.grad[0, :, :2] == 0).all()
    assert (scores.grad[0, :, 2:] != 0).all()


def test_a_batch_without_any_label_teaches_nothing():
    scores = torch.zeros(1, 2, 4, 4, requires_grad=True)
    loss = segmentation_loss("cross_entropy_dice", scores, torch.full((1, 4, 4), 255, dtype=torch.uint8))
    loss.backward()

    assert math.isfinite(loss.item())
    assert (scores.grad == 0).all()


def test_weighted_cross_entropy_is_that_of_torch_and_leaves_dice_alone(rng):
    scores = torch.from_numpy(rng.standard_normal((2, 3, 5, 7), dtype=np.float32))
    classes = torch.from_numpy(rng.choice([0, 1, 2, 255], size=(2, 5, 7)).astype(np.uint8))
    weights = torch.tensor([1.0, 1.0, 4.0])
    expected = torch.nn.functional.cross_entropy(scores, classes.long(), weight=weights, ignore_index=255)

    torch.testing.assert_close(segmentation_loss("cross_entropy", scores, classes, weights), expected)
    both = segmentation_loss("cross_entropy_dice", scores, classes, weights)
    torch.testing.assert_close(both - expected, soft_dice_loss(scores, classes))
