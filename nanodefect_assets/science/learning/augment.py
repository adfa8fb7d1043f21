"""Patches turned, mirrored, zoomed, brightened and made noisy: a pure function of seed and step."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from nanodefect_assets.science.learning.params import TrainingParams

_SQUARE_TURNS, _OBLONG_TURNS = (0, 1, 2, 3), (0, 2)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What happens to each patch of a batch.

    Attributes
    ----------
    quarter_turns : ndarray of shape (n,)
        Rotations by 90 degrees.
    is_mirrored : ndarray of shape (n,)
        Whether columns are reversed, before the rotation.
    is_turned : ndarray of shape (n,)
        Whether the patch is also turned by any angle and zoomed.
    angle_deg, zoom : ndarray of shape (n,)
        By how much; a zoom above 1 enlarges.
    gain, offset, noise : ndarray of shape (n,)
        Factor of the contrast; shift and standard deviation of the noise in standard deviations of the patch.
    """

    quarter_turns: Int[np.ndarray, " n"]
    is_mirrored: Bool[np.ndarray, " n"]
    is_turned: Bool[np.ndarray, " n"]
    angle_deg: Float[np.ndarray, " n"]
    zoom: Float[np.ndarray, " n"]
    gain: Float[np.ndarray, " n"]
    offset: Float[np.ndarray, " n"]
    noise: Float[np.ndarray, " n"]


def draw(n: int, *, is_square: bool, params: TrainingParams, rng: np.random.Generator) -> Draws:
    """Draw what happens to `n` patches; oblong ones are not turned by 90 or 270 degrees."""
    turns = _SQUARE_TURNS if is_square else _OBLONG_TURNS
    return Draws(
        quarter_turns=rng.choice(turns, size=n) * params.has_flips,
        is_mirrored=(rng.random(n) < 0.5) & params.has_flips,
        is_turned=rng.random(n) < params.rotated_share,
        angle_deg=rng.uniform(0, 360, size=n),
        zoom=_factors(params.max_zoom, n, rng),
        gain=_factors(params.max_gain, n, rng),
        offset=params.max_offset * rng.uniform(-1, 1, size=n),
        noise=params.max_noise * rng.random(n),
    )


def _factors(largest: float, n: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """Draw factors between 1 + `largest` and its inverse, as many above 1 as below."""
    return np.exp(math.log1p(largest) * rng.uniform(-1, 1, size=n))


def augment(images: Tensor, classes: Tensor, draws: Draws, *, seed: int) -> tuple[Tensor, Tensor]:
    """Return changed copies of patches and of their labels.

    Parameters
    ----------
    images : Tensor of shape (n, row, col)
        Normalised counts, float32.
    classes : Tensor of shape (n, row, col)
        Labels, uint8.
    draws : Draws
        What happens to each patch.
    seed : int
        Of the noise.

    Notes
    -----
    Rotations by 90 degrees and mirror images move pixels and change none. Free rotation interpolates the image between
    pixels, takes the nearest label, and reflects what lies inside to fill the corners.
    """
    images = _flipped(images, draws)
    classes = _flipped(classes, draws)
    if draws.is_turned.any():
        which = torch.from_numpy(np.flatnonzero(draws.is_turned)).to(images.device)
        images[which], classes[which] = _turned(images[which], classes[which], draws)
    return _change_counts(images, draws, seed), classes


def _flipped(stack: Tensor, draws: Draws) -> Tensor:
    found = torch.empty_like(stack)
    for index, (turns, is_mirrored) in enumerate(zip(draws.quarter_turns, draws.is_mirrored, strict=True)):
        patch = stack[index].flip(1) if is_mirrored else stack[index]
        found[index] = torch.rot90(patch, int(turns))
    return found


def _turned(images: Tensor, classes: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Turn and zoom about the centre; positions run from -1 to 1 along rows and columns, whatever their lengths."""
    angle = np.deg2rad(draws.angle_deg[draws.is_turned])
    cosine, sine = np.cos(angle) / draws.zoom[draws.is_turned], np.sin(angle) / draws.zoom[draws.is_turned]
    n_rows, n_cols = images.shape[1:]
    zero = np.zeros_like(angle)
    matrices = np.stack(
        [np.stack([cosine, -sine * n_rows / n_cols, zero], 1), np.stack([sine * n_cols / n_rows, cosine, zero], 1)], 1
    )
    theta = torch.from_numpy(matrices.astype(np.float32)).to(images.device)
    grid = affine_grid(theta, [len(angle), 1, n_rows, n_cols], align_corners=False)
    turned = grid_sample(images[:, None], grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    labels = grid_sample(classes[:, None].float(), grid, mode="nearest", padding_mode="reflection", align_corners=False)
    return turned[:, 0], labels[:, 0].to(classes.dtype)


def _change_counts(images: Tensor, draws: Draws, seed: int) -> Tensor:
    sd, mean = torch.std_mean(images, dim=(1, 2), keepdim=True, correction=0)
    gain, offset, noise = (
        torch.from_numpy(values.astype(np.float32)).to(images.device)[:, None, None]
        for values in (draws.gain, draws.offset, draws.noise)
    )
    changed = torch.addcmul(mean * (1 - gain) + sd * offset, images, gain)
    if not draws.noise.any():
        return changed
    generator = torch.Generator(images.device).manual_seed(seed)
    white = torch.randn(images.shape, generator=generator, device=images.device)
    return changed.addcmul_(white, sd * noise)
