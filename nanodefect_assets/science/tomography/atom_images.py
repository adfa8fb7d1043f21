"""Images of atoms as Gaussians, their derivatives and the adjoints of these, compiled, for all tilts at once.

A probe of STEM stands still at each pixel, so that images sample their Gaussians; what a detector's pixels would
integrate is taken up by the width. Beyond `REACH` standard deviations nothing is drawn: 3e-4 of the peak is left out.
Views run in parallel on the way to images, atoms on the way back, so that no two threads write to the same place.
"""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

REACH = 4.0

N_SHAPES = 4
"""Of each atom's image: its value, and its slopes along rows, columns and the logarithm of its width."""

Images = Float[np.ndarray, "tilt row col"]
Places = Float[np.ndarray, "tilt atom 2"]
Shapes = Float[np.ndarray, "tilt atom shape"]


def draw(places_px: Places, sigma_px: Float[np.ndarray, " atom"], weights: Shapes, shape: tuple[int, int]) -> Images:
    """Return the sum over atoms of their shapes times `weights`.

    Parameters
    ----------
    places_px : ndarray of shape (tilt, atom, 2)
        Row and column of each atom in each image.
    sigma_px : ndarray of shape (atom,)
        Standard deviations.
    weights : ndarray of shape (tilt, atom, 4)
        How much of each atom's Gaussian of sum 1, of its derivatives by row and column of the atom, and of that by the
        logarithm of its width.
    shape : tuple of int
        Rows and columns.
    """
    images = np.zeros((len(places_px), *shape), dtype=np.float32)
    _draw(places_px, sigma_px, weights, images)
    return images


def pick_up(places_px: Places, sigma_px: Float[np.ndarray, " atom"], images: Images) -> Shapes:
    """Return the sum over pixels of `images` times each atom's shapes: the adjoint of `draw`."""
    found = np.empty((*places_px.shape[:2], N_SHAPES))
    _pick_up(places_px, sigma_px, images.astype(np.float32, copy=False), found)
    return found


def overlaps(
    places_px: Places, sigma_px: Float[np.ndarray, " atom"], weights: Images
) -> Float[np.ndarray, "tilt atom 4 4"]:
    """Return the sum over pixels of the products of an atom's shapes with one another, times `weights`."""
    found = np.empty((*places_px.shape[:2], N_SHAPES, N_SHAPES))
    _overlaps(places_px, sigma_px, weights.astype(np.float32, copy=False), found)
    return found


@njit(cache=True)
def _span(centre, reach, size):  # pragma: no cover - compiled
    """Return the first pixel within reach and the one after the last; equal where there is none."""
    first = max(int(np.ceil(centre - reach)), 0)
    return first, max(min(int(np.floor(centre + reach)) + 1, size), first)


@njit(cache=True, fastmath=True)
def _profile(centre, sigma, first, last, offsets, values):  # pragma: no cover - compiled
    """Write offsets from the centre, in sigma, and the Gaussian of sum 1 there."""
    scale = 1 / (np.sqrt(2 * np.pi) * sigma)
    for i in range(first, last):
        offset = (i - centre) / sigma
        offsets[i - first] = offset
        values[i - first] = scale * np.exp(-0.5 * offset * offset)


@njit(cache=True)
def _widest(sigma_px):  # pragma: no cover - compiled
    return 2 * int(REACH * sigma_px.max() + 1) + 2 if len(sigma_px) else 1


@njit(parallel=True, cache=True, fastmath=True)
def _draw(places, sigma_px, weights, images):  # pragma: no cover - compiled
    n_tilts, n_atoms = places.shape[:2]
    width = _widest(sigma_px)
    for tilt in prange(n_tilts):
        u, a = np.empty(width, np.float32), np.empty(width, np.float32)
        v, b, sloped = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
        for atom in range(n_atoms):
            sigma = sigma_px[atom]
            row, col = places[tilt, atom, 0], places[tilt, atom, 1]
            first_row, last_row = _span(row, REACH * sigma, images.shape[1])
            first_col, last_col = _span(col, REACH * sigma, images.shape[2])
            if first_row == last_row or first_col == last_col:
                continue
            _profile(row, sigma, first_row, last_row, u, a)
            _profile(col, sigma, first_col, last_col, v, b)
            spread = np.float32(weights[tilt, atom, 3])
            flat = np.float32(weights[tilt, atom, 0]) - 2 * spread
            along_row = np.float32(weights[tilt, atom, 1] / sigma)
            along_col = np.float32(weights[tilt, atom, 2] / sigma)
            n_cols = last_col - first_col
            for j in range(n_cols):
                sloped[j] = b[j] * v[j] * (along_col + spread * v[j])
            for i in range(last_row - first_row):
                level = a[i] * (flat + u[i] * (along_row + spread * u[i]))
                line = images[tilt, first_row + i]
                for j in range(n_cols):
                    line[first_col + j] += level * b[j] + a[i] * sloped[j]


