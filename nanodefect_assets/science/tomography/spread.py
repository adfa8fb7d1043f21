"""Reading and writing a Fourier grid between its points: the inner loops of a non-uniform FFT of real volumes."""

import numpy as np
from jaxtyping import Complex, Float, Int
from numba import njit, prange

TABLE_STEPS = 1024
"""Steps of the kernel's table for one grid spacing; between them it is read linearly, to 1e-6."""


def kernel_table(width: int, oversampling: float) -> Float[np.ndarray, " step"]:
    """Return exp(beta (sqrt(1 - (2 t / w)^2) - 1)) for t = -w/2 ... w/2, and one more.

    References
    ----------
    A. Barnett, J. Magland, L. af Klinteberg, SIAM J. Sci. Comput. 41, C479 (2019), eqs. 1.8 and 4.5.
    """
    t = np.linspace(-1, 1, width * TABLE_STEPS + 1)
    beta = 0.97 * np.pi * width * (1 - 1 / (2 * oversampling))
    return np.append(np.exp(beta * (np.sqrt(np.maximum(1 - t**2, 0)) - 1)), 0).astype(np.float32)


def kernel_transform(table: Float[np.ndarray, " step"], offsets: Float[np.ndarray, " offset"]) -> np.ndarray:
    """Return the kernel's Fourier transform at `offsets`, in cycles for one grid spacing."""
    values = table[:-1].astype(float)
    t = (np.arange(len(values)) - len(values) // 2) / TABLE_STEPS
    weights = values / TABLE_STEPS
    weights[[0, -1]] /= 2
    return np.cos(2 * np.pi * offsets[:, None] * t) @ weights


@njit(inline="always")
def _weigh(place, width, table, weights):
    """Fill `weights` for the grid points first, first + 1, ...; return first."""
    first = int(np.ceil(place - np.float32(0.5) * width))
    at = (first - place + np.float32(0.5) * width) * TABLE_STEPS
    cell = int(at)
    part = at - cell
    for n in range(width):
        low, high = table[cell], table[cell + 1]
        weights[n] = low + part * (high - low)
        cell += TABLE_STEPS
    return first


@njit(parallel=True, cache=True, fastmath=True)
def read_points(
    grid: Complex[np.ndarray, "z y x"],
    places: Float[np.ndarray, "point 3"],
    margin: int,
    width: int,
    table: Float[np.ndarray, " step"],
    values: Complex[np.ndarray, " point"],
) -> None:
    """Fill `values` with the grid at `places`; z and y go round, x has a margin on either side."""
    n_z, n_y = grid.shape[0], grid.shape[1]
    n_points = len(places)
    n_chunks = (n_points + 4095) // 4096
    for chunk in prange(n_chunks):
        w_z, w_y, w_x = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
        for point in range(chunk * 4096, min((chunk + 1) * 4096, n_points)):
            z_0 = _weigh(places[point, 0], width, table, w_z)
            y_0 = _weigh(places[point, 1], width, table, w_y)
            x_0 = _weigh(places[point, 2], width, table, w_x) + margin
            real, imag = np.float32(0), np.float32(0)
            for i in range(width):
                z = (z_0 + i + n_z) % n_z
                for j in range(width):
                    row = grid[z, (y_0 + j + n_y) % n_y]
                    across_real, across_imag = np.float32(0), np.float32(0)
                    for k in range(width):
                        across_real += w_x[k] * row[x_0 + k].real
                        across_imag += w_x[k] * row[x_0 + k].imag
                    share = w_z[i] * w_y[j]
                    real += share * across_real
                    imag += share * across_imag
            values[point] = np.complex64(complex(real, imag))


@njit(parallel=True, cache=True, fastmath=True)
def write_points(
    values: Complex[np.ndarray, " point"],
    places: Float[np.ndarray, "point 3"],
    starts: Int[np.ndarray, " plane"],
    margin: int,
    width: int,
    table: Float[np.ndarray, " step"],
    grid: Complex[np.ndarray, "z y x"],
) -> None:
    """Add each value to the grid round its place: the transpose of `read_points`.

    Places are sorted by the first plane that they touch; `starts` says where those of each plane begin. Every thread
    writes to slabs of its own.
    """
    n_z, n_y = grid.shape[0], grid.shape[1]
    thick = 8
    for slab in prange((n_z + thick - 1) // thick):
        low, high = slab * thick, min((slab + 1) * thick, n_z)
        grid[low:high] = 0
        w_z, w_y, w_x = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
        for reach in range(low - width + 1, high):
            plane = (reach + n_z) % n_z
            for point in range(starts[plane], starts[plane + 1]):
                _weigh(places[point, 0], width, table, w_z)
                y_0 = _weigh(places[point, 1], width, table, w_y)
                x_0 = _weigh(places[point, 2], width, table, w_x) + margin
                for i in range(max(low - reach, 0), min(high - reach, width)):
                    for j in range(width):
                        row = grid[reach + i, (y_0 + j + n_y) % n_y]
                        part = values[point] * (w_z[i] * w_y[j])
                        for k in range(width):
                            row[x_0 + k] += part * w_x[k]


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
