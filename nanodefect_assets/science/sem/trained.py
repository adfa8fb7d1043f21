"""What a training is given and what it leaves behind."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import nn

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.devices import settle_precision
from nanodefect_assets.science.sem.judge import log_odds
from nanodefect_assets.science.sem.network import build_handedness_network
from nanodefect_assets.science.sem.params import (
    HandednessAugmentationParams,
    HandednessNetworkParams,
    HandednessTrainingParams,
)
from nanodefect_assets.science.sem.state import Arrays, load_weights

_Curve = Float[np.ndarray, " epoch"]


@dataclass(frozen=True, kw_only=True)
class HandednessRecipe:
    """All that decides how networks are built and trained, apart from the images."""

    network: HandednessNetworkParams
    training: HandednessTrainingParams
    augmentation: HandednessAugmentationParams

    def settled(self, device: str) -> "HandednessRecipe":
        """Return the recipe with the precision that it has on `device`, so that a record of it tells all."""
        precision = settle_precision(device, self.training.precision)
        return replace(self, training=self.training.model_copy(update={"precision": precision}))

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(part.model_dump_json() for part in (self.network, self.training, self.augmentation))

    def antisymmetric(self, n_train: int) -> "HandednessRecipe":
        """Return the recipe with an antisymmetric network, at the same cost of an epoch.

        An antisymmetric network looks at every image twice, and an image and its mirror teach it the same: half the
        images do.

        Parameters
        ----------
        n_train : int
            Images of the training set, mirrors included.
        """
        if self.network.is_antisymmetric:
            return self
        n_images = max(2, (self.training.images_per_epoch or n_train) // 2)
        return replace(
            self,
            network=self.network.model_copy(update={"is_antisymmetric": True}),
            training=self.training.model_copy(update={"images_per_epoch": n_images}),
        )


@dataclass(frozen=True, kw_only=True)
class TrainedHandedness:
    """What was learnt.

    Attributes
    ----------
    weights : dict of str to ndarray
        Of the best epoch; ``0.`` and ``1.`` before a name say which network. The model's answer is the mean of their
        log odds.
    n_networks : int
        One, or two after co-teaching.
    train_loss, validation_loss : ndarray of shape (epoch,)
        Mean cross-entropy against the noisy labels, in nat.
    rescaled_loss : ndarray of shape (epoch,)
        Validation loss after the log odds are scaled by the factor that makes it smallest.
    best_epoch : int
        Epoch whose weights these are, from 0; epochs on clean images are not counted.
    stopped : str
        ``finished`` or ``no better in N epochs``.
    duration_s : float
        Time since this process began or went on with the training.
    """

    weights: Arrays
    n_networks: int
    network: HandednessNetworkParams
    n_px: int
    train_loss: _Curve
    validation_loss: _Curve
    rescaled_loss: _Curve
    best_epoch: int
    stopped: str
    duration_s: float


def restore_networks(trained: TrainedHandedness, *, device: str = "cpu") -> list[nn.Module]:
    """Return the trained networks, in evaluation mode."""
    rng = np.random.default_rng(0)
    networks = [
        build_handedness_network(trained.network, n_px=trained.n_px, rng=rng) for _ in range(trained.n_networks)
    ]
    load_weights(networks, trained.weights)
    return [network.to(device) for network in networks]


def predict_log_odds(
    trained: TrainedHandedness, images: Float[np.ndarray, "n row col"], *, device: str = "cpu"
) -> Float[np.ndarray, " n"]:
    """Return the logarithm of the odds that each particle is right-handed; crops must be as large as those learnt."""
    require_crop_size(trained, images)
    return log_odds(restore_networks(trained, device=device), images, device=device)


def require_crop_size(trained: TrainedHandedness, images: Float[np.ndarray, "n row col"]) -> None:
    """Refuse crops of another size than those that were learnt: some networks would answer, and mean nothing by it."""
    if images.shape[1:] != (trained.n_px, trained.n_px):
        raise Refusal(
            "crop_size",
            expected=f"crops of {trained.n_px} x {trained.n_px} pixels, as the model learnt",
            got=" x ".join(map(str, images.shape[1:])),
            advice="Make the model again from the crops as they are now, or set n_px of sem/te_crops back.",
        )
