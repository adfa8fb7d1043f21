"""The small U-Net of fig. 3.1: 65,490 numbers."""

from typing import Literal

import torch
from torch import Tensor, nn

Variant = Literal["text", "authors"]

_FILTERS = (4, 8, 16, 32)
_EPSILON = 1e-4


class UNet(nn.Module):
    """Four encoder blocks, a centre, four decoder blocks, scores of classes at every pixel.

    Parameters
    ----------
    n_classes : int
        Classes, the support included.
    in_channels : int
        Channels of the image.
    dropout : float
        Share of features set to zero between the two convolutions of a decoder block.
    variant : {"text", "authors"}
        text: a ReLU before both the skip and the pooling, as the figure is described. authors: as in the authors' code,
        the next level receives the pooled batch norm without a ReLU; only the skip has one.

    Notes
    -----
    Without the softmax of the figure's last layer: the loss takes its logarithm, which is exact where the softmax has
    underflowed.

    References
    ----------
    C. K. Groschner, C. Choi, M. C. Scott, Microsc. Microanal. 27, 549 (2021), doi:10.1017/S1431927621000386.
    """

    def __init__(
        self, n_classes: int, *, in_channels: int = 1, dropout: float = 0.2, variant: Variant = "text"
    ) -> None:
        super().__init__()
        if variant not in ("text", "authors"):
            raise ValueError(f"Expected variant 'text' or 'authors'. Got {variant!r}.")
        widest = _FILTERS[-1]
        self.has_relu_before_pool = variant == "text"
        self.encoder = nn.ModuleList(
            _conv_norm(n_in, n_out) for n_in, n_out in zip((in_channels, *_FILTERS), _FILTERS, strict=False)
        )
        self.centre = nn.Sequential(_conv_norm(widest, widest), _relu(), _conv_norm(widest, widest), _relu())
        below = (widest, *_FILTERS[:0:-1])
        self.decoder = nn.ModuleList(
            _decoder_block(n_below + n_out, n_out, dropout)
            for n_below, n_out in zip(below, _FILTERS[::-1], strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2)
        self.head = nn.Conv2d(_FILTERS[0], n_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores of shape (n, class, row, col); rows and columns must be multiples of 16."""
        skips, features = [], images
        for block in self.encoder:
            normed = block(features)
            skips.append(torch.relu_(normed) if self.has_relu_before_pool else torch.relu(normed))
            features = self.pool(skips[-1] if self.has_relu_before_pool else normed)
        features = self.centre(features)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            features = block(torch.cat([self.upsample(features), skip], dim=1))
        return self.head(features)


def _relu() -> nn.ReLU:
    """Return a ReLU that overwrites its input: neither a batch norm nor a ReLU wants it back to learn."""
    return nn.ReLU(inplace=True)


def _conv_norm(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out, eps=_EPSILON))


def _decoder_block(n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        _conv_norm(n_in, n_out),
        _relu(),
        nn.Dropout(dropout),
        _conv_norm(n_out, n_out),
        _relu(),
    )
