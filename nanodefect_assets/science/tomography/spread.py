"""Reading and writing a Fourier grid between its points: the inner loops of a non-uniform FFT of real volumes."""

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange

WIDTH = 4
"""Grid points along each axis that a point is read from; the loops below are written out for it."""
TABLE_STEPS = 1024
"""Steps of the kernel's table for one grid spacing; between them it is read linearly, to 1e-6."""


_CHUNK = 4096
_SLAB = 8
_NOTHING = (np.float32(0),) * 8


def kernel_table(oversampling: float) -> Float[np.ndarray, " step"]:
    """Return exp(beta (sqrt(1 - (2 t / w)^2) - 1)) for t = -w/2 ... w/2, and one more.

    References
    ----------
    A. Barnett, J. Magland, L. af Klinteberg, SIAM J. Sci. Comput. 41, C479 (2019), eqs. 1.8 and 4.5.
    """
    t = np.linspace(-1, 1, WIDTH * TABLE_STEPS + 1)
    beta = 0.97 * np.pi * WIDTH * (1 - 1 / (2 * oversampling))
    return np.append(np.exp(beta * (np.sqrt(np.maximum(1 - t**2, 0)) - 1)), 0).astype(np.float32)


def kernel_transform(table: Float[np.ndarray, " step"], offsets: Float[np.ndarray, " offset"]) -> np.ndarray:
    """Return the kernel's Fourier transform at `offsets`, in cycles for one grid spacing."""
    values = table[:-1].astype(float)
    t = (np.arange(len(values)) - len(values) // 2) / TABLE_STEPS
    weights = values / TABLE_STEPS
    weights[[0, -1]] /= 2
    return np.cos(2 * np.pi * offsets[:, None] * t) @ weights


@njit(inline="always")
def _weigh(place, table, weights):
    """Fill `weights` for the grid points first, first + 1, ...; return first."""
    first = int(np.ceil(place - np.float32(WIDTH / 2)))
    at = (np.float32(first) - place + np.float32(WIDTH / 2)) * np.float32(TABLE_STEPS)
    cell = int(at)
    part = at - np.float32(cell)
    for n in range(WIDTH):
        low, high = table[cell], table[cell + 1]
        weights[n] = low + part * (high - low)
        cell += TABLE_STEPS
    return first


@njit(parallel=True, cache=True, fastmath=True)
def read_points(
    grid: Float[np.ndarray, "z y part_x"],
    places: Float[np.ndarray, "point 3"],
    table: Float[np.ndarray, " step"],
    values: Float[np.ndarray, "point part"],
) -> None:
    """Fill `values` with the grid at `places`; z and y go round, x has a margin of `WIDTH` on either side.

    Complex numbers are pairs of real ones: the eight that a row of the kernel meets fill one register.
    """
    n_z, n_y = grid.shape[0], grid.shape[1]
    n_points = len(places)
    for chunk in prange((n_points + _CHUNK - 1) // _CHUNK):
        w_z, w_y, w_x = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
        for point in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n_points)):
            z_0 = _weigh(places[point, 0], table, w_z)
            y_0 = _weigh(places[point, 1], table, w_y)
            x_0 = 2 * (_weigh(places[point, 2], table, w_x) + WIDTH)
            a, b, c, d, e, f, g, h = _NOTHING
            for i in range(WIDTH):
                z = _wrapped(z_0 + i, n_z)
                for j in range(WIDTH):
                    row = grid[z, _wrapped(y_0 + j, n_y), x_0 : x_0 + 2 * WIDTH]
                    share = w_z[i] * w_y[j]
                    a, b, c, d = a + share * row[0], b + share * row[1], c + share * row[2], d + share * row[3]
                    e, f, g, h = e + share * row[4], f + share * row[5], g + share * row[6], h + share * row[7]
            values[point, 0] = w_x[0] * a + w_x[1] * c + w_x[2] * e + w_x[3] * g
            values[point, 1] = w_x[0] * b + w_x[1] * d + w_x[2] * f + w_x[3] * h


