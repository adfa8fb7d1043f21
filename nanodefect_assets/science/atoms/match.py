"""Matching of neighbours with templates, eq. 2.1, compiled."""

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange

from nanodefect_assets.science.atoms.templates import Rotations, Vertices

D_MAX = 0.5
"""Distance from a vertex, in bonds, at which a neighbour counts nothing. As vertices are 1 or more apart, no neighbour
counts for two, so that the nearest one to each vertex is a one-to-one matching."""

N_ICP = 20
N_TRIED = 5
"""Neighbours that are laid onto a vertex; more find the same orientations."""
N_KEPT = 4
"""Orientations that are refined."""
_PAIR_COSINES = (0.17, 0.74)
"""Two neighbours 42 to 80 degrees apart may be adjacent vertices."""
_SETTLED = 1e-4
_SAME = 1e-7
_FAR = 1e3
"""Where neighbours that are missing are put, in bonds."""


@njit(cache=True, fastmath=True)
def _nearest(shell, x, y, z):  # pragma: no cover - compiled
    """Return the squared distance of the neighbour next to a point, at most that of `D_MAX`."""
    nearest = D_MAX * D_MAX
    for i in range(12):
        dx, dy, dz = shell[0, i] - x, shell[1, i] - y, shell[2, i] - z
        nearest = min(nearest, dx * dx + dy * dy + dz * dz)
    return nearest


@njit(cache=True, fastmath=True)
def _score(shell, vertices, rotation, needed):  # pragma: no cover - compiled
    """Return eq. 2.1, or -1 as soon as it cannot reach more than `needed`."""
    total = 0.0
    for j in range(12):
        a, b, c = vertices[j, 0], vertices[j, 1], vertices[j, 2]
        x = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c
        y = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c
        z = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c
        total += 1 - np.sqrt(_nearest(shell, x, y, z)) / D_MAX
        if total + (11 - j) <= needed:
            return -1.0
    return total


@njit(cache=True, fastmath=True)
def _pair_up(shell, turned, shift, chosen):  # pragma: no cover - compiled
    """Write the neighbour of each vertex into `chosen`, -1 where none is near, and return eq. 2.1."""
    total = 0.0
    for j in range(12):
        nearest, chosen[j] = D_MAX * D_MAX, -1
        x, y, z = turned[0, j] + shift[0], turned[1, j] + shift[1], turned[2, j] + shift[2]
        for i in range(12):
            dx, dy, dz = shell[0, i] - x, shell[1, i] - y, shell[2, i] - z
            squared = dx * dx + dy * dy + dz * dz
            if squared < nearest:
                nearest, chosen[j] = squared, i
        total += 1 - np.sqrt(nearest) / D_MAX
    return total


@njit(cache=True, fastmath=True)
def _turn_all(vertices, rotation, turned):  # pragma: no cover - compiled
    """Write the turned vertices, one a column."""
    for j in range(12):
        for a in range(3):
            turned[a, j] = (
                rotation[a, 0] * vertices[j, 0] + rotation[a, 1] * vertices[j, 1] + rotation[a, 2] * vertices[j, 2]
            )


@njit(cache=True, fastmath=True)
def _mean_of_pairs(points, chosen, by_vertex):  # pragma: no cover - compiled
    """Return the mean of the paired columns of `points`: of vertices, or of the neighbours chosen for them."""
    n_pairs, mean = 0, np.zeros(3)
    for j in range(12):
        if chosen[j] >= 0:
            n_pairs += 1
            for a in range(3):
                mean[a] += points[a, j if by_vertex else chosen[j]]
    return mean / max(n_pairs, 1)


@njit(cache=True, fastmath=True)
def _turn(shell, turned, chosen, mean_vertex, mean_neighbour):  # pragma: no cover - compiled
    """Return the small rotation vector that brings the pairs closer, by least squares."""
    normal, torque, p, r = np.eye(3) * 1e-9, np.zeros(3), np.empty(3), np.empty(3)
    for j in range(12):
        if chosen[j] >= 0:
            for a in range(3):
                p[a] = turned[a, j] - mean_vertex[a]
                r[a] = shell[a, chosen[j]] - mean_neighbour[a]
            squared = p[0] * p[0] + p[1] * p[1] + p[2] * p[2]
            for a in range(3):
                normal[a, a] += squared
                for b in range(3):
                    normal[a, b] -= p[a] * p[b]
            torque[0] += p[1] * r[2] - p[2] * r[1]
            torque[1] += p[2] * r[0] - p[0] * r[2]
            torque[2] += p[0] * r[1] - p[1] * r[0]
    return _solve(normal, torque)


