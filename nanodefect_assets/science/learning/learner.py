"""A network and its optimiser: one step, and their state as plain arrays."""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adam, AdamW, Optimizer

from nanodefect_assets.science.learning.devices import autocast
from nanodefect_assets.science.learning.losses import segmentation_loss
from nanodefect_assets.science.learning.networks import Network, load_weights, place, weights_of
from nanodefect_assets.science.learning.params import TrainingParams

_MOMENTUM = 0.9
_EMA_START = 10
"""The running mean forgets faster in its first steps, when weights are still far from anything; as in timm."""


class Learner:
    """A network that learns batch by batch.

    Attributes
    ----------
    network : Module
        The network that the optimiser changes.
    averaged : Module
        The running mean of its weights; `network` itself without one.
    """

    def __init__(
        self, network: Network, params: TrainingParams, *, device: str, class_weights: np.ndarray | None = None
    ) -> None:
        self.network = place(network, device)
        self._class_weights = _on_device(class_weights, device)
        self.averaged = deepcopy(self.network) if params.ema_decay else self.network
        self._params = params
        self._device = device
        self._optimiser = _build_optimiser(self.network, params)

    def step(self, images: Tensor, classes: Tensor, *, progress: float, index: int) -> Tensor:
        """Learn from one batch and return its loss; `progress` is the share of the training that is over.

        Weights of classes fade with it to their square roots, evenly in the logarithm: with none at the end a class of
        0.3 % of the pixels that had been found was lost again.
        """
        self.network.train()
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._params, progress)
        with autocast(self._device, self._params.precision):
            scores = self.network(images)
        weights = None if self._class_weights is None else self._class_weights ** (1 - min(progress, 1) / 2)
        loss = segmentation_loss(self._params.loss, scores, classes, weights)
        self._optimiser.zero_grad()
        loss.backward()
        if self._params.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._params.max_gradient_norm)
        self._optimiser.step()
        self._average(index)
        return loss.detach()

    @torch.no_grad()
    def _average(self, index: int) -> None:
        if self.averaged is self.network:
            return
        kept = min(self._params.ema_decay, (1 + index) / (_EMA_START + index))
        for mean, value in zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - kept)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the whole state, by name."""
        found = _named("network", weights_of(self.network)) | _named("averaged", weights_of(self.averaged))
        for index, values in self._optimiser.state_dict()["state"].items():
            tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
            found |= {f"optimiser/{index}/{name}": value.cpu().numpy().copy() for name, value in tensors.items()}
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go back to the state of `arrays`."""
        load_weights(self.network, select(arrays, "network"))
        load_weights(self.averaged, select(arrays, "averaged"))
        weights = list(self.network.parameters())
        state: dict[int, dict[str, Tensor]] = {}
        for path, values in select(arrays, "optimiser").items():
            index, name = path.split("/")
            state.setdefault(int(index), {})[name] = _laid_out_like(weights[int(index)], values)
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})


def _on_device(class_weights: np.ndarray | None, device: str) -> Tensor | None:
    """Return weights of classes where the network computes; None where all weigh alike."""
    if class_weights is None or (class_weights == 1).all():
        return None
    return torch.from_numpy(class_weights.astype(np.float32)).to(device)


def learning_rate(params: TrainingParams, progress: float) -> float:
    """Return the learning rate when the share `progress` of the training is over."""
    if params.schedule == "constant":
        return params.learning_rate
    if progress < params.warmup:
        return params.learning_rate * max(progress / params.warmup, 1e-2)
    fallen = (progress - params.warmup) / (1 - params.warmup)
    return params.learning_rate * (1 + math.cos(math.pi * min(fallen, 1))) / 2


def _laid_out_like(weight: Tensor, values: np.ndarray) -> Tensor:
    """Return `values` in the order of `weight` in memory: fused optimisers pair numbers by their place in memory."""
    found = torch.from_numpy(values.copy())
    return torch.empty_like(weight).copy_(found) if found.shape == weight.shape else found


def select(arrays: Mapping[str, np.ndarray], room: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with `room` and a slash, by the rest of their names."""
    return {name.removeprefix(f"{room}/"): array for name, array in arrays.items() if name.startswith(f"{room}/")}


def _named(room: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{room}/{name}": array for name, array in arrays.items()}


def _build_optimiser(network: nn.Module, params: TrainingParams) -> Optimizer:
    builders: dict[str, Callable[..., Optimizer]] = {
        "adam": partial(Adam, fused=True),
        "adamw": partial(AdamW, fused=True),
        "adadelta": Adadelta,
        "sgd": partial(SGD, momentum=_MOMENTUM, nesterov=True, fused=True),
    }
    build = builders[params.optimiser]
    return build(network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
