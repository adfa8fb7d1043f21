"""The network of fig. 5.2a, and its antisymmetric form."""

import numpy as np
import torch
from torch import nn

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.devices import seeded
from nanodefect_assets.science.sem.params import HandednessNetworkParams

_LEAST_PX = 10
"""Two 3 x 3 convolutions, each followed by halving, leave nothing of a smaller crop."""


class ConvolutionalNetwork(nn.Module):
    """Two blocks of convolution, ReLU and max-pooling, a dense layer, dropout, and an answer.

    The answer is one number a crop: the logarithm of the odds that the particle is right-handed. With two outputs it
    is their difference, so that its logistic is the softmax.
    """

    def __init__(self, params: HandednessNetworkParams, n_px: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_block(1, params), *_block(params.n_filters, params), *_pooling(params))
        n_places = 1 if params.pooling == "average" else _edge_after(n_px, params) ** 2
        self.hidden = nn.Linear(params.n_filters * n_places, params.n_hidden)
        self.activation = nn.ReLU() if params.is_hidden_activated else nn.Identity()
        self.dropout = nn.Dropout(params.dropout)
        self.answer = nn.Linear(params.n_hidden, 2 if params.head == "softmax" else 1)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return the log odds of right, shape (n,), of `crops`, shape (n, 1, row, col)."""
        outputs = self.answer(self.dropout(self.activation(self.hidden(self.body(crops))))).float()
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]


class AntisymmetricNetwork(nn.Module):
    """h(crop) = g(crop) - g(mirrored crop), for any network g.

    Notes
    -----
    h changes its sign, and nothing else, when a crop is mirrored, to the last bit: mirroring exchanges the two passes,
    which see batches of one shape. There is therefore no bias to a hand, and under mirror labels an image and its
    mirror teach it the same thing.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return the log odds of right, shape (n,), of `crops`, shape (n, 1, row, col)."""
        return self.inner(crops) - self.inner(crops.flip(-1))


def build_handedness_network(params: HandednessNetworkParams, *, n_px: int, rng: np.random.Generator) -> nn.Module:
    """Return a network with random weights for square crops of edge `n_px`, in evaluation mode.

    The process's own random numbers are left as they were.
    """
    if n_px < _LEAST_PX:
        raise Refusal(
            "crop_size", expected=f"crops of at least {_LEAST_PX} x {_LEAST_PX} pixels", got=f"{n_px} x {n_px}"
        )
    with seeded(int(rng.integers(2**63))):
        network = ConvolutionalNetwork(params, n_px)
        network.apply(_start_as_keras)
    wrapped = AntisymmetricNetwork(network) if params.is_antisymmetric else network
    return wrapped.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers are learnt."""
    return sum(parameter.numel() for parameter in network.parameters())


def _block(n_in: int, params: HandednessNetworkParams) -> list[nn.Module]:
    convolution = nn.Conv2d(n_in, params.n_filters, 3, padding=params.padding)
    norm = [nn.BatchNorm2d(params.n_filters)] if params.has_batch_norm else []
    # Pooling first gives the same numbers and gradients to the bit, and leaves a quarter of the places to the ReLU.
    return [convolution, *norm, nn.MaxPool2d(2), nn.ReLU()]


def _pooling(params: HandednessNetworkParams) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if params.pooling == "average" else [nn.Flatten()]


def _edge_after(n_px: int, params: HandednessNetworkParams) -> int:
    for _ in range(2):
        n_px = (n_px - 2 + 2 * params.padding) // 2
    return n_px


def _start_as_keras(layer: nn.Module) -> None:
    """Draw weights as Glorot and Bengio do and set offsets to zero, as the authors' library does by default."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
