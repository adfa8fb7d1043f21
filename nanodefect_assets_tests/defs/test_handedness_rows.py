"""Rows of hands and of their fractions, by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.defs.population import handedness_fraction
from nanodefect_assets.defs.sem import crop_sets, handedness, handedness_model, te_crops
from nanodefect_assets.domain.anchors import Anchor


def answers_of(*log_odds):
    from nanodefect_assets.science.sem.answers import HandednessAnswers

    odds = np.array(log_odds)
    return HandednessAnswers(log_odds=odds, p_right=1 / (1 + np.exp(-odds)), agreement=np.ones(len(odds)))


@pytest.mark.parametrize(("majority", "hands"), [("right", ["right", "left"]), ("left", ["left", "right"])])
def test_a_particle_of_the_majority_has_its_hand_and_the_other_the_other(majority, hands):
    said = [handedness._said(answers_of(2.0, -2.0), at, majority) for at in (0, 1)]

    assert [one["hand"] for one in said] == hands
    assert [one["p_right"] > 0.5 for one in said] == [hand == "right" for hand in hands]
    assert [one["p_majority"] > 0.5 for one in said] == [True, False]


def test_without_a_named_majority_particles_have_no_hand():
    said = handedness._said(answers_of(2.0), 0, None)

    assert (said["hand"], said["p_right"]) == (None, None)
    assert said["p_majority"] > 0.5


def test_fractions_count_the_minority_and_the_left_hand_of_each_aliquot_and_of_all():
    particles = pd.DataFrame(
        {
            "micrograph_id": ["a", "a", "b", "b", "c", "c"],
            "aliquot": ["t1", "t1", "t1", "t1", "t2", "t2"],
            "is_simulated": False,
            "log_odds": [1.0, -1.0, 2.0, 3.0, -1.0, -2.0],
            "log_odds_unseen": [1.0, -1.0, -2.0, 3.0, None, None],
            "hand": ["left", "right", "left", "left", "right", "right"],
        }
    )

    rows = {row["aliquot_time"]: row for row in handedness_fraction._summarise(particles, "b-1")}

    assert {time: (row["n_minority"], row["n_particles"], row["n_left"]) for time, row in rows.items()} == {
        "t1": (1, 4, 3),
        "t2": (2, 2, 0),
        None: (3, 6, 3),
    }
    assert rows[None]["left_fraction"] == rows[None]["minority_fraction"] == 0.5
    assert (rows["t1"]["n_unseen"], rows["t1"]["minority_fraction_unseen"]) == (4, 0.5)
    assert (rows["t2"]["n_unseen"], rows["t2"]["minority_fraction_unseen"]) == (0, None)
    assert rows["t2"]["minority_fraction_low"] is None, "one micrograph tells nothing of its like"
    assert rows[None]["minority_fraction_low"] < 0.5 < rows[None]["minority_fraction_high"]


@pytest.mark.parametrize(
    ("expected", "is_passed"), [(0.05, False), (0.28, True), (0.35, True), (0.44, False), (None, True)]
)
def test_a_minority_that_the_images_do_not_allow_is_told(expected, is_passed):
    told = {"estimated_minority_share": 0.35, "estimated_minority_low": 0.3, "estimated_minority_high": 0.4}

    check = handedness_model._as_expected({"expected_minority_share": expected, **told})

    assert check.passed == is_passed
    assert check.metadata["n_tested"].value == (expected is not None)


def crops_of(*left_out):
    whole = [number if why is None else None for number, why in enumerate(left_out)]
    return pd.DataFrame({"crop_index": whole, "left_out": list(left_out)})


def test_only_where_particles_lie_on_one_another_is_cutting_by_hand_advised():
    assert "one_particle_per_image" in te_crops._advice(crops_of("pile", "clump", "edge"))["why"]
    assert te_crops._advice(crops_of("edge", "edge", "small")) == {}
    assert te_crops._advice(crops_of(None, "clump")) == {}


def test_an_anchor_on_a_particle_that_counts_in_another_tile_is_that_particle():
    rows = pd.DataFrame(
        {
            "particle_id": ["b/t/a.tif#1", "b/t/a.tif#2"],
            "micrograph_id": "b/t/a.tif",
            "duplicate_of": ["b/t/z.tif#7", None],
        }
    )
    made = SimpleNamespace(
        rows=lambda table: rows, record=SimpleNamespace(origin=SimpleNamespace(place=SimpleNamespace(sample="b/t")))
    )

    found = [crop_sets.find_anchor(Anchor.of_text(f"a.tif#{number} right"), [made]) for number in (1, 2, 3)]

    assert found == ["b/t/z.tif#7", "b/t/a.tif#2", None]
