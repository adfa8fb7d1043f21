"""Steps of the solvers over whole volumes, each one pass through memory, on all threads."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

_Flat = Float[np.ndarray, " voxel"]
_CHUNK = 65536
"""Elements that one thread takes at once; sums within are of 32 bits, between them of 64."""


@njit(parallel=True, cache=True, fastmath=True)
def shrink_step(x: _Flat, gradient: _Flat, step: float, weight: float, stepped: _Flat) -> tuple[float, float, float]:
    """Fill `stepped` with max(x - step * (gradient + weight), 0), the proximal step of an L1 term with x >= 0.

    Returns
    -------
    float
        |d|^2, with d the step taken.
    float
        <d, gradient>.
    float
        |d + step * gradient|^2: what the proximal map took away.
    """
    n = x.size
    n_chunks = (n + _CHUNK - 1) // _CHUNK
    sums = np.zeros((n_chunks, 3))
    tau, shift = np.float32(step), np.float32(step * weight)
    zero = np.float32(0)
    for chunk in prange(n_chunks):
        moved, along, taken = zero, zero, zero
        for at in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n)):
            descent = tau * gradient[at]
            value = max(x[at] - descent - shift, zero)
            stepped[at] = value
            change = value - x[at]
            moved += change * change
            along += change * gradient[at]
            taken += (change + descent) * (change + descent)
        sums[chunk, 0], sums[chunk, 1], sums[chunk, 2] = moved, along, taken
    return sums[:, 0].sum(), sums[:, 1].sum(), sums[:, 2].sum()


@njit(parallel=True, cache=True, fastmath=True)
def dot(a: _Flat, b: _Flat) -> float:
    """Return <a, b>."""
    n = a.size
    n_chunks = (n + _CHUNK - 1) // _CHUNK
    sums = np.zeros(n_chunks)
    for chunk in prange(n_chunks):
        total = np.float32(0)
        for at in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n)):
            total += a[at] * b[at]
        sums[chunk] = total
    return sums.sum()


@njit(parallel=True, cache=True, fastmath=True)
def uphill(start: _Flat, end: _Flat, before: _Flat) -> float:
    """Return <start - end, end - before>: positive where momentum pointed uphill."""
    n = start.size
    n_chunks = (n + _CHUNK - 1) // _CHUNK
    sums = np.zeros(n_chunks)
    for chunk in prange(n_chunks):
        total = np.float32(0)
        for at in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n)):
            total += (start[at] - end[at]) * (end[at] - before[at])
        sums[chunk] = total
    return sums.sum()


@njit(parallel=True, cache=True, fastmath=True)
def extrapolate(now: _Flat, before: _Flat, momentum: float, ahead: _Flat) -> None:
    """Fill `ahead` with now + momentum * (now - before)."""
    share = np.float32(momentum)
    for at in prange(now.size):
        ahead[at] = now[at] + share * (now[at] - before[at])


@njit(parallel=True, cache=True, fastmath=True)
def difference_norm(a: _Flat, b: _Flat) -> float:
    """Return |a - b|^2."""
    n = a.size
    n_chunks = (n + _CHUNK - 1) // _CHUNK
    sums = np.zeros(n_chunks)
    for chunk in prange(n_chunks):
        total = np.float32(0)
        for at in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n)):
            total += (a[at] - b[at]) * (a[at] - b[at])
        sums[chunk] = total
    return sums.sum()
