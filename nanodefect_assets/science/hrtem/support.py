"""What the support of a micrograph looks like beside its particles: what is seen of a particle is measured by it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft
from scipy.ndimage import uniform_filter

from nanodefect_assets.science.imaging.spectrum import ring_backgrounds

_Image = Float[np.ndarray, "row col"]
_Mask = Bool[np.ndarray, "row col"]

_PATCH_PX, _STEP_PX, _MOST_PATCHES = 64, 32, 40
_LEAST_SHARE = 0.75
"""Of a patch, that is support; where there is no such patch, the few best are taken."""

_FEW = 4
_LEAST_SPREAD = 1e-6
"""Of the median, where an image is blank."""


@dataclass(frozen=True, kw_only=True)
class Support:
    """The support of a micrograph.

    Attributes
    ----------
    median : float
        Of its counts.
    spread : float
        Standard deviation of its counts that few bright or dark ones do not change.
    power : tuple of float
        Power of its texture and noise at frequencies from 0 to half a cycle a pixel, in equal steps; white noise has
        its variance everywhere.
    """

    median: float
    spread: float
    power: tuple[float, ...]

    def power_at(self, cycles_per_px: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return the power at frequencies; beyond half a cycle a pixel that of half a cycle."""
        return np.interp(cycles_per_px, np.linspace(0, 0.5, len(self.power)), self.power)


def describe_support(counts: _Image, is_support: _Mask) -> Support:
    """Return what the support of a micrograph looks like; where particles leave none, the whole micrograph.

    Parameters
    ----------
    counts : ndarray of shape (row, col)
        The micrograph, any gain and offset.
    is_support : ndarray of shape (row, col)
        Pixels beside the particles.
    """
    if not is_support.any():
        is_support = np.ones_like(is_support)
    low, median, high = np.quantile(counts[is_support], [0.1587, 0.5, 0.8413])
    spread = max(float(high - low) / 2, _LEAST_SPREAD * max(abs(float(median)), 1.0))
    return Support(median=float(median), spread=spread, power=_power(counts, is_support, spread))


def _power(counts: _Image, is_support: _Mask, spread: float) -> tuple[float, ...]:
    """Return the mean power of rings of frequency over patches of support, beside peaks of what was not labelled."""
    patch_px = min(_PATCH_PX, *counts.shape)
    corners = _best_corners(is_support, patch_px)
    window = np.hanning(patch_px + 2)[1:-1]
    powers = [_spectrum(counts[at], is_support[at] * np.outer(window, window)) for at in corners]
    rings = ring_backgrounds(np.stack(powers))[: patch_px // 2 + 1]
    return tuple(np.maximum(rings, 1e-6 * spread**2).tolist())


def _spectrum(patch: _Image, weights: _Image) -> Float[np.ndarray, "row half_col"]:
    """Return the power of a patch as seen through weights."""
    inside = patch - (patch * weights).sum() / weights.sum()
    return np.square(np.abs(fft.rfft2(inside * weights))) / np.square(weights).sum()


def _best_corners(is_support: _Mask, patch_px: int) -> list[tuple[slice, slice]]:
    """Return the windows of a grid that hold most support, the best first."""
    shares = uniform_filter(is_support.astype(np.float32), patch_px, origin=-(patch_px // 2), mode="constant")
    tops, lefts = (np.arange(0, n - patch_px + 1, min(_STEP_PX, patch_px)) for n in is_support.shape)
    found = shares[np.ix_(tops, lefts)]
    order = np.argsort(-found, axis=None, kind="stable")
    n_good = max(int((found >= _LEAST_SHARE).sum()), min(_FEW, found.size))
    places = zip(*np.unravel_index(order[: min(n_good, _MOST_PATCHES)], found.shape), strict=True)
    return [
        (slice(tops[row], tops[row] + patch_px), slice(lefts[col], lefts[col] + patch_px))
        for row, col in places
        if found[row, col] > 0
    ]
