"""Isotropic Gaussians on a background, fitted to many peaks of a volume at once: compiled Levenberg-Marquardt."""

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange

from nanodefect_assets.science.tomography.projector import Volume3D

N_VALUES = 6
"""Index z, y, x, height, standard deviation in voxels, background."""

_N_STEPS = 12
_SETTLED = 1e-4

Fits = Float[np.ndarray, "peak 6"]
Neighbours = tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " bound"]]


def fit_gaussians(volume: Volume3D, starts: Fits, radius: float, neighbours: Neighbours) -> Fits:
    """Fit one Gaussian with background to each peak, the others' as they stood at the start taken away.

    Parameters
    ----------
    volume : ndarray of shape (z, y, x)
        Intensity.
    starts : ndarray of shape (peak, 6)
        Index z, y, x, height, standard deviation in voxels, background.
    radius : float
        Voxels within this of the start are fitted.
    neighbours : tuple of ndarray
        Others whose Gaussians are taken away, one after another, and where those of each peak begin, as CSR has it.

    Notes
    -----
    As published, one fit moves a position by at most 0.25 voxel along an axis, and changes a width by 0.75 to 1.25
    and a height by 0.5 to 1.5 times.
    """
    found = np.empty_like(starts)
    _fit_all(np.ascontiguousarray(volume, np.float32), np.ascontiguousarray(starts), radius, *neighbours, found)
    return found


def model_volume(fits: Fits, shape: tuple[int, int, int]) -> Volume3D:
    """Return the sum of the Gaussians, without their backgrounds."""
    volume = np.zeros(shape, dtype=np.float32)
    _render(np.ascontiguousarray(fits), volume)
    return volume


@njit(cache=True)
def _bounds(centre, reach, size):  # pragma: no cover - compiled
    first = max(int(np.ceil(centre - reach)), 0)
    return first, max(min(int(np.floor(centre + reach)) + 1, size), first)


@njit(cache=True, fastmath=True)
def _gather(volume, start, radius, at, values):  # pragma: no cover - compiled
    """Write voxels within the radius and where they lie from the start; return how many."""
    n = 0
    z0, z1 = _bounds(start[0], radius, volume.shape[0])
    y0, y1 = _bounds(start[1], radius, volume.shape[1])
    x0, x1 = _bounds(start[2], radius, volume.shape[2])
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                dz, dy, dx = z - start[0], y - start[1], x - start[2]
                if dz * dz + dy * dy + dx * dx <= radius * radius:
                    at[n, 0], at[n, 1], at[n, 2] = dz, dy, dx
                    values[n] = volume[z, y, x]
                    n += 1
    return n


@njit(cache=True, fastmath=True)
def _take_away(at, values, n, shift_z, shift_y, shift_x, height, sigma):  # pragma: no cover - compiled
    bend = -0.5 / (sigma * sigma)
    for k in range(n):
        dz, dy, dx = at[k, 0] - shift_z, at[k, 1] - shift_y, at[k, 2] - shift_x
        squared = dz * dz + dy * dy + dx * dx
        if squared < 16 * sigma * sigma:
            values[k] -= height * np.exp(bend * squared)


@njit(cache=True, fastmath=True)
def _normal(at, values, n, p, normal, gradient):  # pragma: no cover - compiled
    """Write J'J and J'r of a Gaussian with background; return the sum of squares."""
    normal[:] = 0
    gradient[:] = 0
    total, inverse = 0.0, 1 / (p[4] * p[4])
    slope = np.empty(6)
    for k in range(n):
        dz, dy, dx = at[k, 0] - p[0], at[k, 1] - p[1], at[k, 2] - p[2]
        squared = dz * dz + dy * dy + dx * dx
        shape = np.exp(-0.5 * squared * inverse)
        bright = p[3] * shape * inverse
        slope[0], slope[1], slope[2] = bright * dz, bright * dy, bright * dx
        slope[3], slope[4], slope[5] = shape, bright * squared / p[4], 1.0
        rest = values[k] - p[3] * shape - p[5]
        total += rest * rest
        for i in range(6):
            gradient[i] += slope[i] * rest
            for j in range(i + 1):
                normal[i, j] += slope[i] * slope[j]
    return total


