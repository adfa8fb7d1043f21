"""Augmentation that keeps the hand: rotation, zoom and shear, never a mirror."""

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional

from nanodefect_assets.science.sem.params import HandednessAugmentationParams

_Maps = Float[np.ndarray, "n 2 2"]


def augment(crops: torch.Tensor, params: HandednessAugmentationParams, *, rng: np.random.Generator) -> torch.Tensor:
    """Return each crop turned, zoomed and sheared about its middle by random amounts.

    Parameters
    ----------
    crops : tensor of shape (n, 1, row, col)
        Intensities, zero outside the particle; what comes in from beyond the frame is zero too.
    """
    maps = draw_maps(len(crops), params, rng=rng)
    theta = torch.zeros(len(crops), 2, 3, device=crops.device)
    theta[:, :, :2] = torch.from_numpy(maps).to(crops)
    places = functional.affine_grid(theta, list(crops.shape), align_corners=False)
    moved = functional.grid_sample(crops, places, mode="bilinear", padding_mode="zeros", align_corners=False)
    if params.max_contrast:
        gains = 1 + params.max_contrast * rng.uniform(-1, 1, (len(crops), 1, 1, 1)).astype(np.float32)
        moved = moved * torch.from_numpy(gains).to(crops)
    return moved


def draw_maps(n: int, params: HandednessAugmentationParams, *, rng: np.random.Generator) -> _Maps:
    """Return n random linear maps from (x, y) of the result to (x, y) of the crop.

    Notes
    -----
    The determinant of each is positive: rotation and shear have determinant 1, zoom is by a positive factor.
    """
    turned = rng.integers(0, 2, n) if params.half_turn else np.zeros(n)
    angle = np.deg2rad(180 * turned + params.max_rotation_deg * rng.uniform(-1, 1, n))
    shear = params.max_shear * rng.uniform(-1, 1, n)
    scale = 1 / (1 + params.max_zoom * rng.uniform(-1, 1, n))
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [[cos, cos * shear - sin], [sin, sin * shear + cos]]
    return (scale * np.array(rows)).transpose(2, 0, 1).astype(np.float32)
