from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.patches import SIDES
from nanodefect_assets.science.hrtem.patch_params import SplitParams
from nanodefect_assets.science.hrtem.split import split_micrographs, thumbnail


def names(n):
    return [f"{number}.tif" for number in range(n)]


def slices(n, rng):
    """Return thumbnails of slices of a volume: each resembles the next."""
    drift = np.cumsum(rng.normal(0, 1, (n + 9, 48, 48)), axis=0)[9:] + rng.normal(0, 2, (48, 48))
    return {name: thumbnail(image + rng.normal(0, 1, (48, 48))) for name, image in zip(names(n), drift, strict=True)}


@given(n=st.integers(1, 60), split=st.sampled_from(["random", "blocks"]), seed=st.integers(0, 99))
def test_every_side_has_micrographs_where_there_are_three(n, split, seed):
    sides = split_micrographs({"a": names(n)}, SplitParams(split=split, split_seed=seed))

    present = set(sides.values())
    assert set(sides) <= set(names(n))
    assert "train" in present
    assert present == set(SIDES) or n < 3
    assert Counter(sides.values())["train"] >= n / 2 - 1


@given(n=st.integers(3, 60), seed=st.integers(0, 99))
def test_blocks_are_contiguous_in_the_order_of_numbers_with_gaps_between(n, seed):
    sides = split_micrographs({"a": names(n)}, SplitParams(split="blocks", split_seed=seed))

    ordered = [sides.get(name) for name in names(n)]
    kept = [side for side in ordered if side is not None]
    assert sum(a != b for a, b in pairwise(kept)) == 2
    if n >= 12:
        assert all(a == b or None in (a, b) for a, b in pairwise(ordered))


def test_slices_of_a_volume_are_told_from_separate_fields(rng):
    volume = split_micrographs({"a": names(30)}, SplitParams(), thumbnails=slices(30, rng))
    fields = {name: thumbnail(rng.normal(0, 1, (48, 48))) for name in names(30)}
    separate = split_micrographs({"a": names(30)}, SplitParams(), thumbnails=fields)

    assert len(volume) == 28
    assert len(separate) == 30


def test_twins_are_never_on_two_sides(rng):
    """Slices of volumes in mixed order: micrographs n and n + 15 are the same but for noise."""
    places = rng.normal(0, 3, (15, 48, 48))
    images = {name: thumbnail(places[n % 15] + rng.normal(0, 1, (48, 48))) for n, name in enumerate(names(30))}

    sides = split_micrographs({"a": names(30)}, SplitParams(), thumbnails=images)

    assert all(sides[f"{n}.tif"] == sides[f"{n + 15}.tif"] for n in range(15))
    assert set(sides.values()) == set(SIDES)


def test_another_batch_moves_no_micrograph():
    params = SplitParams()
    alone = split_micrographs({"a": names(20)}, params)

    both = split_micrographs({"b": [f"b/{name}" for name in names(9)], "a": names(20)[::-1]}, params)

    assert {name: both[name] for name in alone} == alone


def test_another_seed_parts_otherwise():
    parted = [split_micrographs({"a": names(20)}, SplitParams(split_seed=seed)) for seed in (1, 2)]

    assert parted[0] != parted[1]


def test_published_shares():
    counts = Counter(split_micrographs({"a": names(172)}, SplitParams.thesis()).values())

    assert counts["test"] == 43
    assert counts["train"] / counts["validation"] == pytest.approx(4, rel=0.02)


def test_frames_of_one_file_are_on_one_side_however_little_they_look_alike(rng):
    frames = [f"{name}.tif@{number:04d}" for name in "abc" for number in range(4)]
    alone = names(20)
    images = {name: thumbnail(rng.normal(0, 1, (48, 48))) for name in (*frames, *alone)}
    sides = split_micrographs({"a": [*frames, *alone]}, SplitParams(), thumbnails=images)

    assert [len({sides[frame] for frame in frames if frame.startswith(name)}) for name in "abc"] == [1, 1, 1]
    assert set(sides.values()) == set(SIDES)


def test_one_file_of_many_frames_is_parted_in_blocks(rng):
    frames = [f"stack.tif@{number:04d}" for number in range(30)]
    images = {name: thumbnail(rng.normal(0, 1, (48, 48))) for name in frames}
    sides = split_micrographs({"a": frames}, SplitParams(), thumbnails=images)

    assert len(sides) == 28
    assert sum(sides.get(a) != sides.get(b) for a, b in pairwise(frames)) == 4
