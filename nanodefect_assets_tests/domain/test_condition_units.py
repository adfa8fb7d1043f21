import pytest

from nanodefect_assets.domain.condition_units import is_known_unit, unit_doubts, usual_unit
from nanodefect_assets.domain.manifest import Condition
from nanodefect_assets.domain.synthesis_conditions import ConditionsSpec


@pytest.mark.parametrize(
    ("written", "usual"),
    [("C", "degC"), ("°C", "degC"), ("ml", "mL"), ("µL", "uL"), ("hours", "h"), ("RPM", "rpm"), ("mg", "mg")],
)
def test_a_unit_has_one_spelling(written, usual):
    (row,) = ConditionsSpec.model_validate({"of": f"2.5 {written}"}).rows()

    assert usual_unit(written) == row.unit == usual


@pytest.mark.parametrize("unit", ["mM", "mol L-1", "mg/mL", "mL min^-1", "kPa", "wt%", "µmol", "K/min", "m⁻²", "eq"])
def test_units_of_a_synthesis_are_known(unit):
    assert is_known_unit(unit)


@pytest.mark.parametrize("unit", ["furlong", "blue", "mL/blink", "kdegC", "x", "/"])
def test_what_is_no_unit_is_not_known(unit):
    assert not is_known_unit(unit)


@pytest.mark.parametrize(
    ("condition", "doubt"),
    [
        ({"name": "temperature", "value": 90.0, "unit": "degC"}, None),
        ({"name": "temperature", "value": 90.0}, "90 without a unit is no temperature"),
        ({"name": "temperature", "value": 90.0, "unit": "mL"}, "90 mL is no temperature"),
        ({"name": "pH", "value": 7.0}, None),
        ({"name": "colour", "text_value": "red"}, None),
        ({"name": "reagent/PVP", "value": 2.5}, "2.5 is an amount without a unit"),
        ({"name": "stirring", "value": 600.0, "unit": "furlong"}, "'furlong' is not known"),
    ],
)
def test_only_what_says_nothing_clear_is_doubted(condition, doubt):
    found = unit_doubts([Condition.model_validate(condition)])

    assert [doubt in said for said in found] == ([] if doubt is None else [True])
