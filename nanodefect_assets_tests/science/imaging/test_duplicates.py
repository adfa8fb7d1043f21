from itertools import pairwise

import numpy as np
import pytest

from nanodefect_assets.science.imaging.duplicates import find_duplicates, match_objects
from nanodefect_assets.science.imaging.map_positions import locate_tiles
from nanodefect_assets.science.imaging.overlaps import Overlaps, find_overlaps
from nanodefect_assets.science.imaging.params import DuplicateParams, OverlapParams

PARAMS = DuplicateParams()
PAIRS = OverlapParams(min_overlap_px=8)


def counted(planted, duplicates):
    """Return the planted objects that the objects left over stand for, one entry for each object left over."""
    return [
        planted_of(planted, tile, label)
        for tile, labels in enumerate(planted.labels)
        for label in range(1, labels.max() + 1)
        if (tile, label) not in duplicates
    ]


def planted_of(planted, tile, label):
    row, col = planted.corners[tile]
    rows, cols = planted.labels[tile].shape
    under = planted.objects[row : row + rows, col : col + cols][planted.labels[tile] == label]
    return int(np.bincount(under).argmax())


def visible(planted):
    return {
        int(number)
        for (row, col), labels in zip(planted.corners, planted.labels, strict=True)
        for number in np.unique(planted.objects[row : row + labels.shape[0], col : col + labels.shape[1]])
        if number > 0
    }


def test_every_particle_is_counted_once_where_the_stage_is_off(planted_map, rng):
    planted = planted_map(rng, jitter_px=2)
    stage = planted.corners + rng.uniform(-6, 6, planted.corners.shape)
    params = OverlapParams(min_overlap_px=8, max_shift_px=16, stage_error_px=6)
    located = locate_tiles(planted.tiles, stage, np.array([tile.shape for tile in planted.tiles]), params)
    once = counted(planted, find_duplicates(planted.labels, located.overlaps, PARAMS))

    assert sorted(once) == sorted(visible(planted))


@pytest.mark.parametrize("error_px", [0.0, 1.0])
def test_every_planted_particle_is_counted_once(error_px, planted_map, rng):
    planted = planted_map(rng, jitter_px=3)
    corners = planted.corners + rng.uniform(-error_px, error_px, planted.corners.shape)
    overlaps = find_overlaps(corners, np.array([tile.shape for tile in planted.tiles]), PAIRS)
    once = counted(planted, find_duplicates(planted.labels, overlaps, PARAMS))

    assert sum(labels.max() for labels in planted.labels) > 1.2 * len(once)
    assert sorted(once) == sorted(visible(planted))


def test_the_one_that_is_kept_is_whole(planted_map, rng):
    planted = planted_map(rng)
    overlaps = find_overlaps(planted.corners, np.array([tile.shape for tile in planted.tiles]), PAIRS)
    duplicates = find_duplicates(planted.labels, overlaps, PARAMS)
    area = {
        (tile, label): int((planted.labels[tile] == label).sum()) for one in duplicates.items() for tile, label in one
    }

    assert duplicates
    assert all(area[kept] >= area[left_out] for left_out, kept in duplicates.items())
    assert not set(duplicates) & set(duplicates.values())


def two(first, second, col):
    return [first, second], Overlaps(pairs=np.array([[0, 1]]), offsets_px=np.array([[0.0, col]]))


def blank():
    return np.zeros((40, 60), dtype=np.int32)


def test_a_sliver_at_the_edge_goes_with_the_whole_particle():
    first, second = blank(), blank()
    first[10:20, 59] = 1
    second[10:20, 20:29] = 4

    assert find_duplicates(*two(first, second, 40), PARAMS) == {(0, 1): (1, 4)}


def test_a_sliver_that_the_error_pushed_out_of_the_overlap_goes_too():
    first, second = blank(), blank()
    first[10:20, 59] = 1
    second[10:20, 21:29] = 4

    assert find_duplicates(*two(first, second, 40), PARAMS) == {(0, 1): (1, 4)}


def test_a_sliver_pushed_out_on_the_other_side_goes_too():
    first, second = blank(), blank()
    first[10:20, 30:39] = 4
    second[10:20, 0] = 1

    assert find_duplicates(*two(first, second, 40), PARAMS) == {(1, 1): (0, 4)}


