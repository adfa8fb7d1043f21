import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nanodefect_assets.domain.lengths import angstrom_per_unit
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.synthesis_conditions import ConditionsSpec, Quantity, parse_quantity


def rows(**given):
    return {row.name: (row.value, row.unit, row.text_value) for row in ConditionsSpec.model_validate(given).rows()}


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("90 degC", 90, "degC"),
        ("90°C", 90, "°C"),
        ("2.5 mL", 2.5, "mL"),
        ("5%", 5, "%"),
        ("1e-3", 1e-3, None),
        ("-4", -4, None),
        (".5 mol L-1", 0.5, "mol L-1"),
        ("3 mg/mL", 3, "mg/mL"),
        ("12 µL min^-1", 12, "µL min^-1"),
    ],
)
def test_a_number_with_its_unit_is_understood(text, value, unit):
    assert parse_quantity(text) == Quantity(value=value, unit=unit)


@pytest.mark.parametrize(
    "text",
    ["2021-03-04", "8:30", "0012", "1,5 mL", "two mL", "3 drops of oil", "1e999", "nan", "", "1 to 2", "90 deg C"],
)
def test_text_that_is_no_quantity_stays_text(text):
    assert parse_quantity(text) is None


@given(st.floats(-1e12, 1e12, allow_nan=False), st.sampled_from(["mL", "degC", "g/L", "%"]))
def test_a_quantity_that_is_written_is_read_back(value, unit):
    assert parse_quantity(f"{value!r} {unit}") == Quantity(value=value, unit=unit)


@given(st.text(max_size=60))
def test_any_text_is_a_finite_quantity_or_none(text):
    found = parse_quantity(text)

    assert found is None or math.isfinite(found.value)


def test_every_way_of_writing_a_condition_becomes_a_row():
    found = rows(
        temperature="90 degC",
        reagents=[{"name": "PVP", "amount": "2 mL"}, {"name": "NaBr", "amount": 0.1, "unit": "g"}],
        stirring={"value": "600", "unit": "rpm"},
        pH=7,
        light="dark",
        degassed=True,
        begun="2021-03-04",
    )

    assert found == {
        "reagent/PVP": (2, "mL", None),
        "reagent/NaBr": (0.1, "g", None),
        "temperature": (90, "degC", None),
        "stirring": (600, "rpm", None),
        "pH": (7, None, None),
        "light": (None, None, "dark"),
        "degassed": (None, None, "true"),
        "begun": (None, None, "2021-03-04"),
    }


def test_conditions_of_an_aliquot_name_it():
    [row] = ConditionsSpec.model_validate({"temperature": "1 K"}).rows("t0000045")

    assert row.aliquot == "t0000045"


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": "hot"},
        {"temperature": "1,5 degC"},
        {"temperature": True},
        {"reagents": [{"name": "PVP"}]},
        {"reagents": [{"name": "PVP", "amount": "some"}]},
        {"reagents": [{"name": "PVP", "amount": 1, "colour": "red"}]},
        {"stirring": None},
        {"stirring": "  "},
        {"stirring": {"value": "fast"}},
        {"stirring": {"value": 1, "uint": "rpm"}},
        {"stirring": ["a"]},
        {"stirring": math.inf},
    ],
)
def test_conditions_that_say_nothing_clear_are_errors(given):
    with pytest.raises(ValidationError):
        ConditionsSpec.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [
        {"reagents": [{"name": "PVP", "amount": 1}, {"name": "PVP", "amount": 2}]},
        {"reagents": [{"name": "PVP", "amount": 1}], "reagent/PVP": 2},
    ],
)
def test_one_condition_twice_is_refused(given):
    with pytest.raises(Refusal, match=r"reagent/PVP more than once"):
        ConditionsSpec.model_validate(given).rows()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("angstrom", 1), ("Å", 1), ("nm", 10), ("0.3434 angstrom", 0.3434), ("2 pm", 0.02), ("um", 1e4)],
)
def test_units_of_coordinates_are_known_in_angstrom(text, expected):
    assert angstrom_per_unit(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["voxel", "0.3", "-1 nm", "0 nm", "3 feet", ""])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(Refusal, match="angstrom"):
        angstrom_per_unit(text)
