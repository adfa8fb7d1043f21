"""The small U-Net for inference: what its decoder computes twice is computed once, to the same answer.

A decoder block repeats every pixel of the coarse features twice in each direction, puts the skip beside them and
convolves both. Here the coarse features go through one transposed convolution of stride 2, whose kernel holds the sums
of the weights that meet the same pixel: four ninths of the products, and neither the repeated nor the joined features
are ever in memory. The skip has its own convolution, and the two are added.
"""

import torch
from torch import Tensor, nn

from nanodefect_assets.science.learning.unet import UNet


class FoldedUNet(nn.Module):
    """A `UNet` for inference alone, without a say of its own: it is made from one and answers like it, up to rounding.

    Parameters
    ----------
    network : UNet
        Its batch norms are folded into its convolutions already; its modules are used, not copied.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.has_relu_before_pool = network.has_relu_before_pool
        self.encoder, self.centre, self.pool, self.head = network.encoder, network.centre, network.pool, network.head
        self.decoder = nn.ModuleList(_FoldedBlock(block) for block in network.decoder)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores of shape (n, class, row, col); rows and columns must be multiples of 16."""
        skips, features = [], images
        for block in self.encoder:
            normed = block(features)
            skips.append(torch.relu_(normed) if self.has_relu_before_pool else torch.relu(normed))
            features = self.pool(skips[-1] if self.has_relu_before_pool else normed)
        features = self.centre(features)
        for block in self.decoder:
            features = block(features, skips.pop())
        return self.head(features)


class _FoldedBlock(nn.Module):
    """A decoder block whose first convolution is parted: coarse features, and skip."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        first, second = block[0][0], block[3]  # pyright: ignore[reportIndexIssue]  # a Sequential, see `UNet`
        n_below = first.in_channels - first.out_channels  # the skip has as many features as the block
        self.below = _upsampling_convolution(first.weight[:, :n_below], first.bias)
        self.skip = nn.Conv2d(first.out_channels, first.out_channels, 3, padding=1, bias=False)
        with torch.no_grad():
            self.skip.weight.copy_(first.weight[:, n_below:])
        self.second = second

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        joined = self.below(features)
        joined += self.skip(skip)
        return torch.relu_(self.second(torch.relu_(joined)))


def _upsampling_convolution(weight: Tensor, bias: Tensor) -> nn.ConvTranspose2d:
    """Return the convolution of stride 1/2 that repeats pixels twice and then convolves with `weight`, 3 x 3.

    Notes
    -----
    Along one axis pixel 2 i of the fine image sees the coarse pixels i - 1, i, i through the three weights, pixel
    2 i + 1 sees i, i, i + 1. Gathered by coarse pixel, the four taps of the transposed convolution are the weights
    (w2, w1 + w2, w0 + w1, w0).
    """
    n_out, n_in = weight.shape[:2]
    found = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1)
    taps = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]], dtype=weight.dtype, device=weight.device)
    with torch.no_grad():
        found.weight.copy_(torch.einsum("oiyx,yr,xc->iorc", weight, taps, taps))
        found.bias.copy_(bias)  # pyright: ignore[reportOptionalMemberAccess]
    return found
