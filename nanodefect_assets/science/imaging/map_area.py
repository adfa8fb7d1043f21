"""How much of the specimen the tiles of a map show, and how likely they show a particle whole.

What several tiles show is counted once, area as well as particles, so that particles per area come out right.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy.interpolate import RegularGridInterpolator

from nanodefect_assets.science.imaging.overlaps import common_region

_Corners = Float[np.ndarray, "tile 2"]
_Shapes = Int[np.ndarray, "tile 2"]
_MOST_KNOTS = 16
"""Along each side of a box: in between, areas are linear in it but where a box outgrows an overlap."""


def own_areas_px(corners_px: _Corners, shapes: _Shapes, pairs: Int[np.ndarray, "pair 2"]) -> Int[np.ndarray, " tile"]:
    """Return the pixels of each tile that belong to it: no tile whose centre is nearer shows them too.

    Parameters
    ----------
    corners_px : ndarray of shape (tile, 2)
        Upper left corners ``(row, col)``, in pixels; rounded to whole ones.
    shapes : ndarray of shape (tile, 2)
        Shapes ``(row, col)``.
    pairs : ndarray of shape (pair, 2)
        Tiles that overlap, the smaller index first. With all of them, the sum is the area of the union.
    """
    corners, shapes = np.round(corners_px).astype(int), np.asarray(shapes)
    neighbours: list[list[int]] = [[] for _ in shapes]
    for first, second in np.asarray(pairs).tolist():
        neighbours[first].append(second)
        neighbours[second].append(first)
    return np.array([_own_area_px(at, near, corners, shapes) for at, near in enumerate(neighbours)], dtype=int)


def _own_area_px(
    at: int, neighbours: list[int], corners: Int[np.ndarray, "tile 2"], shapes: Int[np.ndarray, "tile 2"]
) -> int:
    is_own = np.ones(shapes[at], dtype=bool)
    for other in neighbours:
        offset = corners[other] - corners[at]
        here, _ = common_region(tuple(shapes[at]), tuple(shapes[other]), offset)
        is_own[here] &= _is_nearer(here, shapes[at], 2 * offset + shapes[other], wins_tie=at < other)
    return int(np.count_nonzero(is_own))


def _is_nearer(
    region: tuple[slice, slice], middle: Int[np.ndarray, " 2"], other: Int[np.ndarray, " 2"], *, wins_tie: bool
) -> Bool[np.ndarray, "row col"]:
    """Return which pixels of a region are nearer to `middle` than to `other`; both in half pixels."""
    rows, cols = (2 * np.arange(side.start, side.stop) + 1 for side in region)
    nearer = [(p - b) ** 2 - (p - a) ** 2 for p, a, b in zip((rows, cols), middle, other, strict=True)]
    return nearer[0][:, None] + nearer[1] >= (0 if wins_tie else 1)


def map_inclusion_weights(
    heights_px: Num[np.ndarray, " n"], widths_px: Num[np.ndarray, " n"], corners_px: _Corners, shapes: _Shapes
) -> Float[np.ndarray, " n"]:
    """Return 1 / the probability that at least one tile shows a particle of a given bounding box whole.

    Parameters
    ----------
    heights_px, widths_px : ndarray of shape (n,)
        Bounding boxes, in pixels, of particles that touch no edge of the tile in which they are counted.
    corners_px, shapes : ndarray of shape (tile, 2)
        As for `own_areas_px`.

    Notes
    -----
    The area of the union of the tiles over that of the union of the places ``(H - h - 1) x (W - w - 1)`` where the
    box's first pixel may lie: for a single tile, the estimator of Miles and Lantuejoul [1]_.

    References
    ----------
    .. [1] J. Serra, Image Analysis and Mathematical Morphology, Academic Press (1982), ch. VIII.
    """
    if len(heights_px) == 0:
        return np.empty(0)
    corners, shapes = np.round(corners_px).astype(int), np.asarray(shapes)
    knots = [_knots(sides) for sides in (heights_px, widths_px)]
    places = [[_union_area_px(corners, shapes - (h + 1, w + 1)) for w in knots[1]] for h in knots[0]]
    place = RegularGridInterpolator(knots, np.array(places, dtype=float))
    return _union_area_px(corners, shapes) / place(np.stack([heights_px, widths_px], axis=1).astype(float))


def _knots(sides_px: Num[np.ndarray, " n"]) -> Int[np.ndarray, " knot"]:
    low, high = int(np.min(sides_px)), int(np.max(sides_px)) + 1
    return np.unique(np.linspace(low, high, min(_MOST_KNOTS, high - low + 1)).round().astype(int))


def _union_area_px(corners: Int[np.ndarray, "tile 2"], shapes: Int[np.ndarray, "tile 2"]) -> int:
    """Return the area of the union of rectangles, on the grid that all their sides together draw."""
    is_there = (shapes > 0).all(axis=1)
    low, high = corners[is_there], (corners + shapes)[is_there]
    ends = [np.unique(np.concatenate([low[:, axis], high[:, axis]])) for axis in (0, 1)]
    (top, left), (bottom, right) = (
        tuple(np.searchsorted(ends[axis], corner[:, axis]) for axis in (0, 1)) for corner in (low, high)
    )
    n_over = np.zeros([len(sides) for sides in ends], dtype=np.int32)
    for where, sign in (((top, left), 1), ((bottom, right), 1), ((top, right), -1), ((bottom, left), -1)):
        np.add.at(n_over, where, sign)
    is_covered = n_over.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
    return int(np.diff(ends[0]) @ is_covered @ np.diff(ends[1]))
