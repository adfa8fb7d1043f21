"""How much noise counts carry, judged from the images, and the transform that makes it even.

References
----------
.. [1] M. Makitalo, A. Foi, Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian noise,
   IEEE Trans. Image Process. 22, 91 (2013), doi:10.1109/TIP.2012.2202675.
.. [2] A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, Practical Poissonian-Gaussian noise modeling and fitting for
   single-image raw-data, IEEE Trans. Image Process. 17, 1737 (2008), doi:10.1109/TIP.2008.2001399.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter

_FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
_GAIN_OF_FOURTH = float((_FOURTH**2).sum())
_MEDIAN_OF_NORMAL = 0.67449
"""Median of the absolute value of a normal variable of unit variance."""
_LEVELS = 24
_FEWEST_PIXELS = 200
_WINDOW_PX = 9

_Image = Float[np.ndarray, "row col"]


@dataclass(frozen=True, kw_only=True)
class NoiseModel:
    """Variance of counts as a line over their mean: variance = gain * mean + at_zero.

    Attributes
    ----------
    gain : float
        Counts that one electron makes; 0 for noise that does not grow with intensity.
    at_zero : float
        Squared read noise less gain times offset, in squared counts. The two cannot be told apart from images alone,
        nor need they be: transform and inverse depend on this difference only.
    """

    gain: float
    at_zero: float

    def __post_init__(self) -> None:
        if not (self.gain >= 0 and np.isfinite([self.gain, self.at_zero]).all()):
            raise ValueError(f"Expected a finite line with gain >= 0. Got {self.gain} and {self.at_zero}.")
        if self.gain == 0 and not self.at_zero > 0:
            raise ValueError(f"Expected noise. Got gain 0 and variance {self.at_zero}.")

    def variance(self, mean: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Return the variance of counts of a given mean."""
        return np.maximum(self.gain * mean + self.at_zero, 0)

    def read_noise(self, offset_counts: float = 0.0) -> float:
        """Return the standard deviation of the read noise, in counts, for a detector with a known offset."""
        return float(np.sqrt(max(self.at_zero + self.gain * offset_counts, 0)))

    def offset(self, read_noise_counts: float = 0.0) -> float:
        """Return the detector's offset, in counts, for a known read noise."""
        return (read_noise_counts**2 - self.at_zero) / self.gain if self.gain else 0.0


def estimate_noise(images: Float[np.ndarray, "tilt row col"]) -> NoiseModel:
    """Judge gain and read noise from images.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Counts as they were detected: not resampled, not smoothed.

    Notes
    -----
    Noise is what fourth differences along both directions leave, in which all that is smooth over five pixels cancels.
    Its variance, from the median so that edges do not count, is had at many levels of the local mean; a line is laid
    through them that does not heed levels far off it [2]_.
    """
    levels = [_levels(image) for image in np.asarray(images, dtype=float)]
    means, variances, weights = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    gain, at_zero = _robust_line(means, variances, weights)
    if gain <= 0 or gain * np.ptp(means) < 0.02 * np.median(variances):
        return NoiseModel(gain=0.0, at_zero=float(max(np.average(variances, weights=weights), 1e-12)))
    return NoiseModel(gain=gain, at_zero=at_zero)


def noise_image(image: _Image) -> Float[np.ndarray, "row_less col_less"]:
    """Return fourth differences along both directions, with the variance of a pixel where pixels are independent."""
    for axis in (0, 1):
        image = np.diff(image, n=4, axis=axis)
    return image / _GAIN_OF_FOURTH


def noise_sd(image: _Image) -> float:
    """Return the standard deviation of a pixel's noise, where it is the same all over."""
    return float(np.median(np.abs(noise_image(np.asarray(image, dtype=float)))) / _MEDIAN_OF_NORMAL)


def _levels(image: _Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, variance and number of the pixels at levels of the local mean."""
    noise = np.abs(noise_image(image)).ravel()
    mean = uniform_filter(image, _WINDOW_PX, mode="nearest")[2:-2, 2:-2].ravel()
    n_levels = max(min(_LEVELS, len(mean) // _FEWEST_PIXELS), 1)
    parts = np.array_split(np.argsort(mean, kind="stable"), n_levels)
    variances = [(np.median(noise[part]) / _MEDIAN_OF_NORMAL) ** 2 for part in parts]
    return np.array([mean[part].mean() for part in parts]), np.array(variances), np.array([len(part) for part in parts])


def _robust_line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Fit y = a x + b with errors that grow with y, heeding outliers less and less."""
    heed = np.ones_like(y)
    scale = np.maximum(y, 1e-3 * max(float(y.max()), 1e-30))
    slope, intercept = 0.0, float(np.median(y))
    for _ in range(20):
        strength = np.sqrt(weights * heed) / scale
        design = np.stack([x, np.ones_like(x)], axis=1) * strength[:, None]
        (slope, intercept), *_ = np.linalg.lstsq(design, y * strength, rcond=None)
        fitted = slope * x + intercept
        scale = np.maximum(fitted, 1e-2 * max(float(np.abs(fitted).max()), 1e-30))
        off = (y - fitted) / scale
        spread = max(float(np.median(np.abs(off))) / _MEDIAN_OF_NORMAL, 1e-6)
        heed = 1 / (1 + (off / (2 * spread)) ** 2) ** 2
    return float(slope), float(intercept)


def stabilise(counts: Float[np.ndarray, "*any"], noise: NoiseModel) -> Float[np.ndarray, "*any"]:
    """Return counts on a scale on which their noise has unit variance: generalised Anscombe [1]_, eq. 2."""
    if noise.gain == 0:
        return counts / np.sqrt(noise.at_zero)
    inside = noise.gain * counts + 0.375 * noise.gain**2 + noise.at_zero
    return 2 / noise.gain * np.sqrt(np.maximum(inside, 0))


def destabilise(values: Float[np.ndarray, "*any"], noise: NoiseModel) -> Float[np.ndarray, "*any"]:
    """Return the mean counts whose transform has the given mean: the exact unbiased inverse.

    Notes
    -----
    The closed form of [1]_, eqs. 10 and 11: D^2 / 4 + sqrt(3 / 2) / (4 D) - 11 / (8 D^2) + 5 sqrt(3 / 2) / (8 D^3)
    - 1 / 8 - sigma^2. The plain algebraic inverse is too dark by about
    a quarter of an electron.
    """
    if noise.gain == 0:
        return values * np.sqrt(noise.at_zero)
    least = 2 * np.sqrt(0.375)
    d = np.maximum(values, least)
    root = np.sqrt(1.5)
    electrons = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 0.125
    return noise.gain * np.maximum(electrons, 0) - noise.at_zero / noise.gain
