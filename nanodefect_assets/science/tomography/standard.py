"""Scan coils from a standard sample: by how much their steps differ, and miss a right angle."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.fft import fft2, fftfreq
from scipy.optimize import minimize
from scipy.signal.windows import hann

from nanodefect_assets.domain.refusal import Refusal

_Image = Float[np.ndarray, "row col"]
_LATTICES = {
    "square": np.eye(2),
    "hexagonal": np.array([[1.0, -0.5], [0.0, np.sqrt(0.75)]]),
}
_LEAST_CYCLES = 4
"""Of a spot over the image: what is slower is the image's own shading."""
_LEAST_CONTRAST = 20.0
"""Of a spot's power over the median: noise alone reaches about the logarithm of the number of pixels."""


def matrix_of_standard(image: _Image, lattice: Literal["square", "hexagonal"] = "square") -> Float[np.ndarray, "2 2"]:
    """Return the steps of the sample (row, col) for one pixel along rows and columns.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Lattice image of a known crystal, under the conditions of the series.
    lattice : str
        What the crystal looks like along the beam: two equal periods at 90 or at 120 degrees.

    Notes
    -----
    Periods a, b as seen in pixels, the columns of L, are the true ones up to the matrix M, a rotation and a scale:
    L^T M^T M L ~ T^T T. M is the upper triangle with 1 in front that solves this (its Cholesky factor): only shape
    counts, for scale is the pixel size's matter and rotation the sample's.
    """
    spots = _two_spots(np.asarray(image, dtype=float), lattice)
    seen = np.linalg.inv(spots)  # columns are the periods: spots @ periods = 1
    true = _LATTICES[lattice]
    inverse = np.linalg.inv(seen)
    metric = inverse.T @ true.T @ true @ inverse
    upper = np.linalg.cholesky(metric).T
    return upper / upper[0, 0]


def _two_spots(image: _Image, lattice: str) -> Float[np.ndarray, "2 2"]:
    """Return the two strongest spots of the transform that span the lattice, as rows of (row, col) cycles a pixel."""
    shape = image.shape
    windowed = (image - image.mean()) * hann(shape[0])[:, None] * hann(shape[1])
    power = np.abs(fft2(windowed)) ** 2
    cycles = np.stack(np.meshgrid(fftfreq(shape[0]), fftfreq(shape[1]), indexing="ij"))
    radius = np.hypot(*cycles)
    power[(radius * min(shape) < _LEAST_CYCLES) | (radius > 0.45)] = 0
    limit = _LEAST_CONTRAST * float(np.median(power[power > 0], axis=None)) if power.any() else np.inf
    first = _strongest(power, cycles, limit)
    wanted = 90.0 if lattice == "square" else 60.0
    angle = np.rad2deg(np.arctan2(cycles[1], cycles[0])) - np.rad2deg(np.arctan2(first[1], first[0]))
    near_angle = np.abs((angle + 180) % 360 - 180 - wanted) < 10
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
    rows, cols = (np.arange(n) - n // 2 for n in windowed.shape)

    def loss(offset: np.ndarray) -> float:
        row, col = start + offset / np.array(windowed.shape)
        return -float(np.abs(np.exp(-2j * np.pi * row * rows) @ windowed @ np.exp(-2j * np.pi * col * cols)))

    return start + minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-4}).x / windowed.shape
