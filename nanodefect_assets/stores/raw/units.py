"""Lengths as instruments write them, in nanometres."""

import re
from typing import Any

import numpy as np

from nanodefect_assets.domain.lengths import LARGEST_PIXEL_NM, SMALLEST_PIXEL_NM
from nanodefect_assets.domain.refusal import Refusal

_SQUARE_WITHIN = 0.01

_NM_OF = {
    "pm": 1e-3,
    "picometer": 1e-3,
    "a": 0.1,
    "å": 0.1,
    "ang": 0.1,
    "angstrom": 0.1,
    "ångström": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "micron": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "inch": 2.54e7,
    "m": 1e9,
    "meter": 1e9,
}
_NO_LENGTH = {"", "pixel", "px", "none", "<undefined>", "undefined", "t.undefined"}


def nm_per(unit: Any) -> float | None:
    """Return how many nanometres a length unit has; None if `unit` is no length.

    Raises
    ------
    Refusal
        If the unit is reciprocal or an angle: the image is a diffraction pattern or a Fourier transform.
    """
    name = _plain(unit)
    if name in _NM_OF:
        return _NM_OF[name]
    if re.search(r"^1/|/1$|\^?-1$|rad$|^reciprocal", name) and not name.startswith(("1/s", "s^")):
        raise Refusal(
            "diffraction_pattern",
            expected="an image with a pixel size in a unit of length",
            got=f"the unit {str(unit)[:40]!r}: a diffraction pattern or a Fourier transform",
            advice="Drop the image itself; diffraction patterns are not taken.",
        )
    return None


def _plain(unit: Any) -> str:
    """Return a unit's name in one spelling: lower case, the micro sign U+00B5, singular, no brackets."""
    if isinstance(unit, bytes):
        unit = unit.decode("latin-1")
    name = str("" if unit is None else unit).strip().strip("\0[]").lower().replace(" ", "")
    name = name.replace("\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}").replace("\\u00b5", "\N{MICRO SIGN}")
    name = name.replace("\N{ANGSTROM SIGN}".lower(), "å").replace("metre", "meter").replace("n_m", "nm")
    name = name.replace("u_m", "um").replace("p_m", "pm").replace("inches", "inch")
    return name[:-1] if len(name) > 3 and name.endswith("s") and not name.startswith("1/") else name


def pixel_size_nm(row_scale: Any, col_scale: Any, row_unit: Any, col_unit: Any = None) -> float | None:
    """Return the edge of a square pixel in nanometres, from the scale of rows and columns in their units.

    Returns
    -------
    float or None
        None if the units are no lengths or a scale is 0, which is how files say that they do not know.

    Raises
    ------
    Refusal
        If a scale is negative, not a number or no microscope's, if pixels are not square within 1 %, or if the
        unit is reciprocal.
    """
    col_unit = row_unit if col_unit is None else col_unit
    row_nm, col_nm = nm_per(row_unit), nm_per(col_unit)
    if row_nm is None or col_nm is None:
        return None
    edges_nm = np.array([row_scale, col_scale], dtype=float) * [row_nm, col_nm]
    if not edges_nm.any():
        return None
    if not np.all((edges_nm >= SMALLEST_PIXEL_NM) & (edges_nm <= LARGEST_PIXEL_NM)):
        raise _bad_pixel_size(f"{row_scale} {row_unit} x {col_scale} {col_unit}")
    if abs(edges_nm[0] - edges_nm[1]) > _SQUARE_WITHIN * edges_nm.max():
        raise Refusal(
            "pixels_not_square",
            expected="square pixels, within 1 %",
            got=f"{edges_nm[0]:.6g} nm high and {edges_nm[1]:.6g} nm wide",
            advice="Resample the image to square pixels, or export it anew with the right calibration.",
        )
    return float(edges_nm.mean())


def _bad_pixel_size(got: str) -> Refusal:
    return Refusal(
        "bad_pixel_size",
        expected=f"a pixel size from {SMALLEST_PIXEL_NM:g} to {LARGEST_PIXEL_NM:g} nm",
        got=got[:100],
        advice="The header is damaged: copy the file again, or export it anew with its calibration.",
    )
