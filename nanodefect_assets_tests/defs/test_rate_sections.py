"""What a batch's page says of shares."""

import pandas as pd
import pytest

from nanodefect_assets.defs.population.rate_sections import faults_section, hands_section

PLACE = {"synthesis_batch": "pd-1", "is_simulated": False}
RATE = {
    "n_micrographs": 12,
    "n_particles": 150,
    "raw": 0.3,
    "raw_low": 0.2,
    "raw_high": 0.41,
    "corrected": 0.22,
    "corrected_low": 0.05,
    "corrected_high": 0.4,
    "model_version": "shipped",
    "refused": None,
}
REFUSED = dict.fromkeys(RATE) | {"n_micrographs": 3, "n_particles": 20, "refused": "Expected 5 micrographs. Got 3."}
HANDS = {
    "n_micrographs": 4,
    "n_particles": 40,
    "n_minority": 8,
    "minority_fraction": 0.2,
    "minority_fraction_low": 0.1,
    "minority_fraction_high": 0.36,
    "left_fraction": None,
}


class Found:
    """Stands in for a stored generation: it has rows."""

    def __init__(self, *rows):
        self._rows = pd.DataFrame([PLACE | row for row in rows])

    def rows(self, table):
        return self._rows


def test_rates_stand_beside_their_intervals_and_are_drawn():
    rows = [{"aliquot_time": "t0028800", "rate": rate} | RATE for rate in ("oriented", "faulted")]

    section = faults_section(Found(*rows))

    shown = ("8 h", "faulted", "150", "12", "0.300", "0.200 to 0.410", "0.220", "0.050 to 0.400", "shipped")
    assert section.tables[0].rows[1] == shown
    assert [picture.caption for picture in section.pictures] == [
        "Particles that show columns, of single particles.",
        "Particles that show a fault, of those that show columns.",
    ]


def test_a_refused_rate_says_why_and_is_not_drawn():
    section = faults_section(Found({"aliquot_time": "end", "rate": "faulted"} | REFUSED))

    assert section.paragraphs[1].endswith("faulted: no share. Expected 5 micrographs. Got 3.")
    assert section.tables[0].rows[0][4:] == ("not known", "not known", "not known", "not known", "")
    assert section.pictures == ()


def test_the_rarer_hand_has_its_share_of_each_aliquot_and_of_the_batch():
    section = hands_section(Found({"aliquot_time": "end"} | HANDS, {"aliquot_time": None} | HANDS))

    assert [row[0] for row in section.tables[0].rows][1] == "whole batch"
    assert section.tables[0].rows[0][1:] == ("40", "4", "8", "0.200", "0.100 to 0.360", "not known")
    assert len(section.pictures) == 1


@pytest.mark.parametrize("section", [faults_section, hands_section])
def test_a_batch_without_shares_has_no_section(section):
    assert section(None) is None
    assert section(Found()) is None