@njit(parallel=True, cache=True, fastmath=True)
def _pick_up(places, sigma_px, images, found):  # pragma: no cover - compiled
    n_tilts, n_atoms = places.shape[:2]
    width = _widest(sigma_px)
    for tilt in prange(n_tilts):
        u, a = np.empty(width, np.float32), np.empty(width, np.float32)
        v, b = np.empty(width, np.float32), np.empty(width, np.float32)
        for atom in range(n_atoms):
            sigma = sigma_px[atom]
            row, col = places[tilt, atom, 0], places[tilt, atom, 1]
            first_row, last_row = _span(row, REACH * sigma, images.shape[1])
            first_col, last_col = _span(col, REACH * sigma, images.shape[2])
            _profile(row, sigma, first_row, last_row, u, a)
            _profile(col, sigma, first_col, last_col, v, b)
            flat = by_row = by_col = squares = 0.0
            for i in range(last_row - first_row):
                line = images[tilt, first_row + i]
                s0 = s1 = s2 = np.float32(0)
                for j in range(last_col - first_col):
                    value = line[first_col + j] * b[j]
                    s0 += value
                    s1 += value * v[j]
                    s2 += value * v[j] * v[j]
                flat += a[i] * s0
                by_row += a[i] * u[i] * s0
                by_col += a[i] * s1
                squares += a[i] * (u[i] * u[i] * s0 + s2)
            found[tilt, atom, 0] = flat
            found[tilt, atom, 1] = by_row / sigma
            found[tilt, atom, 2] = by_col / sigma
            found[tilt, atom, 3] = squares - 2 * flat


@njit(parallel=True, cache=True, fastmath=True)
def _overlaps(places, sigma_px, weights, found):  # pragma: no cover - compiled
    n_tilts, n_atoms = places.shape[:2]
    width = _widest(sigma_px)
    for tilt in prange(n_tilts):
        u, a = np.empty(width, np.float32), np.empty(width, np.float32)
        v, b = np.empty(width, np.float32), np.empty(width, np.float32)
        m = np.empty((5, 5))
        for atom in range(n_atoms):
            sigma = sigma_px[atom]
            row, col = places[tilt, atom, 0], places[tilt, atom, 1]
            first_row, last_row = _span(row, REACH * sigma, weights.shape[1])
            first_col, last_col = _span(col, REACH * sigma, weights.shape[2])
            _profile(row, sigma, first_row, last_row, u, a)
            _profile(col, sigma, first_col, last_col, v, b)
            # m[p, q]: sum of w G^2 u^p v^q
            m[:] = 0
            for i in range(last_row - first_row):
                line = weights[tilt, first_row + i]
                s0 = s1 = s2 = s3 = s4 = np.float32(0)
                for j in range(last_col - first_col):
                    value = line[first_col + j] * b[j] * b[j]
                    s0 += value
                    value *= v[j]
                    s1 += value
                    value *= v[j]
                    s2 += value
                    value *= v[j]
                    s3 += value
                    s4 += value * v[j]
                factor = np.float64(a[i] * a[i])
                for p in range(5):
                    m[p, 0] += factor * s0
                    m[p, 1] += factor * s1
                    m[p, 2] += factor * s2
                    m[p, 3] += factor * s3
                    m[p, 4] += factor * s4
                    factor *= u[i]
            _fill(m, sigma, found[tilt, atom])


@njit(cache=True)
def _fill(m, sigma, gram):  # pragma: no cover - compiled
    """Write the products of 1, u / sigma, v / sigma and u^2 + v^2 - 2 from moments m[p, q] of u^p v^q."""
    gram[0, 0] = m[0, 0]
    gram[0, 1] = m[1, 0] / sigma
    gram[0, 2] = m[0, 1] / sigma
    gram[0, 3] = m[2, 0] + m[0, 2] - 2 * m[0, 0]
    gram[1, 1] = m[2, 0] / sigma**2
    gram[1, 2] = m[1, 1] / sigma**2
    gram[1, 3] = (m[3, 0] + m[1, 2] - 2 * m[1, 0]) / sigma
    gram[2, 2] = m[0, 2] / sigma**2
    gram[2, 3] = (m[2, 1] + m[0, 3] - 2 * m[0, 1]) / sigma
    gram[3, 3] = m[4, 0] + m[0, 4] + 2 * m[2, 2] - 4 * (m[2, 0] + m[0, 2]) + 4 * m[0, 0]
    for p in range(4):
        for q in range(p):
            gram[p, q] = gram[q, p]
