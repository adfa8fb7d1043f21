"""Losses of segmentation; pixels without a label count for nothing."""

from typing import Literal

import torch
from torch import Tensor

from nanodefect_assets.domain.patches import UNLABELLED

LossName = Literal["cross_entropy", "cross_entropy_dice"]


def segmentation_loss(name: LossName, scores: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the loss of one batch.

    Parameters
    ----------
    name : {"cross_entropy", "cross_entropy_dice"}
        Cross-entropy alone, the mean over labelled pixels, or its sum with the soft Dice loss.
    scores : Tensor of shape (n, class, row, col)
        Output of a network, before the softmax.
    classes : Tensor of shape (n, row, col)
        Index of the true class, uint8; 255 where there is no label.
    weights : Tensor of shape (class,) or None
        How much a pixel of each class counts in the mean that is the cross-entropy; None: all alike. The soft Dice
        loss gives every class the same say as it is.
    """
    log_p = torch.log_softmax(scores.float(), dim=1)
    truth = _truth(classes, log_p.shape[1])
    counted = truth if weights is None else truth * weights[:, None, None]
    loss = -(log_p * counted).sum() / counted.sum().clamp(min=1)
    if name == "cross_entropy_dice":
        loss = loss + _dice_loss(log_p.exp(), truth, classes)
    return loss


def soft_dice_loss(scores: Tensor, classes: Tensor) -> Tensor:
    """Return 1 minus the mean over the classes of the soft Dice coefficient of a batch.

    Notes
    -----
    Per class, 2 sum(p t) / (sum(p) + sum(t)) over all labelled pixels of the batch, p the probability, t the truth [1]_
    (there with squares in the denominator).

    References
    ----------
    .. [1] F. Milletari, N. Navab, S.-A. Ahmadi, V-Net, 3DV 2016, doi:10.1109/3DV.2016.79.
    """
    return _dice_loss(torch.softmax(scores.float(), dim=1), _truth(classes, scores.shape[1]), classes)


def _truth(classes: Tensor, n_classes: int) -> Tensor:
    """Return which class each pixel has, of shape (n, class, row, col); none where there is no label."""
    names = torch.arange(n_classes, dtype=classes.dtype, device=classes.device)
    return classes[:, None] == names[:, None, None]


def _dice_loss(p: Tensor, truth: Tensor, classes: Tensor) -> Tensor:
    p_labelled = p * (classes != UNLABELLED)[:, None]
    overlap = (p_labelled * truth).sum(dim=(0, 2, 3))
    size = p_labelled.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    return 1 - (2 * overlap / size.clamp(min=1)).mean()
