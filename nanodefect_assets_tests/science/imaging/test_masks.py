import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_fill_holes, binary_opening

from nanodefect_assets.science.imaging.masks import drop_specks, fill_holes, label_filled, label_mask, open_mask

MASKS = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def ring(outer, inner, shape=(41, 41)):
    rows, cols = np.indices(shape) - 20
    radius = np.hypot(rows, cols)
    return (radius <= outer) & (radius > inner)


@given(mask=MASKS)
def test_opening_by_the_cross_equals_scipys_inside_the_frame(mask):
    padded = np.pad(mask, 1, mode="edge")
    padded = np.pad(padded, 3, mode="edge")

    np.testing.assert_array_equal(open_mask(padded, 1)[4:-4, 4:-4], binary_opening(padded)[4:-4, 4:-4])


@given(mask=MASKS, radius_px=st.integers(0, 3))
def test_opening_only_takes_away_and_twice_is_once(mask, radius_px):
    opened = open_mask(mask, radius_px)

    assert not (opened & ~mask).any()
    np.testing.assert_array_equal(open_mask(opened, radius_px), opened)


def test_a_particle_at_the_frame_is_not_eaten_from_the_frame():
    mask = np.zeros((10, 10), dtype=bool)
    mask[:4, :4] = True

    assert open_mask(mask, 1)[0, 0]


@given(mask=MASKS)
def test_filling_without_bound_equals_scipys(mask):
    np.testing.assert_array_equal(fill_holes(mask, 1e9), binary_fill_holes(mask))


@pytest.mark.parametrize(("inner", "is_filled"), [(5, True), (15, False)])
def test_holes_that_are_large_against_their_particle_stay_open(inner, is_filled):
    assert fill_holes(ring(18, inner), 0.25)[20, 20] == is_filled


def test_each_hole_is_held_against_the_particle_around_it():
    mask = np.concatenate((ring(18, 6), ring(8, 6)), axis=1)

    filled = fill_holes(mask, 0.25)

    assert filled[20, 20]
    assert not filled[20, 61]


@given(mask=arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.booleans()))
@pytest.mark.parametrize("max_fraction", [0.0, 0.1, 1.0, 1e9])
def test_labelling_once_comes_to_the_same_as_filling_and_labelling_again(mask, max_fraction):
    np.testing.assert_array_equal(label_filled(mask, max_fraction), label_mask(fill_holes(mask, max_fraction)))


def test_a_particle_in_a_filled_hole_is_one_with_the_particle_around_it():
    mask = ring(18, 12) | ring(9, 7) | ring(3, 0)
    later = np.concatenate((mask, ring(5, 0)), axis=1)

    assert label_mask(later).max() == 4
    assert label_filled(later, 1e9).max() == 2
    assert (label_filled(later, 1e9)[:, :41][ring(18, 0)] == 1).all()
    np.testing.assert_array_equal(label_filled(later, 0.3), label_mask(fill_holes(later, 0.3)))


def test_nothing_is_filled_at_fraction_zero():
    np.testing.assert_array_equal(fill_holes(ring(18, 1), 0.0), ring(18, 1))


def test_specks_go_and_the_others_keep_their_order():
    labels = np.array([[1, 0, 2, 2], [0, 0, 0, 0], [3, 3, 3, 0], [0, 0, 0, 4]])

    np.testing.assert_array_equal(drop_specks(labels, 2.0), [[0, 0, 1, 1], [0, 0, 0, 0], [2, 2, 2, 0], [0, 0, 0, 0]])


def test_pixels_that_meet_at_a_corner_are_one_particle():
    assert label_mask(np.eye(3, dtype=bool)).max() == 1