@njit(cache=True)
def _solved(normal, gradient, damping, step):  # pragma: no cover - compiled
    """Write the damped step by Cholesky's factors; return whether the equations could be solved."""
    factor = np.zeros((6, 6))
    for i in range(6):
        for j in range(i + 1):
            value = normal[i, j]
            if i == j:
                value += damping * normal[i, i] + 1e-30
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            if i == j:
                if not value > 0:
                    return False
                factor[i, i] = np.sqrt(value)
            else:
                factor[i, j] = value / factor[j, j]
    for i in range(6):
        value = gradient[i]
        for k in range(i):
            value -= factor[i, k] * step[k]
        step[i] = value / factor[i, i]
    for i in range(5, -1, -1):
        value = step[i]
        for k in range(i + 1, 6):
            value -= factor[k, i] * step[k]
        step[i] = value / factor[i, i]
    return True


@njit(cache=True)
def _limited(p, start):  # pragma: no cover - compiled
    for i in range(3):
        p[i] = min(max(p[i], -0.25), 0.25)
    low, high = min(0.5 * start[3], 1.5 * start[3]), max(0.5 * start[3], 1.5 * start[3])
    p[3] = min(max(p[3], low), high)
    p[4] = min(max(p[4], 0.75 * start[4]), 1.25 * start[4])


@njit(cache=True)
def _fit_one(at, values, n, start, p):  # pragma: no cover - compiled
    """Fit one peak; p is relative to the start's index and holds the result."""
    p[:3] = 0
    p[3:] = start[3:]
    normal, gradient = np.empty((6, 6)), np.empty(6)
    step, trial = np.empty(6), np.empty(6)
    damping = 1e-3
    least = _normal(at, values, n, p, normal, gradient)
    for _ in range(_N_STEPS):
        if not _solved(normal, gradient, damping, step):
            return
        trial[:] = p + step
        _limited(trial, start)
        kept_normal, kept_gradient = normal.copy(), gradient.copy()
        total = _normal(at, values, n, trial, normal, gradient)
        if total <= least:
            moved = np.abs(trial[:3] - p[:3]).max()
            settled = least - total <= _SETTLED * total and moved < _SETTLED
            p[:], least, damping = trial, total, damping * 0.2
            if settled:
                return
        else:
            normal[:], gradient[:] = kept_normal, kept_gradient
            damping *= 8


@njit(parallel=True, cache=True)
def _fit_all(volume, starts, radius, others, begins, found):  # pragma: no cover - compiled
    size = (2 * int(radius) + 3) ** 3
    for peak in prange(len(starts)):
        start = starts[peak]
        at, values = np.empty((size, 3)), np.empty(size)
        n = _gather(volume, start, radius, at, values)
        for k in range(begins[peak], begins[peak + 1]):
            other = starts[others[k]]
            shift = other[:3] - start[:3]
            _take_away(at, values, n, shift[0], shift[1], shift[2], other[3], other[4])
        p = np.empty(6)
        if n > 6:
            _fit_one(at, values, n, start, p)
        else:
            p[:3], p[3:] = 0, start[3:]
        found[peak] = p
        found[peak, :3] += start[:3]


@njit(parallel=True, cache=True, fastmath=True)
def _render(fits, volume):  # pragma: no cover - compiled
    n_z, n_y, n_x = volume.shape
    for z in prange(n_z):
        for peak in range(len(fits)):
            at_z, at_y, at_x, height, sigma = fits[peak, 0], fits[peak, 1], fits[peak, 2], fits[peak, 3], fits[peak, 4]
            reach = 4 * sigma
            if abs(z - at_z) > reach:
                continue
            bend = -0.5 / (sigma * sigma)
            level = height * np.exp(bend * (z - at_z) ** 2)
            y0, y1 = _bounds(at_y, reach, n_y)
            x0, x1 = _bounds(at_x, reach, n_x)
            line = np.empty(x1 - x0)
            for x in range(x0, x1):
                line[x - x0] = np.exp(bend * (x - at_x) ** 2)
            for y in range(y0, y1):
                factor = level * np.exp(bend * (y - at_y) ** 2)
                for x in range(x0, x1):
                    volume[z, y, x] += factor * line[x - x0]
