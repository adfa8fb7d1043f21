"""How noisy the pixels of a tilt series are, read from what a model leaves over."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from nanodefect_assets.science.tomography.atom_images import Images

_N_BINS = 32
_N_FITS = 3
_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class PixelNoise:
    """Variance of a pixel: constant + gain times what is expected there.

    Attributes
    ----------
    constant : float
        Variance where nothing is expected, as that of read-out and of a background that was taken away.
    gain : float
        Counts per electron: 1 where electrons are counted.
    """

    constant: float
    gain: float

    def weights(self, expected: Images) -> Images:
        """Return one over the variance of each pixel."""
        typical = self.constant + self.gain * float(np.abs(expected).mean())
        variance = np.maximum(self.constant + self.gain * expected, 0.02 * typical)
        return (1 / np.maximum(variance, _FLOOR)).astype(np.float32)


def measure_noise(expected: Images, residual: Images) -> PixelNoise:
    """Fit constant and gain, neither below zero, to the variance of the residual where the model is dim to bright.

    Notes
    -----
    What the model cannot explain counts as noise, so that uncertainties grow with it. Noise that neighbouring pixels
    share, as after denoising, is not seen as such: uncertainties are then too small.
    """
    edges = np.unique(np.quantile(expected.ravel()[::7], np.linspace(0, 1, _N_BINS + 1)))
    n_bins = max(len(edges) - 1, 1)
    bins = np.clip(np.searchsorted(edges, expected.ravel(), side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins).astype(float)
    level = _mean(bins, expected.ravel(), counts)
    variance = _mean(bins, residual.ravel() ** 2, counts)
    columns = np.stack([np.ones(n_bins), np.maximum(level, 0)], axis=1)
    # Trusted by the variance that is expected: the measured one of a few well fitted pixels may be next to nothing.
    found = np.array([float(counts @ variance / counts.sum()), 0.0])
    for _ in range(_N_FITS):
        trust = np.sqrt(counts) / np.maximum(columns @ found, _FLOOR)
        found, _ = nnls(columns * trust[:, None], variance * trust)
    return PixelNoise(constant=float(found[0]), gain=float(found[1]))


def _mean(bins: np.ndarray, values: np.ndarray, counts: Float[np.ndarray, " bin"]) -> Float[np.ndarray, " bin"]:
    return np.bincount(bins, values.astype(float), len(counts)) / np.maximum(counts, 1)
