import numpy as np
import pytest

from nanodefect_assets.science.imaging.map_positions import count_alike, locate_tiles, solve_positions
from nanodefect_assets.science.imaging.overlaps import Overlaps, find_overlaps
from nanodefect_assets.science.imaging.params import OverlapParams

PARAMS = OverlapParams(min_overlap_px=12, max_shift_px=14, stage_error_px=5)


def errors_of(found, true):
    """Distance of each tile from its true place, when the whole map is laid upon the true one."""
    apart = found - true
    return np.hypot(*(apart - apart.mean(axis=0)).T)


def shapes_of(tiles):
    return np.array([tile.shape for tile in tiles])


def test_places_are_recovered_from_a_stage_that_is_off(planted_map, rng):
    planted = planted_map(rng, jitter_px=2)
    stage = planted.corners + rng.uniform(-4, 4, planted.corners.shape)
    located = locate_tiles(planted.tiles, stage, shapes_of(planted.tiles), PARAMS)

    assert errors_of(stage, planted.corners).max() > 2
    assert errors_of(located.corners_px, planted.corners).max() < 0.5
    assert located.is_used.mean() > 0.5
    assert np.nanmax(located.residuals_px[located.is_used]) < PARAMS.max_residual_px


def test_a_tile_of_noise_and_one_without_neighbour_stay_where_the_stage_has_them(planted_map, rng):
    planted = planted_map(rng)
    tiles = [*planted.tiles, planted.tiles[0]]
    tiles[7] = rng.normal(0, 1, tiles[7].shape)
    stage = np.vstack([planted.corners + rng.uniform(-3, 3, planted.corners.shape), [[5000.0, 5000.0]]])
    located = locate_tiles(tiles, stage, shapes_of(tiles), PARAMS)
    others = [at for at in range(20) if at != 7]

    assert located.corners_px[[7, 20]] == pytest.approx(stage[[7, 20]], abs=1e-9)
    assert errors_of(located.corners_px[others], planted.corners[others]).max() < 0.5


def chain_with_loop():
    true = np.array([[0.0, 0], [0, 90], [90, 0], [90, 90]])
    overlaps = find_overlaps(true, np.full((4, 2), 120), OverlapParams())
    return true, overlaps


def test_a_pair_that_contradicts_the_others_is_left_out():
    true, overlaps = chain_with_loop()
    wrong = overlaps.offsets_px.copy()
    wrong[0] += [12, -9]
    seen = Overlaps(pairs=overlaps.pairs, offsets_px=wrong)
    corners, is_used, residuals = solve_positions(true, seen, np.ones(len(seen), dtype=bool), PARAMS)

    assert is_used.tolist() == [False] + [True] * (len(seen) - 1)
    assert corners == pytest.approx(true, abs=1e-6)
    assert residuals[0] == pytest.approx(15)


def test_offsets_that_are_not_believed_move_nothing():
    true, overlaps = chain_with_loop()
    seen = Overlaps(pairs=overlaps.pairs, offsets_px=overlaps.offsets_px + 7)
    corners, is_used, residuals = solve_positions(true, seen, np.zeros(len(seen), dtype=bool), PARAMS)

    assert corners == pytest.approx(true)
    assert not is_used.any()
    assert np.isnan(residuals).all()


def test_a_map_moved_as_a_whole_keeps_its_form():
    true, overlaps = chain_with_loop()
    is_believed = np.ones(len(overlaps), dtype=bool)
    stage = true + np.array([[1.0, -2], [0, 1], [3, 0], [-1, 1]])
    here, _, _ = solve_positions(stage, overlaps, is_believed, PARAMS)
    there, _, _ = solve_positions(stage + np.array([1e4, -3e3]), overlaps, is_believed, PARAMS)

    assert there - here == pytest.approx(np.broadcast_to([1e4, -3e3], (4, 2)))
    assert errors_of(here, true).max() < 0.01


def test_no_pairs_leave_the_stage_alone():
    located = locate_tiles([np.zeros((50, 50))], np.array([[3.0, 4.0]]), np.array([[50, 50]]), PARAMS)

    assert located.corners_px.tolist() == [[3.0, 4.0]]
    assert len(located.overlaps) == 0


def test_tiles_in_their_places_are_more_often_alike_than_in_mirrored_ones(planted_map, rng):
    planted = planted_map(rng, grid=(2, 3))
    shapes = shapes_of(planted.tiles)
    right = count_alike(planted.tiles, planted.corners, shapes, PARAMS, most=8)
    mirrored = count_alike(planted.tiles, planted.corners * [1, -1], shapes, PARAMS, most=8)

    assert right.n_looked_at == mirrored.n_looked_at == 8 < right.n_pairs == mirrored.n_pairs
    assert right.share > 2 * mirrored.share


def test_each_tile_is_read_for_its_pairs_only(planted_map, rng):
    planted = planted_map(rng, grid=(1, 3))
    shapes, n_read = shapes_of(planted.tiles), []

    class Reading(list):
        def __getitem__(self, at):
            n_read.append(at)
            return super().__getitem__(at)

        def __iter__(self):
            raise AssertionError("every tile was read at once")

    locate_tiles(Reading(planted.tiles), planted.corners.astype(float), shapes, PARAMS)

    assert sorted(n_read) == [0, 1, 1, 2]