@njit(inline="always")
def _wrapped(index, n):
    if index < 0:
        return index + n
    return index - n if index >= n else index


@njit(parallel=True, cache=True, fastmath=True)
def write_points(
    values: Float[np.ndarray, "point part"],
    places: Float[np.ndarray, "point 3"],
    starts: Int[np.ndarray, " plane"],
    table: Float[np.ndarray, " step"],
    grid: Float[np.ndarray, "z y part_x"],
) -> None:
    """Fill the grid with the sum of every value spread round its place: the transpose of `read_points`.

    Places are sorted by the first plane that they touch; `starts` says where those of each plane begin. Every thread
    writes to slabs of its own.
    """
    n_z, n_y = grid.shape[0], grid.shape[1]
    for slab in prange((n_z + _SLAB - 1) // _SLAB):
        low, high = slab * _SLAB, min((slab + 1) * _SLAB, n_z)
        grid[low:high] = 0
        w_z, w_y, w_x = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
        for reach in range(low - WIDTH + 1, high):
            plane = _wrapped(reach, n_z)
            for point in range(starts[plane], starts[plane + 1]):
                _weigh(places[point, 0], table, w_z)
                y_0 = _weigh(places[point, 1], table, w_y)
                x_0 = 2 * (_weigh(places[point, 2], table, w_x) + WIDTH)
                real, imag = values[point, 0], values[point, 1]
                a, b, c, d = real * w_x[0], imag * w_x[0], real * w_x[1], imag * w_x[1]
                e, f, g, h = real * w_x[2], imag * w_x[2], real * w_x[3], imag * w_x[3]
                for i in range(max(low - reach, 0), min(high - reach, WIDTH)):
                    for j in range(WIDTH):
                        row = grid[reach + i, _wrapped(y_0 + j, n_y), x_0 : x_0 + 2 * WIDTH]
                        share = w_z[i] * w_y[j]
                        row[0] += share * a
                        row[1] += share * b
                        row[2] += share * c
                        row[3] += share * d
                        row[4] += share * e
                        row[5] += share * f
                        row[6] += share * g
                        row[7] += share * h


@njit(parallel=True, cache=True)
def pad_centred(
    volume: Float[np.ndarray, "z y x"],
    scale_z: Float[np.ndarray, " z"],
    scale_y: Float[np.ndarray, " y"],
    scale_x: Float[np.ndarray, " x"],
    padded: Float[np.ndarray, "padded_z padded_y padded_x"],
) -> None:
    """Fill `padded` with the scaled volume, its centre at index 0, what lies before it at the ends, zero elsewhere."""
    n_z, n_y, n_x = volume.shape
    size_z, size_y, size_x = padded.shape
    for place in prange(size_z):
        padded[place] = 0
        z = place + n_z // 2 if place < n_z - n_z // 2 else place - size_z + n_z // 2
        if 0 <= z < n_z:
            for y in range(n_y):
                row = padded[place, (y - n_y // 2 + size_y) % size_y]
                scale = scale_z[z] * scale_y[y]
                for x in range(n_x):
                    row[(x - n_x // 2 + size_x) % size_x] = volume[z, y, x] * scale * scale_x[x]


@njit(parallel=True, cache=True)
def cut_centred(
    padded: Float[np.ndarray, "padded_z padded_y padded_x"],
    scale_z: Float[np.ndarray, " z"],
    scale_y: Float[np.ndarray, " y"],
    scale_x: Float[np.ndarray, " x"],
    volume: Float[np.ndarray, "z y x"],
) -> None:
    """Fill `volume` from `padded`: the transpose of `pad_centred`."""
    n_z, n_y, n_x = volume.shape
    size_z, size_y, size_x = padded.shape
    for z in prange(n_z):
        for y in range(n_y):
            row = padded[(z - n_z // 2 + size_z) % size_z, (y - n_y // 2 + size_y) % size_y]
            scale = scale_z[z] * scale_y[y]
            for x in range(n_x):
                volume[z, y, x] = row[(x - n_x // 2 + size_x) % size_x] * scale * scale_x[x]
