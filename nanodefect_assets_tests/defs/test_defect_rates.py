"""Which particles count for the rates of a batch, and what is said where there are none."""

import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.defs.population.defect_rates import DefectRateConfig, _aliquot_rows
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES
from nanodefect_assets.stores.registry import shipped_model

PLACE = Place(batch="pd-1", aliquot="end")
N_MICROGRAPHS, N_EACH = 8, 12


@pytest.fixture
def particles():
    """Whole particles on like micrographs: three of twelve faulted, six not, three misoriented."""
    classes = [FAULT_CLASSES[0]] * 3 + [FAULT_CLASSES[1]] * 6 + [FAULT_CLASSES[2]] * 3
    names = [f"pd-1/end/{number}.tif" for number in range(N_MICROGRAPHS)]
    return pd.DataFrame(
        {
            "micrograph_id": np.repeat(names, N_EACH),
            "class_name": classes * N_MICROGRAPHS,
            "kind": "particle",
            "touches_edge": False,
            "unlike_training": None,
            "p_like_training": 0.5,
            "duplicate_of": None,
            "is_simulated": False,
            "model_name": "fault_classifier",
            "model_version": "shipped",
        }
    )


def rates(home, particles):
    """Return the rows of an aliquot by the name of the rate; the model ships, so that the home is not looked at."""
    return {row["rate"]: row for row in _aliquot_rows(home, PLACE, particles, DefectRateConfig())}


def test_counts_are_shares_and_stand_in_their_intervals(particles, home):
    found = rates(home, particles)

    assert found["faulted"]["raw"] == pytest.approx(3 / 9)
    assert found["oriented"]["raw"] == pytest.approx(9 / 12)
    known = shipped_model("fault_classifier").record
    assert {row["calibration_set"] for row in found.values()} == {known.training_fingerprint}
    for row in found.values():
        assert row["raw_low"] < row["raw"] < row["raw_high"]
        assert 0 <= row["corrected_low"] <= row["corrected"] <= row["corrected_high"] <= 1


def test_agglomerates_and_background_are_no_single_particles(particles, home):
    others = particles.assign(class_name=np.tile([FAULT_CLASSES[3], FAULT_CLASSES[4]], len(particles) // 2))
    found = rates(home, pd.concat([particles, others]))

    assert (found["faulted"]["raw"], found["oriented"]["raw"]) == (pytest.approx(3 / 9), pytest.approx(9 / 12))


def test_regions_at_the_border_parts_and_micrographs_of_another_pixel_size_do_not_count(particles, home):
    odd = particles.copy()
    odd.loc[0, "touches_edge"] = True
    odd.loc[1, "kind"] = "part"
    odd.loc[odd["micrograph_id"] == "pd-1/end/7.tif", "unlike_training"] = "pixel size 0.2 nm, trained on 0.03 to 0.055"

    row = rates(home, odd)["faulted"]

    assert (row["n_micrographs"], row["n_left_out"]) == (N_MICROGRAPHS - 1, 1 + N_EACH)
    assert row["n_particles"] == (N_MICROGRAPHS - 1) * N_EACH - 2


def test_a_particle_that_two_tiles_show_counts_in_one(particles, home):
    again = particles.iloc[:N_EACH].assign(micrograph_id="pd-1/end/8.tif", duplicate_of="pd-1/end/0.tif#1")
    once, twice = (rates(home, rows)["faulted"] for rows in (particles, pd.concat([particles, again])))

    assert twice == once


def test_no_particle_that_counts_has_no_rate_but_a_reason(particles, home):
    row = rates(home, particles.assign(unlike_training="dose"))["faulted"]

    assert row["corrected"] is None
    assert "got none" in row["refused"]
    assert rates(home, particles[:0]) == {}


def test_classes_of_two_models_are_not_mixed(particles, home):
    particles.loc[:20, "model_version"] = "3"

    assert "classified by one model" in rates(home, particles)["oriented"]["refused"]


def test_measured_and_simulated_particles_have_rates_of_their_own(particles, home):
    both = pd.concat([particles, particles.assign(is_simulated=True)])

    rows = _aliquot_rows(home, PLACE, both, DefectRateConfig())

    assert sorted((row["rate"], row["is_simulated"]) for row in rows) == [
        ("faulted", False),
        ("faulted", True),
        ("oriented", False),
        ("oriented", True),
    ]


def test_a_batch_of_many_novel_regions_has_no_rate_but_a_way_out(particles, home):
    is_novel = np.arange(len(particles)) % 10 < 3

    row = rates(home, particles.assign(p_like_training=np.where(is_novel, 0.05, 0.5)))["faulted"]

    assert row["novel_fraction"] == pytest.approx(is_novel.mean())
    assert row["corrected"] is None
    assert "at most 20% of regions unlike the training" in row["refused"]
    assert "experts have classed" in row["refused"]


@pytest.mark.parametrize("likely", [0.051, None])
def test_few_novel_regions_and_a_model_that_knows_of_none_have_rates(likely, particles, home):
    particles["p_like_training"] = [0.01, *[likely] * (len(particles) - 1)] if likely else likely

    row = rates(home, particles)["faulted"]

    assert row["refused"] is None
    assert row["novel_fraction"] == (pytest.approx(1 / len(particles)) if likely else None)
