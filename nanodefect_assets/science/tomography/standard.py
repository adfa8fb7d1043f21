"""Scan coils from a standard sample: by how much their steps differ, and miss a right angle.

The image of the standard is one scan: what drifted while it was taken counts as distortion, so let it settle first. By
how much its quarters disagree tells of drift, jitter and a field that is not even; noise alone makes smaller errors.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.fft import fft2, fftfreq
from scipy.optimize import minimize
from scipy.signal.windows import hann

from nanodefect_assets.domain.refusal import Refusal

_Image = Float[np.ndarray, "row col"]
Lattice = Literal["square", "hexagonal"]
_LATTICES = {
    "square": np.eye(2),
    "hexagonal": np.array([[1.0, -0.5], [0.0, np.sqrt(0.75)]]),
}
_LEAST_CYCLES = 4
"""Of a spot over the image: what is slower is the image's own shading."""
_LEAST_CONTRAST = 20.0
"""Of a spot's power over the median: noise alone reaches about the logarithm of the number of pixels."""
_RING_CYCLES = (6.0, 12.0)
"""Round a spot, where its power is that of noise: further than the window spreads it."""
_DIFFERENCE_SIGMAS = 0.1
_SIGMAS = 2.0
"""Of its uncertainty, by which a distortion must move the edges of an image to be mended."""
_LEAST_MOVE_PX = 0.1
"""Below which mending does less good than resampling does harm, however surely a distortion is seen."""
_QUARTER_SIGMAS = 4.0 * np.sqrt(1.5)
"""Spread over quarters that noise makes, over the standard error of the whole: a quarter of the electrons, half the
length, and three of four degrees of freedom counted as one of two."""
_LEAST_SPREAD = 2.33
"""Of four quarters over their noise, to be more than noise: chi-squared of three at 0.1 %. Taken for drift, chance
would make the stated error ten times too large: the noise of quarters is five times that of the whole."""
_UNSTEADY = 3.0
_LEAST_CYCLES_OF_QUARTERS = 8


@dataclass(frozen=True, kw_only=True)
class ScanDistortion:
    """What the coils make of the raster: a pixel along columns is `1 + stretch` as long as one along rows.

    Attributes
    ----------
    stretch, shear_deg : float
        By how much longer, and by how much their angle misses 90 degrees.
    stretch_sigma, shear_sigma_deg : float
        Standard errors, from the noise round the spots of the lattice and, where that is larger than noise, the spread
        over the quarters of the image: what wanders within one scan does so from scan to scan.
    period_px : float
        Mean period of the lattice whose spots were measured, in pixels.
    spread_ratio : float or None
        Spread of stretch or shear over the quarters, over that of their noise, about 1 for a steady scan; None for an
        image of too few periods.
    """

    stretch: float
    shear_deg: float
    stretch_sigma: float
    shear_sigma_deg: float
    period_px: float
    spread_ratio: float | None = None

    @property
    def is_unsteady(self) -> bool:
        """Whether the quarters disagree by far more than noise makes."""
        return self.spread_ratio is not None and self.spread_ratio > _UNSTEADY

    @property
    def matrix(self) -> Float[np.ndarray, "2 2"]:
        """Steps of the sample (row, col) for one pixel along rows and columns."""
        shear, along_cols = np.deg2rad(self.shear_deg), 1 + self.stretch
        return np.array([[1.0, along_cols * np.sin(shear)], [0.0, along_cols * np.cos(shear)]])

    def edge_px(self, n_cols: int) -> tuple[float, float]:
        """Return how far the left and right edges of an image are moved, in pixels, and the standard error of that."""
        moved = np.hypot(*(self.matrix - np.eye(2))[:, 1])
        unsure = np.hypot(self.stretch_sigma, np.deg2rad(self.shear_sigma_deg))
        return float(n_cols / 2 * moved), float(n_cols / 2 * unsure)

    def is_seen_in(self, n_cols: int) -> bool:
        """Whether it moves the edges of an image by a tenth of a pixel and twice the standard error, or more."""
        moved_px, unsure_px = self.edge_px(n_cols)
        return moved_px > max(_SIGMAS * unsure_px, _LEAST_MOVE_PX)