@njit(cache=True, fastmath=True)
def _solve(m, v):  # pragma: no cover - compiled
    """Solve a symmetric 3 x 3 system by cofactors."""
    c00 = m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1]
    c01 = m[1, 2] * m[2, 0] - m[1, 0] * m[2, 2]
    c02 = m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0]
    c11 = m[0, 0] * m[2, 2] - m[0, 2] * m[2, 0]
    c12 = m[0, 1] * m[2, 0] - m[0, 0] * m[2, 1]
    c22 = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    det = m[0, 0] * c00 + m[0, 1] * c01 + m[0, 2] * c02
    x = np.empty(3)
    x[0] = (c00 * v[0] + c01 * v[1] + c02 * v[2]) / det
    x[1] = (c01 * v[0] + c11 * v[1] + c12 * v[2]) / det
    x[2] = (c02 * v[0] + c12 * v[1] + c22 * v[2]) / det
    return x


@njit(cache=True, fastmath=True)
def _rotation_of(vector):  # pragma: no cover - compiled
    """Return the rotation matrix of a rotation vector (Rodrigues)."""
    angle = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector[0] / angle, vector[1] / angle, vector[2] / angle
    c, s = np.cos(angle), np.sin(angle)
    v = 1 - c
    out = np.empty((3, 3))
    out[0, 0], out[0, 1], out[0, 2] = c + x * x * v, x * y * v - z * s, x * z * v + y * s
    out[1, 0], out[1, 1], out[1, 2] = y * x * v + z * s, c + y * y * v, y * z * v - x * s
    out[2, 0], out[2, 1], out[2, 2] = z * x * v - y * s, z * y * v + x * s, c + z * z * v
    return out


@njit(cache=True, fastmath=True)
def _multiply(first, second):  # pragma: no cover - compiled
    out = np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            for c in range(3):
                out[a, b] += first[a, c] * second[c, b]
    return out


@njit(cache=True, fastmath=True)
def _refine(shell, vertices, start, translates):  # pragma: no cover - compiled
    """Iterate the closest points; return the best score met on the way and its rotation."""
    chosen, turned = np.empty(12, np.int64), np.empty((3, 12))
    rotation, shift, best_rotation = start.copy(), np.zeros(3), start.copy()
    best = previous = -1.0
    for _ in range(N_ICP + 1):
        _turn_all(vertices, rotation, turned)
        score = _pair_up(shell, turned, shift, chosen)
        if score > best:
            best = score
            best_rotation[:] = rotation
        if abs(score - previous) < _SETTLED or (chosen >= 0).sum() < 3:
            break
        previous = score
        mean_vertex, mean_neighbour = np.zeros(3), np.zeros(3)
        if translates:
            mean_vertex, mean_neighbour = _mean_of_pairs(turned, chosen, True), _mean_of_pairs(shell, chosen, False)
        step = _rotation_of(_turn(shell, turned, chosen, mean_vertex, mean_neighbour))
        rotation = _multiply(step, rotation)
        for a in range(3):
            moved = step[a, 0] * mean_vertex[0] + step[a, 1] * mean_vertex[1] + step[a, 2] * mean_vertex[2]
            shift[a] = mean_neighbour[a] - moved
    return best, best_rotation


@njit(cache=True, fastmath=True)
def _orient(shell, first, second, cosine, frame, rotation):  # pragma: no cover - compiled
    """Write the rotation that lays two vertices, given by their frame, onto two neighbours."""
    long = np.sqrt(shell[0, first] ** 2 + shell[1, first] ** 2 + shell[2, first] ** 2)
    other = np.sqrt(shell[0, second] ** 2 + shell[1, second] ** 2 + shell[2, second] ** 2)
    middle, along, normal = np.empty(3), np.empty(3), np.empty(3)
    for a in range(3):
        middle[a] = (shell[a, first] / long + shell[a, second] / other) / np.sqrt(2 + 2 * cosine)
        along[a] = (shell[a, second] / other - shell[a, first] / long) / np.sqrt(2 - 2 * cosine)
    normal[0] = middle[1] * along[2] - middle[2] * along[1]
    normal[1] = middle[2] * along[0] - middle[0] * along[2]
    normal[2] = middle[0] * along[1] - middle[1] * along[0]
    for a in range(3):
        for b in range(3):
            rotation[a, b] = middle[a] * frame[0, b] + along[a] * frame[1, b] + normal[a] * frame[2, b]


