"""Lengths of a unit, as people name them."""

from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.domain.synthesis_conditions import parse_quantity

SMALLEST_PIXEL_NM, LARGEST_PIXEL_NM = 1e-4, 1e7
"""Pixel sizes beyond these, a tenth of a picometre and a centimetre, are slips of the unit."""

_ANGSTROM = {"angstrom": 1.0, "a": 1.0, "å": 1.0, "nm": 10.0, "pm": 0.01, "um": 1e4, "m": 1e10, "bohr": 0.529177210903}


def angstrom_per_unit(text: str) -> float:
    """Return how many ångström one unit of coordinates is: ``nm`` is 10, ``0.3434 angstrom`` (a voxel) is 0.3434.

    Raises
    ------
    Refusal
        If the text names no length.
    """
    quantity = parse_quantity(text)
    factor, unit = (1.0, text.strip()) if quantity is None else (quantity.value, quantity.unit or "")
    length = _ANGSTROM.get(unit.lower().replace("\u212b", "å"))
    if length is None or not factor > 0:
        raise Refusal(
            "bad_length_unit",
            expected="angstrom, nm or pm, or the length of one unit such as '0.3434 angstrom'",
            got=shortened(repr(text), 60),
        )
    return factor * length
