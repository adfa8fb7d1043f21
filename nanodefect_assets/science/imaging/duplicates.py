"""Which objects in overlapping tiles are the same one, so that each is counted once.

A point of a map belongs to the tile whose centre is nearest. What several tiles show of one object is counted in the
tile that its middle belongs to, but a tile whose border cuts it comes after the others. A cluster of objects that touch
may be parted differently in two tiles; it belongs as a whole to one tile that shows all of it, chosen alike. Of a
cluster that no tile shows whole, objects are taken one by one in this order if they match none that was taken before,
so that no area is counted twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import expand_labels

from nanodefect_assets.science.imaging.overlaps import Overlaps, Tiles
from nanodefect_assets.science.imaging.params import DuplicateParams

_Labels = Int[np.ndarray, "row col"]
_Box = tuple[slice, slice]
Object = tuple[int, int]
"""An object as it is seen: index of the tile, and label in it."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """Where a tile shows an object: whether at its border, and the ends of its box as seen from the tile's centre."""

    is_cut: bool
    low_px: tuple[float, float]
    high_px: tuple[float, float]


def find_duplicates(labels: Tiles, overlaps: Overlaps, params: DuplicateParams) -> dict[Object, Object]:
    """Return the objects that are not to be counted, and for each one that is counted in its stead.

    Parameters
    ----------
    labels : Tiles
        Labelled tiles of shape (row, col), 0 for background; each is asked for once a pair.
    overlaps : Overlaps
        Pairs of tiles, with offsets that are right within `params.tolerance_px`.

    Notes
    -----
    Of a cluster longer than the overlap, a part can be lost that one tile joins with a neighbour which the next tile
    shows alone and better.
    """
    joined: list[tuple[Object, Object]] = []
    matched: dict[Object, set[Object]] = {}
    seen: dict[Object, _Seen] = {}
    for (first, second), offset_px in zip(overlaps.pairs.tolist(), overlaps.offsets_px, strict=True):
        pair = (labels[first], labels[second])
        found, shares = _shared(*pair, offset_px, params)
        for (a, b), share in zip(found.tolist(), shares.tolist(), strict=True):
            joined.append(((first, a), (second, b)))
            if share > params.min_covered:
                matched.setdefault((first, a), set()).add((second, b))
                matched.setdefault((second, b), set()).add((first, a))
        for tile, image, which in zip((first, second), pair, found.T, strict=True):
            new = {label for label in which.tolist() if (tile, label) not in seen}
            seen |= {(tile, label): one for label, one in _measure(image, new).items()}
    matched |= {one: set() for one in seen if one not in matched}
    duplicates: dict[Object, Object] = {}
    for group in _groups(joined):
        duplicates |= _counted_elsewhere(group, seen, matched)
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
    pairs, shares = _shared(first, second, offset_px, params)
    return pairs[shares > params.min_covered]


