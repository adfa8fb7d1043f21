import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.atoms.links import group_atoms, majority, neighbour_pairs, renumber

ALL = np.ones(7, dtype=bool)


def test_groups_by_hand():
    pairs = np.array([[0, 1], [2, 3], [3, 4]])

    assert group_atoms(pairs, ALL, 1).tolist() == [1, 1, 0, 0, 0, 2, 3]
    assert group_atoms(pairs, ALL, 2).tolist() == [1, 1, 0, 0, 0, -1, -1]
    assert group_atoms(pairs, np.arange(7) != 6, 1).tolist() == [1, 1, 0, 0, 0, 2, -1]


def test_no_pairs_and_no_members():
    assert group_atoms(np.empty((0, 2), dtype=int), ALL, 2).tolist() == [-1] * 7
    assert group_atoms(np.array([[0, 1]]), ~ALL, 1).tolist() == [-1] * 7
    assert renumber(np.empty(0, dtype=int)).tolist() == []


@given(st.lists(st.integers(-1, 6), max_size=40))
def test_new_numbers_count_down_in_size_and_keep_the_groups(groups):
    old = np.array(groups, dtype=int)
    new = renumber(old)
    sizes = np.bincount(new[new >= 0]) if (new >= 0).any() else np.empty(0, dtype=int)

    assert (np.diff(sizes) <= 0).all()
    assert ((new == -1) == (old == -1)).all()
    assert len(set(zip(groups, new.tolist(), strict=True))) == len(set(groups))


@pytest.mark.parametrize(("values", "expected"), [([], -1), ([-1, -1], -1), ([2, -1, 2, 5], 2), ([-1, -1, -1, 4], 4)])
def test_the_majority_is_among_those_known(values, expected):
    assert majority(np.array(values, dtype=int)) == expected


def test_pairs_are_each_there_once():
    positions = np.array([[0.0, 0, 0], [1, 0, 0], [2.5, 0, 0]])

    assert neighbour_pairs(positions, 1.2).tolist() == [[0, 1]]
    assert len(neighbour_pairs(positions, 9.0)) == 3
