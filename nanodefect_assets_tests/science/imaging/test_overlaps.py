import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from nanodefect_assets.science.imaging.overlaps import (
    Overlaps,
    common_region,
    corners_px,
    find_overlaps,
    refine_offset,
)
from nanodefect_assets.science.imaging.params import OverlapParams

PARAMS = OverlapParams()


def texture(rng, shape=(200, 260)):
    return np.kron(rng.normal(0, 1, (shape[0] // 4, shape[1] // 4)), np.ones((4, 4)))


def test_corners_follow_from_centres_in_nanometres():
    centres_nm = np.array([[1000.0, 500.0], [1080.0, 500.0], [1000.0, 560.0]])
    corners = corners_px(centres_nm, np.array([[100, 60]] * 3), 2.0)

    assert corners.tolist() == [[0, 0], [0, 40], [30, 0]]


def test_tiles_of_two_sizes_are_placed_by_their_centres():
    corners = corners_px(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[100, 60], [50, 20]]), 1.0)

    assert corners[1].tolist() == [25, 20]


def test_neighbours_overlap_and_others_do_not():
    corners = np.array([[0, 0], [0, 90], [0, 180], [95, 0], [500, 500]])
    overlaps = find_overlaps(corners, np.full((5, 2), 100), OverlapParams(min_overlap_px=8))

    assert overlaps.pairs.tolist() == [[0, 1], [1, 2]]
    assert overlaps.offsets_px.tolist() == [[0, 90], [0, 90]]


def test_one_tile_or_none_overlaps_nothing():
    assert len(find_overlaps(np.zeros((1, 2)), np.array([[5, 5]]), PARAMS)) == 0
    assert len(find_overlaps(np.zeros((0, 2)), np.zeros((0, 2), dtype=int), PARAMS)) == 0


@given(st.integers(0, 2**32 - 1))
def test_pairs_are_those_that_looking_at_all_finds(seed):
    rng = np.random.default_rng(seed)
    corners, shapes = rng.uniform(0, 300, (12, 2)), rng.integers(20, 120, (12, 2))
    found = {tuple(pair) for pair in find_overlaps(corners, shapes, PARAMS).pairs.tolist()}
    low = np.maximum(corners[:, None], corners)
    high = np.minimum((corners + shapes)[:, None], corners + shapes)
    expected = np.all(high - low >= PARAMS.min_overlap_px, axis=2)

    assert found == {(int(a), int(b)) for a, b in zip(*np.nonzero(expected), strict=True) if a < b}


@given(st.integers(0, 2**32 - 1), st.integers(-60, 60), st.integers(-60, 60))
def test_both_cuts_show_the_same(seed, row, col):
    field = np.random.default_rng(seed).integers(0, 1000, (160, 160))
    first, second = field[60:100, 60:100], field[60 + row : 100 + row, 60 + col : 100 + col]
    here, there = common_region(first.shape, second.shape, np.array([row, col]))

    assert np.array_equal(first[here], second[there])
    assert first[here].size == max(0, 40 - abs(row)) * max(0, 40 - abs(col))


@pytest.mark.parametrize("error", [(0, 0), (7, -9), (-20, 18)])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_an_offset_is_refined_whatever_the_noise(error, noise, rng):
    field = texture(rng)
    noisy = field + rng.normal(0, noise, field.shape)
    again = field + rng.normal(0, noise, field.shape)
    refined = refine_offset(noisy[:150, :150], again[10:160, 95:245], np.array([10, 95]) + error, PARAMS)

    assert refined.is_believed
    assert refined.offset_px == pytest.approx([10, 95], abs=0.3)


def test_streaks_and_shading_do_not_pull_the_tiles_together(rng):
    field = texture(rng)
    streaks, shade = rng.normal(0, 5, (150, 1)), np.linspace(0, 30, 150)
    first, second = field[:150, :150] + streaks + shade, field[10:160, 95:245] + streaks + shade
    refined = refine_offset(first, second, np.array([4.0, 99.0]), PARAMS)

    assert refined.offset_px == pytest.approx([10, 95], abs=0.3)


def test_noise_is_not_believed_and_stays_where_the_stage_has_it(rng):
    refined = refine_offset(rng.normal(0, 1, (100, 100)), rng.normal(0, 1, (100, 100)), np.array([3.5, 60.0]), PARAMS)

    assert not refined.is_believed
    assert refined.offset_px.tolist() == [3.5, 60.0]


@pytest.mark.parametrize("blur_px", [3, 6, 10])
def test_smooth_carbon_is_not_believed(blur_px, rng):
    strips = (gaussian_filter(rng.normal(0, 1, (2, 400, 300)), (0, blur_px, blur_px)) for _ in range(12))

    assert not any(refine_offset(*pair, np.array([0.0, 260.0]), PARAMS).is_believed for pair in strips)


@pytest.mark.parametrize("blur_px", [3, 6, 10])
def test_smooth_carbon_that_is_the_same_is_found(blur_px, rng):
    field = gaussian_filter(rng.normal(0, 1, (405, 540)), blur_px)
    refined = refine_offset(field[:400, :300], field[5:, 240:], np.array([1.0, 247.0]), PARAMS)

    assert refined.is_believed
    assert refined.offset_px == pytest.approx([5, 240], abs=0.5)


def test_a_tile_is_not_moved_beyond_the_bound(rng):
    field, params = texture(rng), OverlapParams(max_shift_px=5)
    refined = refine_offset(field[:150, :150], field[10:160, 95:245], np.array([20.0, 95.0]), params)

    assert (refined.is_believed, refined.offset_px.tolist()) == (False, [20.0, 95.0])


@pytest.mark.parametrize("offset", [(0.0, 60.0), (0.0, 99.0), (0.0, 500.0)])
def test_blank_or_vanishing_overlaps_say_nothing(offset):
    refined = refine_offset(np.zeros((100, 100)), np.zeros((100, 100)), np.array(offset), PARAMS)

    assert (refined.is_believed, refined.correlation) == (False, 0.0)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="pixel_size_nm"):
        corners_px(np.zeros((1, 2)), np.array([[5, 5]]), 0.0)
    with pytest.raises(ValueError, match="finite"):
        find_overlaps(np.array([[np.nan, 0.0]]), np.array([[5, 5]]), PARAMS)
    with pytest.raises(ValueError, match="twice"):
        Overlaps(pairs=np.zeros((2, 2), dtype=int), offsets_px=np.zeros((1, 2)))