def _shared(
    first: _Labels, second: _Labels, offset_px: np.ndarray, params: DuplicateParams
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of labels that share more than `params.min_joined`, and the larger share of the two."""
    nothing = np.empty((0, 2), dtype=int), np.empty(0)
    tolerance = params.tolerance_px
    offset = np.round(np.asarray(offset_px)).astype(int)
    low = np.maximum(offset, 0) - tolerance
    high = np.minimum(first.shape, offset + np.asarray(second.shape)) + tolerance
    if np.any(high - low <= 2 * tolerance):
        return nothing
    here, there = _cut(first, low, high), _cut(second, low - offset, high - offset)
    if not here.any() or not there.any():
        return nothing
    forward, of_first = _covered(here, expand_labels(there, tolerance))
    backward, of_second = _covered(there, expand_labels(here, tolerance))
    pairs, which = np.unique(np.concatenate([forward, backward[:, ::-1]]), axis=0, return_inverse=True)
    shares = np.zeros(len(pairs))
    np.maximum.at(shares, which.ravel(), np.concatenate([of_first, of_second]))
    is_joined = shares > min(params.min_joined, params.min_covered)
    return pairs[is_joined], shares[is_joined]


def _cut(labels: _Labels, low: np.ndarray, high: np.ndarray) -> _Labels:
    """Cut a region out of a tile, 0 where it reaches beyond."""
    shape = np.asarray(labels.shape)
    inner_low, inner_high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    inside = labels[inner_low[0] : inner_high[0], inner_low[1] : inner_high[1]]
    return np.pad(inside, np.stack([inner_low - low, high - inner_high], axis=1))


def _covered(labels: _Labels, cover: _Labels) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of a label and one of `cover` that lies over it, and over which share of its pixels here."""
    is_object = labels > 0
    pairs, n_common = np.unique(
        np.stack([labels[is_object], cover[is_object]], axis=1).astype(int), axis=0, return_counts=True
    )
    share = n_common / np.bincount(labels[is_object])[pairs[:, 0]]
    return pairs[pairs[:, 1] > 0], share[pairs[:, 1] > 0]


def _measure(labels: _Labels, wanted: set[int]) -> dict[int, _Seen]:
    if not wanted:
        return {}
    boxes = ndimage.find_objects(labels)
    return {label: _seen(boxes[label - 1], labels.shape) for label in wanted}


def _seen(box: _Box, shape: tuple[int, ...]) -> _Seen:
    (top, left), (bottom, right) = ((box[0].start, box[1].start), (box[0].stop, box[1].stop))
    n_rows, n_cols = shape
    return _Seen(
        is_cut=top == 0 or left == 0 or bottom == n_rows or right == n_cols,
        low_px=(top - n_rows / 2, left - n_cols / 2),
        high_px=(bottom - n_rows / 2, right - n_cols / 2),
    )


def _rank(objects: Iterable[_Seen]) -> tuple[bool, float]:
    """Order objects of a tile, taken together: those at no border first, then by the distance of their middle."""
    all_of_them = list(objects)
    lows, highs = (np.array([getattr(one, end) for one in all_of_them]) for end in ("low_px", "high_px"))
    middle = (lows.min(axis=0) + highs.max(axis=0)) / 2
    return any(one.is_cut for one in all_of_them), float(np.hypot(*middle))


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


def _counted_elsewhere(
    group: Sequence[Object], seen: Mapping[Object, _Seen], matched: Mapping[Object, set[Object]]
) -> dict[Object, Object]:
    """Return the objects of a group that are not counted, each with one that is."""
    kept = _of_one_tile(group, seen, matched) or _one_by_one(group, seen, matched)
    return {
        one: next((twin for twin in kept if twin in matched[one]), kept[0]) for one in group if one not in set(kept)
    }


def _of_one_tile(
    group: Sequence[Object], seen: Mapping[Object, _Seen], matched: Mapping[Object, set[Object]]
) -> list[Object]:
    """Return the objects of the tile that a group belongs to: one that shows all of it; none if no tile does."""
    of_tile: dict[int, list[Object]] = {}
    for one in group:
        of_tile.setdefault(one[0], []).append(one)
    is_one_object = len(of_tile) == len(group) and all(matched[one] for one in group)
    whole = [
        objects
        for objects in of_tile.values()
        # One object a tile is one particle, even where errors of the stage keep two of its tiles from matching.
        if is_one_object or all(one in objects or matched[one] & set(objects) for one in group)
    ]
    ranked = sorted(whole, key=lambda objects: (*_rank(seen[one] for one in objects), objects[0]))
    return ranked[0] if ranked and (is_one_object or not _rank(seen[one] for one in ranked[0])[0]) else []


def _one_by_one(
    group: Sequence[Object], seen: Mapping[Object, _Seen], matched: Mapping[Object, set[Object]]
) -> list[Object]:
    kept: list[Object] = []
    for one in sorted(group, key=lambda one: (*_rank([seen[one]]), one)):
        if not matched[one] & set(kept):
            kept.append(one)
    return kept
