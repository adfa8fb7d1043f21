"""Jumps in the phase of a lattice across a plane: what a stacking fault does to each of its demodulated peaks."""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import fft

WINDOW = 16
"""Edge of the patch of frequencies around a peak, in pixels of the spectrum: the demodulated lattice has as many."""

_SIGMA_PX = 3.0
_N_DIRECTIONS = 18
_N_STEPS = 16


@lru_cache(maxsize=1)
def _directions() -> Float[np.ndarray, "direction step pixel"]:
    """Return which pixels of a demodulated lattice lie on which side strip, for every direction: 1 or 0."""
    places = np.arange(WINDOW) / WINDOW
    rows, cols = (part.ravel() for part in np.meshgrid(places, places, indexing="ij"))
    angles = np.pi * np.arange(_N_DIRECTIONS) / _N_DIRECTIONS
    along = np.sin(angles)[:, None] * rows + np.cos(angles)[:, None] * cols
    along = along - along.min(axis=1, keepdims=True)
    edges = np.linspace(0, np.sqrt(2), _N_STEPS + 1)[1:]
    return (along[:, None, :] < edges[:, None]).astype(np.float32)


def describe_steps(
    patches: Complex[np.ndarray, "peak row col"], mask: Bool[np.ndarray, "row col"], side: int
) -> Float[np.ndarray, " feature"]:
    """Return how much more of each demodulated lattice adds up if its phase may jump at a straight line."""
    places = np.arange(-WINDOW // 2, WINDOW // 2)
    taper = np.exp(-np.square(np.hypot(places[:, None], places)) / (2 * _SIGMA_PX**2))
    fields = fft.ifft2(fft.ifftshift(patches * taper, axes=(1, 2)), axes=(1, 2)).astype(np.complex64)
    weights = _coarse_mask(mask, side)
    fields = _without_ramp(fields, weights).reshape(len(fields), -1) * weights.ravel()
    totals = np.maximum(np.abs(fields).sum(axis=1), np.finfo(np.float32).tiny)
    whole = fields.sum(axis=1)
    strips = _directions().reshape(-1, WINDOW**2)
    first = (fields @ strips.T).reshape(len(fields), _N_DIRECTIONS, _N_STEPS)
    second = whole[:, None, None] - first
    gains = (np.abs(first) + np.abs(second) - np.abs(whole)[:, None, None]) / totals[:, None, None]
    best = gains.reshape(len(fields), -1).argmax(axis=1)
    at = np.arange(len(fields))
    gain = gains.reshape(len(fields), -1)[at, best]
    jump = np.angle(first.reshape(len(fields), -1)[at, best] * second.reshape(len(fields), -1)[at, best].conj())
    top = int(gain.argmax())
    evenness = _evenness(np.abs(fields), weights.ravel())
    return np.array([gain.max(), gain.mean(), np.rad2deg(np.abs(jump[top])), gain[0], evenness.min()])


def _coarse_mask(mask: Bool[np.ndarray, "row col"], side: int) -> Float[np.ndarray, "row col"]:
    """Return the share of each pixel of a demodulated lattice that the region fills."""
    rows, cols = np.nonzero(mask)
    flat = (rows * WINDOW // side) * WINDOW + cols * WINDOW // side
    return (np.bincount(flat, minlength=WINDOW**2) * (WINDOW / side) ** 2).reshape(WINDOW, WINDOW)


def _without_ramp(
    fields: Complex[np.ndarray, "peak row col"], weights: Float[np.ndarray, "row col"]
) -> Complex[np.ndarray, "peak row col"]:
    """Turn phases back by the median slope: peaks lie between the pixels of a spectrum, and a jump is no slope."""
    places = np.arange(WINDOW)
    along_rows = _median_turn(fields[:, 1:] * fields[:, :-1].conj(), weights[1:] * weights[:-1])
    along_cols = _median_turn(fields[:, :, 1:] * fields[:, :, :-1].conj(), weights[:, 1:] * weights[:, :-1])
    ramp = along_rows[:, None, None] * places[:, None] + along_cols[:, None, None] * places
    return fields * np.exp(-1j * ramp)


def _median_turn(
    products: Complex[np.ndarray, "peak row col"], weights: Float[np.ndarray, "row col"]
) -> Float[np.ndarray, " peak"]:
    """Return the median angle over pixels that the region fills at least by half, in radians."""
    middle = np.angle((products * weights).sum(axis=(1, 2)))
    inside = weights > min(0.5, weights.max(initial=0) / 2)
    if not inside.any():
        return middle
    return middle + np.median(np.angle(products[:, inside] * np.exp(-1j * middle)[:, None]), axis=1)


def _evenness(moduli: Float[np.ndarray, "peak pixel"], weights: Float[np.ndarray, " pixel"]) -> np.ndarray:
    """Return (mean of the moduli)^2 over the mean of their squares, over the region: 1 where a lattice fills it."""
    share = weights / max(weights.sum(), np.finfo(np.float64).tiny)
    moduli = np.divide(moduli, weights, out=np.zeros_like(moduli), where=weights > 0)
    return np.square(moduli @ share) / np.maximum(np.square(moduli) @ share, np.finfo(np.float64).tiny)
