"""Which objects in overlapping tiles are the same one, so that each is counted once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import expand_labels

from nanodefect_assets.science.imaging.overlaps import Overlaps
from nanodefect_assets.science.imaging.params import DuplicateParams

_Labels = Int[np.ndarray, "row col"]
_Box = tuple[slice, slice]
Object = tuple[int, int]
"""An object as it is seen: index of the tile, and label in it."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """How well a tile shows an object: distance of its box from the tile's border, and its area."""

    border_px: int
    area_px: int


def find_duplicates(labels: Sequence[_Labels], overlaps: Overlaps, params: DuplicateParams) -> dict[Object, Object]:
    """Return the objects that are not to be counted, and for each one that is counted in its stead.

    What several tiles show of the same object, or of the same cluster of objects where they part it differently, is a
    group. All of a group is counted in one tile: the one where it keeps farthest from the border, then the one that
    shows most of it.

    Parameters
    ----------
    labels : sequence of ndarray of shape (row, col)
        Labelled tiles, 0 for background; each is asked for once a pair.
    overlaps : Overlaps
        Pairs of tiles, with offsets that are right within `params.tolerance_px`.
    """
    matches: list[tuple[Object, Object]] = []
    seen: dict[Object, _Seen] = {}
    for (first, second), offset_px in zip(overlaps.pairs.tolist(), overlaps.offsets_px, strict=True):
        pair = (labels[first], labels[second])
        found = match_objects(*pair, offset_px, params)
        matches += [((first, a), (second, b)) for a, b in found.tolist()]
        for tile, image, which in zip((first, second), pair, found.T, strict=True):
            new = {label for label in which.tolist() if (tile, label) not in seen}
            seen |= {(tile, label): one for label, one in _measure(image, new).items()}
    duplicates: dict[Object, Object] = {}
    for group in _groups(matches):
        kept = _kept(group, seen)
        representative = max(kept, key=lambda one: (seen[one].area_px, one))
        duplicates |= {one: representative for one in group if one not in kept}
    return duplicates


def match_objects(first: _Labels, second: _Labels, offset_px: np.ndarray, params: DuplicateParams) -> np.ndarray:
    """Return the pairs of labels of two tiles that are the same object, of shape (match, 2).

    Two are the same if one, as far as the other tile can show it, is covered to more than `params.min_covered` by the
    other, grown by the tolerance. Growth stops where another object of that tile is, so that neighbours stay apart.

    Parameters
    ----------
    first, second : ndarray of shape (row, col)
        Labelled tiles.
    offset_px : ndarray of shape (2,)
        Upper left corner of the second as seen from that of the first, ``(row, col)``.
    """
    tolerance = params.tolerance_px
    offset = np.round(np.asarray(offset_px)).astype(int)
    low = np.maximum(offset, 0) - tolerance
    high = np.minimum(first.shape, offset + np.asarray(second.shape)) + tolerance
    if np.any(high - low <= 2 * tolerance):
        return np.empty((0, 2), dtype=int)
    here, there = _cut(first, low, high), _cut(second, low - offset, high - offset)
    if not here.any() or not there.any():
        return np.empty((0, 2), dtype=int)
    forward = _covered(here, expand_labels(there, tolerance), params.min_covered)
    backward = _covered(there, expand_labels(here, tolerance), params.min_covered)[:, ::-1]
    return np.unique(np.concatenate([forward, backward]), axis=0)


def _cut(labels: _Labels, low: np.ndarray, high: np.ndarray) -> _Labels:
    """Cut a region out of a tile, 0 where it reaches beyond."""
    shape = np.asarray(labels.shape)
    inner_low, inner_high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    inside = labels[inner_low[0] : inner_high[0], inner_low[1] : inner_high[1]]
    return np.pad(inside, np.stack([inner_low - low, high - inner_high], axis=1))


def _covered(labels: _Labels, cover: _Labels, min_covered: float) -> np.ndarray:
    """Return pairs of a label and the one of `cover` that lies over more than `min_covered` of its pixels here."""
    is_object = labels > 0
    pairs, n_common = np.unique(
        np.stack([labels[is_object], cover[is_object]], axis=1).astype(int), axis=0, return_counts=True
    )
    area = np.bincount(labels[is_object])
    is_match = (pairs[:, 1] > 0) & (n_common > min_covered * area[pairs[:, 0]])
    return pairs[is_match]


def _measure(labels: _Labels, wanted: set[int]) -> dict[int, _Seen]:
    if not wanted:
        return {}
    areas, boxes = np.bincount(labels.ravel()), ndimage.find_objects(labels)
    return {
        label: _Seen(border_px=_border_distance(boxes[label - 1], labels.shape), area_px=int(areas[label]))
        for label in wanted
    }


def _border_distance(box: _Box, shape: tuple[int, ...]) -> int:
    return min(min(side.start, n - side.stop) for side, n in zip(box, shape, strict=True))


def _groups(matches: Sequence[tuple[Object, Object]]) -> list[list[Object]]:
    """Return the objects that matches join, each group in the order of tiles and labels."""
    objects = sorted({one for match in matches for one in match})
    number = {one: at for at, one in enumerate(objects)}
    ends = np.array([[number[a], number[b]] for a, b in matches]).reshape(-1, 2).T
    graph = coo_array((np.ones(len(matches)), tuple(ends)), shape=(len(objects), len(objects)))
    n_groups, group_of = connected_components(graph, directed=False) if objects else (0, [])
    groups: list[list[Object]] = [[] for _ in range(n_groups)]
    for one, group in zip(objects, group_of, strict=True):
        groups[group].append(one)
    return groups


def _kept(group: Sequence[Object], seen: Mapping[Object, _Seen]) -> list[Object]:
    """Return the objects of a group in the tile that shows it best."""
    of_tile: dict[int, list[Object]] = {}
    for one in group:
        of_tile.setdefault(one[0], []).append(one)

    def worth(tile: int) -> tuple[int, int, int]:
        objects = [seen[one] for one in of_tile[tile]]
        return min(one.border_px for one in objects), sum(one.area_px for one in objects), -tile

    return of_tile[max(of_tile, key=worth)]