@njit(cache=True, fastmath=True)
def _cosine(shell, first, second):  # pragma: no cover - compiled
    dot = shell[0, first] * shell[0, second] + shell[1, first] * shell[1, second] + shell[2, first] * shell[2, second]
    a = shell[0, first] ** 2 + shell[1, first] ** 2 + shell[2, first] ** 2
    b = shell[0, second] ** 2 + shell[1, second] ** 2 + shell[2, second] ** 2
    return dot / np.sqrt(a * b)


@njit(cache=True, fastmath=True)
def _search_pairs(shell, n_found, vertices, frames, kept, kept_scores):  # pragma: no cover - compiled
    """Write the best orientations that lay two neighbours onto two vertices."""
    rotation, worst = np.empty((3, 3)), 0
    for first in range(min(n_found, N_TRIED)):
        for second in range(n_found):
            cosine = _cosine(shell, first, second)
            if first == second or cosine < _PAIR_COSINES[0] or cosine > _PAIR_COSINES[1]:
                continue
            for frame in frames:
                _orient(shell, first, second, cosine, frame, rotation)
                score = _score(shell, vertices, rotation, kept_scores[worst])
                # Equal scores are one orientation, found from two pairs.
                if score > kept_scores[worst] and np.abs(kept_scores - score).min() > _SAME:
                    kept_scores[worst], kept[worst] = score, rotation
                    worst = kept_scores.argmin()


@njit(cache=True, fastmath=True, parallel=True)
def match_pairs(shells, n_found, vertices, frames, translates):  # pragma: no cover - compiled
    """Return the best score and rotation of every atom among orientations from pairs of neighbours."""
    scores = np.zeros(len(shells))
    rotations = np.zeros((len(shells), 3, 3))
    for atom in prange(len(shells)):
        kept = np.zeros((N_KEPT, 3, 3))
        kept_scores = np.full(N_KEPT, -1.0)
        kept[:] = np.eye(3)
        _search_pairs(shells[atom], n_found[atom], vertices, frames, kept, kept_scores)
        scores[atom] = -1.0
        for rotation in kept:
            score, refined = _refine(shells[atom], vertices, rotation, translates)
            if score > scores[atom]:
                scores[atom], rotations[atom] = score, refined
    return scores, rotations


@njit(cache=True, fastmath=True, parallel=True)
def match_everywhere(shells, vertices, orientations, translates):  # pragma: no cover - compiled
    """Return the best score and rotation of every atom: all orientations tried, the best one refined."""
    scores = np.zeros(len(shells))
    rotations = np.zeros((len(shells), 3, 3))
    for atom in prange(len(shells)):
        best, best_score = 0, -1.0
        for at in range(len(orientations)):
            score = _score(shells[atom], vertices, orientations[at], -100.0)
            if score > best_score:
                best, best_score = at, score
        scores[atom], rotations[atom] = _refine(shells[atom], vertices, orientations[best], translates)
    return scores, rotations


def match_template(
    vectors: Float[np.ndarray, "atom 12 3"],
    n_found: Int[np.ndarray, " atom"],
    vertices: Vertices,
    orientations: Rotations,
    *,
    translates: bool,
    exhaustive: bool = False,
) -> tuple[Float[np.ndarray, " atom"], Rotations]:
    """Match the neighbours of every atom with a template.

    Parameters
    ----------
    vectors, n_found : ndarray of shape (atom, 12, 3) and (atom,)
        Neighbours as in `Shells`, in bonds.
    vertices : ndarray of shape (12, 3)
        The template, in bonds.
    orientations : ndarray of shape (any, 3, 3)
        Frames of pairs of vertices; or, for an exhaustive search, all rotations that are tried.
    translates : bool
        Whether the template may shift while it is refined.
    exhaustive : bool
        Which of the two searches.

    Returns
    -------
    scores, rotations : ndarray of shape (atom,) and (atom, 3, 3)
        Eq. 2.1 at its best, 0 to 12; and the rotation that acts on the template's vertices as column vectors.

    Notes
    -----
    Orientations from pairs of neighbours are few, and most are given up after a few vertices, when they cannot become
    better than the best ones before. The best are refined by the iterative closest point algorithm, and the best score
    met is kept.
    """
    missing = np.arange(12) >= n_found[:, None]
    shells = np.ascontiguousarray(np.where(missing[..., None], _FAR, vectors).transpose(0, 2, 1))
    if exhaustive:
        return match_everywhere(shells, vertices, orientations, translates)
    return match_pairs(shells, n_found, vertices, orientations, translates)