def measure_standard(image: _Image, lattice: Lattice) -> ScanDistortion:
    """Return the distortion of the scan that shows a known lattice.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Lattice image of a known crystal or grating, under the conditions of the series.
    lattice : str
        What it looks like along the beam: two equal periods at 90 or at 120 degrees.

    Notes
    -----
    Periods a, b as seen in pixels, the columns of L, are the true ones up to the matrix M, a rotation and a scale:
    L^T M^T M L ~ T^T T. M is the upper triangle with 1 in front that solves this (its Cholesky factor): only shape
    counts, for scale is the pixel size's matter and rotation the sample's.

    Raises
    ------
    Refusal
        If pixels are not finite, or no two spots of the lattice stand out of the transform.
    """
    counts = np.asarray(image, dtype=float)
    if not np.isfinite(counts).all():
        got = f"{int((~np.isfinite(counts)).sum())} others"
        raise Refusal("not_finite", expected="finite counts in the standard's image", got=got)
    window = hann(counts.shape[0])[:, None] * hann(counts.shape[1])
    windowed = (counts - counts.mean()) * window
    spots = _two_spots(windowed, lattice)
    sigmas = np.array([_spot_sigma(windowed, window, spot) for spot in spots])
    stretch, shear_deg = _shape_of(spots, lattice)
    variance = np.zeros(2)
    for place in np.ndindex(2, 2):
        moved = spots.copy()
        moved[place] += _DIFFERENCE_SIGMAS * sigmas[place]
        variance += ((np.array(_shape_of(moved, lattice)) - (stretch, shear_deg)) / _DIFFERENCE_SIGMAS) ** 2
    spread = _spread_of_quarters(counts, spots, lattice)
    ratio = None
    if spread is not None:
        of_noise = _QUARTER_SIGMAS * np.sqrt(variance)
        ratios = spread / np.maximum(of_noise, 1e-30)
        ratio = float(ratios.max())
        variance += np.where(ratios > _LEAST_SPREAD, spread**2 - of_noise**2, 0)
    return ScanDistortion(
        stretch=stretch,
        shear_deg=shear_deg,
        stretch_sigma=float(np.sqrt(variance[0])),
        shear_sigma_deg=float(np.sqrt(variance[1])),
        spread_ratio=ratio,
        period_px=float(np.linalg.norm(np.linalg.inv(spots), axis=0).mean()),
    )


