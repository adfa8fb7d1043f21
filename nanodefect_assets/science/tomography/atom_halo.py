"""The wider halo of atoms' images in dark field: how much of the intensity lies in it, and how wide it is."""

from dataclasses import replace

import numpy as np

from nanodefect_assets.science.tomography.atom_images import Images
from nanodefect_assets.science.tomography.atom_model import AtomState

_WIDTHS = (2.0, 3.0, 4.5)
"""Tried for what the Gaussian is blurred by, in its standard deviations."""
_LARGEST = 0.5


def with_best_halo(state: AtomState, images: Images, weights: Images) -> AtomState:
    """Return the state with the halo that explains the images best, everything else but level and background kept.

    Notes
    -----
    For each width, images = a core + b blurred core + c is solved by weighted least squares; the halo's share is
    b / (a + b), none where that is negative.
    """
    core = replace(state, halo=0.0, background=np.zeros(len(images))).images()
    width = float(np.median(state.sigma_angstrom))
    tried = [_tried(core, state.blurred(core, ratio * width), images, weights) for ratio in _WIDTHS]
    gains = [gain for gain, _ in tried]
    best = int(np.argmax(gains))
    share = float(np.clip(tried[best][1], 0, _LARGEST))
    return replace(state, halo=share, halo_angstrom=_WIDTHS[best] * width)


def _tried(core: Images, blurred: Images, images: Images, weights: Images) -> tuple[float, float]:
    """Return what the misfit loses by core, halo and background, and the halo's share."""
    parts = [core, blurred, np.ones_like(core)]
    normal = np.array([[np.sum(weights * a * b, dtype=float) for b in parts] for a in parts])
    right = np.array([np.sum(weights * a * images, dtype=float) for a in parts])
    found = np.linalg.lstsq(normal, right, rcond=None)[0]
    total = found[0] + found[1]
    return float(found @ right), float(found[1] / total) if total > 0 else 0.0
