"""What trained networks say, and how often they are wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import minimize_scalar
from torch import nn

from nanodefect_assets.science.learning.devices import autocast
from nanodefect_assets.science.learning.params import Precision

_Odds = Float[np.ndarray, " n"]

_BATCH = 64
_LOG_FACTORS = (-8.0, 8.0)
"""Logarithms of the factors tried in `rescaled_loss`."""


@dataclass(frozen=True, kw_only=True)
class HandednessScore:
    """Counts from which accuracy and bias follow.

    Attributes
    ----------
    n_right, n_left : int
        Images of either true hand.
    n_right_wrong, n_left_wrong : int
        Those called by the other.
    """

    n_right: int
    n_left: int
    n_right_wrong: int
    n_left_wrong: int

    @property
    def accuracy(self) -> float:
        """Share of all images named rightly."""
        return 1 - (self.n_right_wrong + self.n_left_wrong) / (self.n_right + self.n_left)

    @property
    def left_fraction(self) -> float:
        """Share of all images called left: f(x) of figs. 5.3c and 5.4c."""
        return (self.n_left - self.n_left_wrong + self.n_right_wrong) / (self.n_right + self.n_left)


def log_odds(
    networks: Sequence[nn.Module],
    images: Float[np.ndarray, "n row col"],
    *,
    device: str,
    precision: Precision = "float32",
) -> _Odds:
    """Return the mean over the networks of the log odds of right, with dropout off.

    The last batch is filled up with blank crops: every image is then answered from a batch of one shape, and the
    answer does not hang on how many others are asked about.
    """
    answers = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            filled = np.zeros((_BATCH, 1, *images.shape[1:]), dtype=np.float32)
            filled[: len(batch), 0] = batch
            crops = torch.from_numpy(filled).to(device)
            with autocast(device, precision):
                mean = torch.stack([network(crops) for network in networks]).mean(dim=0)
            answers.append(mean[: len(batch)].double().cpu().numpy())
    return np.concatenate(answers)


def mean_loss(odds: _Odds, says_right: Bool[np.ndarray, " n"]) -> float:
    """Return the mean cross-entropy of log odds against labels, in nat."""
    return float(np.logaddexp(0, np.where(says_right, -odds, odds)).mean())


def rescaled_loss(odds: _Odds, says_right: Bool[np.ndarray, " n"]) -> float:
    """Return the mean cross-entropy of log odds against labels, times the positive factor that makes it smallest.

    Notes
    -----
    With the share x of the labels wrong at random no answer should be surer than log((1 - x) / x): the plain loss of a
    network that is often right but too sure rises, and the sooner the larger x is. The factor takes sureness out and
    leaves order and bias in: it moves no answer to the other hand.
    """
    signed = np.where(says_right, odds, -odds)
    unit = float(np.abs(odds).mean()) or 1.0
    found = minimize_scalar(
        lambda log_factor: float(np.logaddexp(0, -signed * (np.exp(log_factor) / unit)).mean()),
        bounds=_LOG_FACTORS,
        method="bounded",
    )
    return float(found.fun)


def score(odds: _Odds, is_right: Bool[np.ndarray, " n"]) -> HandednessScore:
    """Count the answers that are wrong; log odds of exactly zero are a left."""
    says_right = odds > 0
    return HandednessScore(
        n_right=int(is_right.sum()),
        n_left=int((~is_right).sum()),
        n_right_wrong=int((is_right & ~says_right).sum()),
        n_left_wrong=int((~is_right & says_right).sum()),
    )
