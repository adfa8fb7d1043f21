"""Touching particles parted: at necks of their outline and at valleys of their probability."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from nanodefect_assets.science.imaging.distances import distances_inside
from nanodefect_assets.science.imaging.masks import label_mask
from nanodefect_assets.science.imaging.params import InstanceParams

_Image = Float[np.ndarray, "row col"]
_Labels = Int[np.ndarray, "row col"]
_Mask = Bool[np.ndarray, "row col"]


def separate_particles(probability: _Image, params: InstanceParams, *, pixel_size_nm: float | None = None) -> _Labels:
    """Label particles in a map of probability, touching ones apart.

    Parameters
    ----------
    probability : ndarray of shape (row, col)
        That a pixel is particle, 0 to 1; a mask as 0 and 1 does too.
    params : InstanceParams
        Free parameters.
    pixel_size_nm : float or None
        Edge of a pixel, in nanometres; None if it is not known.

    Returns
    -------
    ndarray of shape (row, col)
        0 for support, else the number of the particle, from 1.

    Notes
    -----
    The elevation of a pixel is its distance to the support, times a power of the smoothed probability. Around its peaks
    grow basins (watershed [1]_); two of them are joined, the highest saddle first, where the saddle is above
    `neck_ratio` of the lower of their peaks, or where the lower is narrower than a particle. The distance inside a
    convex outline is concave and has one peak: a convex particle of even probability stays whole.

    References
    ----------
    .. [1] L. Vincent, P. Soille, Watersheds in digital spaces, IEEE Trans. Pattern Anal. Mach. Intell. 13, 583 (1991),
       doi:10.1109/34.87344.
    """
    parts = label_mask(probability > params.threshold)
    result = np.zeros_like(parts)
    min_radius_px = params.smallest_width_px(pixel_size_nm) / 2
    n_found = 0
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        inside = np.pad(parts[window] == number, 1)
        separated = _separate_part(inside, np.pad(probability[window], 1), params, min_radius_px)
        here = separated[1:-1, 1:-1]
        np.add(result[window], here + n_found, out=result[window], where=here > 0)
        n_found += int(here.max())
    return result


def _separate_part(inside: _Mask, probability: _Image, params: InstanceParams, min_radius_px: float) -> _Labels:
    """Label the particles of one connected part, which does not touch the frame of `inside`."""
    elevation = distances_inside(inside)
    if params.valley_weight > 0:
        elevation *= _smooth_inside(probability, inside, params.valley_smoothing_px) ** np.float32(params.valley_weight)
    peaks = peak_local_max(
        elevation, min_distance=max(1, round(min_radius_px / 2)), threshold_abs=min_radius_px, exclude_border=False
    )
    if len(peaks) < 2:
        return inside.astype(np.int32)
    markers = np.zeros(inside.shape, dtype=np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    basins = watershed(-elevation, markers, mask=inside, connectivity=2)
    heights = np.concatenate(([0.0], elevation[tuple(peaks.T)]))
    return _join_basins(basins, _saddles(basins, elevation), heights, params.neck_ratio)


def _smooth_inside(probability: _Image, inside: _Mask, sigma_px: float) -> _Image:
    """Return the probability blurred within a part, without the support beside it."""
    if sigma_px == 0:
        return probability.astype(np.float32)
    weights = ndimage.gaussian_filter(inside.astype(np.float32), sigma_px, truncate=3.0)
    blurred = ndimage.gaussian_filter(np.where(inside, probability, 0).astype(np.float32), sigma_px, truncate=3.0)
    return np.where(inside, blurred / np.maximum(weights, 1e-6), 0)


@dataclass(frozen=True, kw_only=True)
class _Saddles:
    """Highest point of the border of each two neighbouring basins."""

    first: Int[np.ndarray, " pair"]
    second: Int[np.ndarray, " pair"]
    heights: Float[np.ndarray, " pair"]


def _saddles(basins: _Labels, elevation: _Image) -> _Saddles:
    pairs, heights = [], []
    for a, b in _neighbouring(basins.shape):
        is_border = (basins[a] != basins[b]) & (basins[a] > 0) & (basins[b] > 0)
        pairs.append(np.stack([basins[a][is_border], basins[b][is_border]]))
        heights.append(np.minimum(elevation[a][is_border], elevation[b][is_border]))
    ends, height = np.sort(np.concatenate(pairs, axis=1), axis=0), np.concatenate(heights)
    unique, which = np.unique(ends, axis=1, return_inverse=True)
    highest = np.zeros(unique.shape[1], dtype=np.float64)
    np.maximum.at(highest, which.ravel(), height)
    return _Saddles(first=unique[0], second=unique[1], heights=highest)


def _neighbouring(shape: tuple[int, ...]) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return slices of each pixel and of its neighbour to the right, below, and along both diagonals."""
    whole, low, high = slice(None), slice(None, -1), slice(1, None)
    return [
        ((whole, low), (whole, high)),
        ((low, whole), (high, whole)),
        ((low, low), (high, high)),
        ((low, high), (high, low)),
    ]


def _join_basins(
    basins: _Labels, saddles: _Saddles, heights: Float[np.ndarray, " basin"], neck_ratio: float
) -> _Labels:
    """Join basins over saddles that are no necks, the highest first, and number what is left from 1."""
    parent = np.arange(len(heights))

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    for pair in np.argsort(-saddles.heights):
        one, other = root(int(saddles.first[pair])), root(int(saddles.second[pair]))
        if one == other:
            continue
        lower, higher = sorted((one, other), key=lambda at: heights[at])
        if saddles.heights[pair] > neck_ratio * heights[lower]:
            parent[lower] = higher
    roots = np.array([root(at) for at in range(len(heights))])
    is_root = np.zeros(len(heights), dtype=bool)
    is_root[roots[1:]] = True
    return np.where(is_root, np.cumsum(is_root), 0)[roots].astype(np.int32)[basins]
