"""Synthesis conditions as people write them: ``90 degC``, a value with a unit, a reagent's amount, or text."""

import math
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nanodefect_assets.domain.condition_units import usual_unit
from nanodefect_assets.domain.manifest import Condition
from nanodefect_assets.domain.refusal import Refusal, shortened

_NUMBER = r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_UNIT = r"[^\W\d_]\S{0,19}|[%°‰]\S{0,19}"
_POWER = r"[^\W\d_]{1,5}\^?-?\d"
_QUANTITY_PATTERN = re.compile(rf"({_NUMBER})(?:\s*({_UNIT})((?:\s{_POWER})*))?")
"""A number and a unit; words after the unit only if they are powers, as in ``0.5 mol L-1``: prose stays prose."""


class SpecPart(BaseModel):
    """Base of everything that people write: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantity(SpecPart):
    """A number with its unit."""

    value: float = Field(allow_inf_nan=False, description="The number.")
    unit: str | None = Field(
        default=None, min_length=1, max_length=40, description="Its unit, as you write it; none for a pure number."
    )


def parse_quantity(text: str) -> Quantity | None:
    """Return the number and unit that `text` states, such as ``90 degC``; None if it states something else.

    Numbers with leading zeros are names rather than numbers, so they are left alone.
    """
    match = _QUANTITY_PATTERN.fullmatch(text.strip())
    if match is None or not math.isfinite(float(match[1])):
        return None
    unit = f"{match[2]}{match[3] or ''}" if match[2] else None
    return Quantity(value=float(match[1]), unit=unit)


def _quantity(given: Any) -> Any:
    if isinstance(given, bool) or given is None:
        raise _not_a_quantity(given)
    if isinstance(given, int | float):
        return Quantity(value=given)
    if isinstance(given, str):
        found = parse_quantity(given)
        if found is None:
            raise _not_a_quantity(given)
        return found
    return Quantity.model_validate(given)


def _not_a_quantity(given: Any) -> Refusal:
    return Refusal(
        "bad_quantity",
        expected="a number with its unit, such as '90 degC' or {value: 90, unit: degC}",
        got=shortened(repr(given), 80),
        advice="Decimals take a point, not a comma.",
    )


def _free_value(given: Any) -> Any:
    if isinstance(given, bool):
        return "true" if given else "false"
    if given is None or (isinstance(given, str) and not given.strip()):
        raise Refusal("empty_condition", expected="a number, a number with a unit, or text", got="nothing")
    if isinstance(given, str):
        return parse_quantity(given) or given.strip()
    return _quantity(given)


Amount = Annotated[Quantity, BeforeValidator(_quantity, json_schema_input_type=float | str | Quantity)]
FreeValue = Annotated[Quantity | str, BeforeValidator(_free_value, json_schema_input_type=float | str | Quantity)]


class Reagent(SpecPart):
    """One reagent and how much of it."""

    name: str = Field(min_length=1, max_length=100, description="Name of the reagent, such as PVP or Na2PdCl4.")
    amount: Amount = Field(description="How much: a number (with `unit` beside it) or text such as '2.5 mL'.")
    unit: str | None = Field(default=None, min_length=1, max_length=40, description="Unit of `amount`.")


class ConditionsSpec(BaseModel):
    """Conditions of a batch or of one aliquot; any further field is a condition of that name."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, FreeValue] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    temperature: Amount | None = Field(default=None, description="Temperature, such as '90 degC'.")
    reagents: tuple[Reagent, ...] = Field(default=(), description="Reagents with their amounts.")

    def rows(self, aliquot: str | None = None) -> tuple[Condition, ...]:
        """Return one `Condition` per condition, of the whole batch or of one aliquot.

        Raises
        ------
        Refusal
            If two conditions have one name.
        """
        named = [(f"reagent/{reagent.name}", _amount_of(reagent)) for reagent in self.reagents]
        named += [("temperature", self.temperature)] if self.temperature is not None else []
        named += list(self.__pydantic_extra__.items())
        names = [name for name, _ in named]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            got = f"{', '.join(repeated)} more than once"
            raise Refusal("condition_twice", expected="each condition once", got=got)
        return tuple(_row(name, value, aliquot) for name, value in named)


def _amount_of(reagent: Reagent) -> Quantity:
    return reagent.amount.model_copy(update={"unit": reagent.amount.unit or reagent.unit})


def _row(name: str, value: Quantity | str, aliquot: str | None) -> Condition:
    if isinstance(value, str):
        return Condition(name=name, text_value=value, aliquot=aliquot)
    unit = None if value.unit is None else usual_unit(value.unit)
    return Condition(name=name, value=value.value, unit=unit, aliquot=aliquot)
