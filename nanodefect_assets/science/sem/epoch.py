"""One epoch of training one network, or of two that teach each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import nn
from torch.nn import functional

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.devices import autocast, seeded
from nanodefect_assets.science.sem.augment import augment
from nanodefect_assets.science.sem.mirror import HandedSet
from nanodefect_assets.science.sem.params import HandednessAugmentationParams, HandednessTrainingParams


@dataclass(frozen=True, kw_only=True)
class Step:
    """What sets one epoch apart from the next.

    Attributes
    ----------
    n_images : int or None
        Images seen; None for each once.
    share_kept : float
        Co-teaching: share of a batch that is learnt from.
    noisy_epoch : int
        Epochs on mirror-labelled images before this one; negative while the images are clean.
    """

    training: HandednessTrainingParams
    augmentation: HandednessAugmentationParams
    n_images: int | None
    share_kept: float
    noisy_epoch: int


def train_epoch(
    networks: Sequence[nn.Module],
    optimisers: Sequence[torch.optim.Optimizer],
    images: HandedSet,
    step: Step,
    *,
    seed: Sequence[int],
    device: str,
) -> float:
    """Train for one epoch and return the mean loss against the labels, of all images and networks, in nat.

    Parameters
    ----------
    seed : sequence of int
        Decides order, augmentation and dropout; the process's own random numbers are left as they were.
    """
    rng = np.random.default_rng(seed)
    params = step.training
    _schedule(optimisers, params, step.noisy_epoch)
    total, order = 0.0, _draw_order(len(images), step.n_images, rng)
    with seeded(int(rng.integers(2**63))):
        for network in networks:
            network.train()
        for start in range(0, len(order), params.batch_size):
            which = order[start : start + params.batch_size]
            crops = torch.from_numpy(images.images[which][:, None]).to(device)
            labels = torch.from_numpy(images.says_right[which].astype(np.float32)).to(device)
            crops = augment(crops, step.augmentation, rng=rng)
            with autocast(device, params.precision):
                odds = [network(crops) for network in networks]
            losses = [_losses(each, labels) for each in odds]
            _learn(optimisers, losses, step.share_kept)
            total += len(which) * float(torch.stack(losses).detach().mean())
        for network in networks:
            network.eval()
    if not np.isfinite(total):
        raise Refusal(
            "loss_not_finite",
            expected="a finite loss",
            got=f"{total} in epoch {step.noisy_epoch}",
            advice="Take a smaller learning rate.",
        )
    return total / len(order)


def _losses(log_odds: torch.Tensor, says_right: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(log_odds, says_right, reduction="none")


def _learn(optimisers: Sequence[torch.optim.Optimizer], losses: Sequence[torch.Tensor], share_kept: float) -> None:
    """Take a step; of two networks, each learns from the images whose loss is small for the other."""
    n_kept = max(1, round(share_kept * len(losses[0])))
    easy = [torch.argsort(loss.detach(), stable=True)[:n_kept] for loss in losses]
    for optimiser, loss, kept in zip(optimisers, losses, reversed(easy), strict=True):
        optimiser.zero_grad(set_to_none=True)
        loss[kept].mean().backward()
        optimiser.step()


def _draw_order(n: int, n_images: int | None, rng: np.random.Generator) -> Int[np.ndarray, " m"]:
    """Return a random order that has each image as often as any other, but for a last incomplete round."""
    wanted = n if n_images is None else n_images
    rounds = [rng.permutation(n) for _ in range(-(-wanted // n))]
    return np.concatenate(rounds)[:wanted]


def _schedule(optimisers: Sequence[torch.optim.Optimizer], params: HandednessTrainingParams, noisy_epoch: int) -> None:
    first = params.decay_from_epoch
    if first is None:
        return
    is_decaying = noisy_epoch > first
    share = (params.max_epochs - noisy_epoch) / (params.max_epochs - first) if is_decaying else 1.0
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = params.learning_rate * share
            if is_decaying and params.decayed_beta1 is not None and "betas" in group:
                group["betas"] = (params.decayed_beta1, group["betas"][1])
