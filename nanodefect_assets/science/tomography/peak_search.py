"""Maxima of a volume, the noise beside them, and peaks that are too near to one another."""

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import maximum_filter
from scipy.spatial import KDTree

from nanodefect_assets.science.tomography.projector import Volume3D

Indices = Float[np.ndarray, "peak 3"]


def find_maxima(volume: Volume3D, threshold: float) -> tuple[Int[np.ndarray, "peak 3"], Float[np.ndarray, " peak"]]:
    """Return indices (z, y, x) and values of the local maxima above a threshold, the brightest first.

    Those at the border are left out, for their other side is not seen.
    """
    inner = volume[1:-1, 1:-1, 1:-1]
    is_peak = (maximum_filter(volume, size=3)[1:-1, 1:-1, 1:-1] == inner) & (inner > threshold)
    found, values = np.argwhere(is_peak) + 1, inner[is_peak]
    order = np.argsort(-values, kind="stable")
    return found[order], values[order].astype(float)


def between_voxels(volume: Volume3D, indices: Int[np.ndarray, "peak 3"]) -> Indices:
    """Return maxima to a fraction of a voxel, by a parabola through three voxels along each axis."""
    shifts = np.zeros(indices.shape)
    for axis in range(3):
        unit = np.eye(3, dtype=int)[axis]
        before, at, after = (volume[tuple((indices + n * unit).T)].astype(float) for n in (-1, 0, 1))
        bend = before - 2 * at + after
        shifts[:, axis] = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, -1), 0)
    return indices + np.clip(shifts, -0.5, 0.5)


def deepest_minimum(volume: Volume3D) -> float:
    """Return how far the deepest minimum inside lies below the median: as far as noise may rise above it."""
    median = float(np.median(volume))
    _, depths = find_maxima(-volume, -median)
    return median + float(depths[0]) if len(depths) else 0.0


def without_near(positions: Indices, min_distance: float) -> Int[np.ndarray, " kept"]:
    """Return which positions stay when those nearer than `min_distance` to an earlier, kept one are left out."""
    stays = np.ones(len(positions), dtype=bool)
    if len(positions):
        pairs = KDTree(positions).query_pairs(min_distance, output_type="ndarray")
        pairs.sort(axis=1)
        for first, later in pairs[np.lexsort(pairs.T[::-1])].tolist():
            if stays[first]:
                stays[later] = False
    return np.flatnonzero(stays)


def merge_near(
    positions: Indices, weights: Float[np.ndarray, " peak"], min_distance: float
) -> tuple[Indices, Int[np.ndarray, " kept"]]:
    """Merge pairs nearer than `min_distance`, the nearest first, into their weighted mean.

    Returns
    -------
    positions : ndarray of shape (kept, 3)
        What stays; a merged pair lies at its mean.
    kept : ndarray of int
        Which of the given positions each was; of a pair the heavier one.
    """
    merged, gone, busy = np.array(positions, dtype=float), np.zeros(len(positions), bool), set[int]()
    for one, other in _near_pairs(positions, min_distance):
        if one in busy or other in busy:
            continue
        busy.update((one, other))
        heavy, light = (one, other) if weights[one] >= weights[other] else (other, one)
        share = weights[light] / max(weights[heavy] + weights[light], 1e-30)
        merged[heavy] += share * (merged[light] - merged[heavy])
        gone[light] = True
    kept = np.flatnonzero(~gone)
    return merged[kept], kept


def _near_pairs(positions: Indices, min_distance: float) -> list[list[int]]:
    if len(positions) < 2:
        return []
    pairs = KDTree(positions).query_pairs(min_distance, output_type="ndarray")
    distances = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    return pairs[np.argsort(distances, kind="stable")].tolist()