def test_one_that_the_border_cuts_is_not_kept_even_if_it_is_drawn_larger():
    first, second = blank(), blank()
    first[10:20, 49:60] = 1
    second[11:19, 10:19] = 1

    assert find_duplicates(*two(first, second, 40), PARAMS) == {(0, 1): (1, 1)}


@pytest.mark.parametrize(("col", "kept"), [(44, 0), (50, 1)])
def test_of_two_whole_ones_the_one_nearer_to_its_tiles_centre_is_kept(col, kept):
    first, second = blank(), blank()
    first[15:21, col : col + 6] = 1
    second[15:21, col - 40 : col - 34] = 1

    assert find_duplicates(*two(first, second, 40), PARAMS) == {(1 - kept, 1): (kept, 1)}


def test_neighbours_are_not_taken_for_one_another():
    first, second = blank(), blank()
    first[10:20, 42:48], second[10:20, 10:16] = 1, 1

    assert find_duplicates(*two(first, second, 40), PARAMS) == {}


def counted_area(labels, duplicates, corners, shape):
    """Return how often each pixel of the map is counted."""
    counts = np.zeros(shape, dtype=int)
    for tile, (image, (row, col)) in enumerate(zip(labels, corners, strict=True)):
        left_out = [label for at, label in duplicates if at == tile]
        counts[row : row + image.shape[0], col : col + image.shape[1]] += (image > 0) & ~np.isin(image, left_out)
    return counts


def cluster_in_two_tiles(cols, parted, overlap):
    """Draw a row of touching particles between `cols` in two tiles; `parted` says for each tile which it parts."""
    labels, corners = [blank(), blank()], [(0, 0), (0, 60 - overlap)]
    field = np.zeros((40, 120 - overlap), dtype=bool)
    field[15:25, cols[0] : cols[-1]] = True
    for image, (_, left), cuts in zip(labels, corners, parted, strict=True):
        ends = [cols[0], *(cols[at] for at in cuts), cols[-1]]
        for start, stop in pairwise(ends):
            if stop > max(left, start) and start < left + 60:
                image[15:25, max(start - left, 0) : min(stop - left, 60)] = image.max() + 1
    return labels, corners, field


@pytest.mark.parametrize("shift", range(-9, 8, 4))
@pytest.mark.parametrize("parted", [([1], []), ([], [1]), ([1, 2], [2]), ([2], [1, 2]), ([1], [2]), ([1, 2], [])])
def test_a_cluster_that_tiles_part_differently_is_counted_once(parted, shift):
    """Every point of three touching particles is counted once, whichever tile parts which, wherever they lie."""
    labels, corners, field = cluster_in_two_tiles([41 + shift, 48 + shift, 54 + shift, 60 + shift], parted, 30)
    overlaps = Overlaps(pairs=np.array([[0, 1]]), offsets_px=np.array([[0.0, 30.0]]))
    counts = counted_area(labels, find_duplicates(labels, overlaps, PARAMS), corners, field.shape)

    np.testing.assert_array_equal(counts, field)


def test_the_corner_of_four_tiles_is_counted_once():
    labels = []
    corners = np.array([[0, 0], [0, 40], [30, 0], [30, 40]])
    for row, col in corners:
        tile = blank()
        tile[33 - row : 37 - row, 45 - col : 50 - col] = 1
        labels.append(tile)
    overlaps = find_overlaps(corners, np.full((4, 2), [40, 60]), PAIRS)
    duplicates = find_duplicates(labels, overlaps, PARAMS)

    assert len(overlaps) == 6
    assert len(duplicates) == 3
    assert len(set(duplicates.values())) == 1


def test_tiles_that_do_not_overlap_share_nothing():
    full = np.ones((40, 60), dtype=np.int32)

    assert len(match_objects(full, full, np.array([0.0, 200.0]), PARAMS)) == 0
    assert find_duplicates([full], Overlaps(pairs=np.empty((0, 2), int), offsets_px=np.empty((0, 2))), PARAMS) == {}


def test_which_tile_comes_first_does_not_matter(planted_map, rng):
    planted = planted_map(rng, grid=(1, 2))
    offset = (planted.corners[1] - planted.corners[0]).astype(float)
    here = match_objects(*planted.labels, offset, PARAMS)
    there = match_objects(*planted.labels[::-1], -offset, PARAMS)

    assert len(here) > 3
    assert {tuple(pair) for pair in here.tolist()} == {tuple(pair[::-1]) for pair in there.tolist()}
