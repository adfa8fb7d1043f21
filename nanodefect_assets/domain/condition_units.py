"""Units of synthesis conditions: one spelling for what people write in many, and doubt about what is no unit."""

import re
from collections.abc import Iterable

from nanodefect_assets.domain.manifest import Condition

_ALIASES = {
    "degC": ("C", "°C", "℃", "degC", "deg_C", "celsius", "degrees_celsius"),
    "degF": ("°F", "℉", "degF", "fahrenheit"),
    "K": ("K", "kelvin"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "L": ("l", "L", "liter", "liters", "litre", "litres"),
    "mL": ("ml", "mL", "milliliter", "milliliters", "millilitre", "millilitres", "cc"),
    "uL": ("ul", "uL", "microliter", "microliters"),
    "g": ("g", "gram", "grams"),
    "mg": ("mg", "milligram", "milligrams"),
    "mol": ("mol", "mole", "moles"),
    "M": ("M", "molar"),
    "rpm": ("rpm", "RPM", "r.p.m."),
    "%": ("%", "percent"),
    "wt%": ("wt%", "wt.%", "w%"),
    "eq": ("eq", "equiv", "equivalents"),
}
_SPELLING = {spelling: unit for unit, spellings in _ALIASES.items() for spelling in spellings}
_WITH_PREFIX = ("g", "L", "mol", "M", "m", "s", "Pa", "bar", "W", "V", "A", "J", "eV", "Hz", "N", "S")
_PREFIXES = ("", "f", "p", "n", "u", "m", "c", "d", "k", "M", "G")
_KNOWN = frozenset(prefix + unit for unit in _WITH_PREFIX for prefix in _PREFIXES) | {
    *_ALIASES,
    *("%", "‰", "ppm", "ppb", "vol%", "mol%", "at%", "atm", "psi", "Torr", "mmHg", "sccm", "slm", "cal", "kcal"),
    *("angstrom", "Å", "xg", "drop", "drops", "Da", "kDa", "deg", "rad"),
}
_TEMPERATURES = ("degC", "degF", "K")
_POWER = re.compile(r"\^?-?\d+$|[⁻⁰¹²³⁴]+$")
_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})


def usual_unit(unit: str) -> str:
    """Return the one spelling of a unit that people write in several, such as degC for C; others as they are."""
    plain = unit.translate(_MICRO)
    return _SPELLING.get(plain, plain)


def is_known_unit(unit: str) -> bool:
    """Whether `unit` is a unit, or a product or quotient of powers of units, such as ``mg mL-1`` or ``mL/min``."""
    if usual_unit(unit) in _KNOWN:
        return True
    parts = re.split(r"[\s*·/]+", unit.translate(_MICRO))
    return all(_SPELLING.get(name, name) in _KNOWN for name in (_POWER.sub("", part) for part in parts))


def unit_doubts(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """Say of which conditions the unit is none that is known, or is missing where a number alone says nothing."""
    return tuple(f"{found.name}: {doubt}" for found in conditions if (doubt := _doubt(found)))


def _doubt(condition: Condition) -> str:
    number = "" if condition.value is None else f"{condition.value:g}"
    if condition.name == "temperature" and condition.unit not in _TEMPERATURES:
        return f"{number} {condition.unit or 'without a unit'} is no temperature in degC, degF or K".strip()
    if condition.name.startswith("reagent/") and condition.value is not None and condition.unit is None:
        return f"{number} is an amount without a unit"
    if condition.unit is None or is_known_unit(condition.unit):
        return ""
    return f"the unit {condition.unit!r} is not known; it is kept as it is written"