def _spread_of_quarters(
    counts: _Image, spots: Float[np.ndarray, "2 2"], lattice: Lattice
) -> Float[np.ndarray, " 2"] | None:
    """Return the spread of stretch and shear over the quarters; None if too few periods lie in them.

    Quarters scanned side by side share their drift: for their mean, four count as two.
    """
    if (np.hypot(*spots.T) * min(counts.shape)).min() < _LEAST_CYCLES_OF_QUARTERS:
        return None
    n_rows, n_cols = (n // 2 for n in counts.shape)
    window = hann(n_rows)[:, None] * hann(n_cols)
    shapes = []
    for rows, cols in product((np.s_[:n_rows], np.s_[-n_rows:]), (np.s_[:n_cols], np.s_[-n_cols:])):
        part = counts[rows, cols]
        windowed = (part - part.mean()) * window
        shapes.append(_shape_of(np.array([_peak(windowed, spot) for spot in spots]), lattice))
    return np.sqrt(2) * np.std(shapes, axis=0)


def _shape_of(spots: Float[np.ndarray, "2 2"], lattice: Lattice) -> tuple[float, float]:
    """Return stretch and shear, in degrees, at which the spots are those of the true lattice."""
    true = _LATTICES[lattice]
    # Columns of the inverse are the periods: spots @ periods = 1.
    metric = spots.T @ true.T @ true @ spots
    upper = np.linalg.cholesky(metric).T
    along_rows, along_cols = upper[:, 1] / upper[0, 0]
    return float(np.hypot(along_rows, along_cols) - 1), float(np.rad2deg(np.arctan2(along_rows, along_cols)))


def _two_spots(windowed: _Image, lattice: Lattice) -> Float[np.ndarray, "2 2"]:
    """Return the two strongest spots of the transform that span the lattice, as rows of (row, col) cycles a pixel."""
    shape = windowed.shape
    power = np.abs(fft2(windowed)) ** 2
    cycles = np.stack(np.meshgrid(fftfreq(shape[0]), fftfreq(shape[1]), indexing="ij"))
    radius = np.hypot(*cycles)
    power[(radius * min(shape) < _LEAST_CYCLES) | (radius > 0.45)] = 0
    limit = _LEAST_CONTRAST * float(np.median(power[power > 0])) if power.any() else np.inf
    first = _strongest(power, cycles, limit)
    wanted = 90.0 if lattice == "square" else 60.0
    angle = np.rad2deg(np.arctan2(cycles[1], cycles[0])) - np.rad2deg(np.arctan2(first[1], first[0]))
    near_angle = np.abs((angle - wanted + 180) % 360 - 180) < 10
    near_radius = np.abs(radius / np.hypot(*first) - 1) < 0.15
    second = _strongest(np.where(near_angle & near_radius, power, 0), cycles, limit)
    return np.array([_peak(windowed, first), _peak(windowed, second)])


def _strongest(power: _Image, cycles: Float[np.ndarray, "2 row col"], limit: float) -> Float[np.ndarray, " 2"]:
    at = np.unravel_index(int(np.argmax(power)), power.shape)
    if not power[at] > limit:
        raise Refusal(
            "no_lattice",
            expected="two spots of the lattice in the transform of the standard's image",
            got="none that stands out",
            advice="Give an image that shows the crystal along the stated axis, or leave the standard out.",
        )
    return cycles[:, at[0], at[1]]


def _peak(windowed: _Image, start: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
    """Return where, next to `start`, the transform is largest between its samples."""

    def loss(offset: np.ndarray) -> float:
        return -abs(_transform(windowed, start + offset / windowed.shape))

    return start + minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-4}).x / windowed.shape


def _transform(windowed: _Image, cycles: Float[np.ndarray, " 2"]) -> complex:
    rows, cols = (np.exp(-2j * np.pi * at * _places(n)) for at, n in zip(cycles, windowed.shape, strict=True))
    return complex(rows @ windowed @ cols)


def _places(n: int) -> Float[np.ndarray, " n"]:
    return np.arange(n) - (n - 1) / 2


def _cycles_from(at: float, n: int) -> Float[np.ndarray, " n"]:
    """Return how far each sample of a transform lies from a frequency, in cycles over the image."""
    return (np.arange(n) - at * n + n / 2) % n - n / 2


def _spot_sigma(windowed: _Image, window: _Image, spot: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
    """Return the standard error of a spot's place (row, col), in cycles a pixel.

    Notes
    -----
    For a peak F of height |F| under white noise of variance s^2 a pixel, windowed by w: the noise of its slope,
    s sqrt(sum w^2 x^2 / 2), over its curvature, 2 pi |F| sum w x^2 / sum w. The noise is that of the power in a ring
    round the spot, where it may be higher than elsewhere.
    """
    power = np.abs(fft2(windowed)) ** 2
    along_rows, along_cols = (_cycles_from(at, n) for at, n in zip(spot, windowed.shape, strict=True))
    away = np.hypot(along_rows[:, None], along_cols)
    ring = (away >= _RING_CYCLES[0]) & (away <= _RING_CYCLES[1])
    noise = np.median(power[ring]) / np.log(2)  # of a power that is spread exponentially, the mean
    pixel_sd = np.sqrt(noise / (window**2).sum())
    sigmas = np.empty(2)
    for axis, n in enumerate(windowed.shape):
        squares = np.expand_dims(_places(n) ** 2, 1 - axis)
        slope = pixel_sd * np.sqrt((window**2 * squares).sum() / 2)
        curvature = 2 * np.pi * abs(_transform(windowed, spot)) * (window * squares).sum() / window.sum()
        sigmas[axis] = slope / curvature
    return sigmas
