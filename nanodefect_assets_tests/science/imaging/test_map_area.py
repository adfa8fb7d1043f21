import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodefect_assets.science.hrtem.particles import inclusion_weights
from nanodefect_assets.science.imaging.map_area import map_inclusion_weights, own_areas_px
from nanodefect_assets.science.imaging.map_positions import any_overlap
from nanodefect_assets.science.imaging.overlaps import find_overlaps
from nanodefect_assets.science.imaging.params import OverlapParams

layouts = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(4, 25), st.integers(4, 25)), min_size=1, max_size=7
).map(np.array)


def union_of(corners, shapes):
    shown = np.zeros((80, 80), dtype=bool)
    for (row, col), (height, width) in zip(corners, shapes, strict=True):
        shown[row : row + max(height, 0), col : col + max(width, 0)] = True
    return int(shown.sum())


def pairs_of(corners, shapes):
    return find_overlaps(corners, shapes, any_overlap(OverlapParams())).pairs


@settings(max_examples=60, deadline=None)
@given(layout=layouts)
def test_each_pixel_of_a_map_belongs_to_one_tile(layout):
    corners, shapes = layout[:, :2], layout[:, 2:]

    assert own_areas_px(corners, shapes, pairs_of(corners, shapes)).sum() == union_of(corners, shapes)


def test_an_overlap_is_parted_in_the_middle():
    corners, shapes = np.array([[0, 0], [0, 6]]), np.array([[5, 10], [5, 10]])

    assert own_areas_px(corners, shapes, pairs_of(corners, shapes)).tolist() == [40, 40]


@settings(max_examples=60, deadline=None)
@given(layout=layouts, height=st.integers(1, 20), width=st.integers(1, 20))
def test_a_weight_is_the_area_of_the_map_over_that_of_the_places_where_a_tile_shows_a_box_whole(layout, height, width):
    corners, shapes = layout[:, :2], layout[:, 2:]
    n_places = union_of(corners, shapes - (height + 1, width + 1))
    if n_places:
        weights = map_inclusion_weights(np.array([height]), np.array([width]), corners, shapes)
        assert weights == pytest.approx([union_of(corners, shapes) / n_places])


def test_a_single_tile_is_weighted_as_a_micrograph(rng):
    heights, widths = rng.integers(1, 90, (2, 200))
    alone = map_inclusion_weights(heights, widths, np.zeros((1, 2)), np.array([[100, 120]]))

    assert alone == pytest.approx(inclusion_weights(heights, widths, (100, 120)), rel=1e-3)


def test_sizes_between_the_knots_are_weighted_well(rng):
    corners, shapes = np.array([(row, col) for row in (0, 300) for col in (0, 420)]), np.full((4, 2), (400, 500))
    heights, widths = rng.integers(5, 150, (2, 300))
    exact = [map_inclusion_weights(h[None], w[None], corners, shapes)[0] for h, w in zip(heights, widths, strict=True)]

    assert map_inclusion_weights(heights, widths, corners, shapes) == pytest.approx(np.array(exact), rel=5e-3)


def test_no_particles_have_no_weights():
    assert map_inclusion_weights(np.empty(0), np.empty(0), np.zeros((1, 2)), np.array([[9, 9]])).shape == (0,)
