"""Spacings of lattice planes of bulk crystals: what an electron microscope can show as fringes."""

import re
from itertools import product
from math import sqrt

from ase.data import atomic_numbers, reference_states

COMPOUNDS_ANGSTROM = {
    "CdSe": ("wurtzite", 4.299, 7.010),
    "CdS": ("wurtzite", 4.136, 6.713),
    "ZnO": ("wurtzite", 3.250, 5.207),
    "ZnS": ("zincblende", 5.409, 5.409),
    "CdTe": ("zincblende", 6.482, 6.482),
    "PbS": ("rocksalt", 5.936, 5.936),
    "PbSe": ("rocksalt", 6.124, 6.124),
}
"""Structure, a and c of compounds at room temperature [1]_."""

_MAX_INDEX = 3
_SPACING_TOLERANCE = 1e-6


def lattice_spacings_nm(material: str) -> tuple[float, ...] | None:
    """Return the spacings of planes that reflect, the largest first, in nanometres.

    Parameters
    ----------
    material : str
        A compound such as ``CdSe``, or elements such as ``Pd``, ``Pd@Pt`` or ``PdPt``; of several elements all spacings
        of all of them are given, between which those of their alloys lie.

    Returns
    -------
    tuple of float or None
        None where a part of the material is not known here.

    Notes
    -----
    Planes up to index 3 whose structure factor does not vanish: unmixed indices for fcc, an even sum for bcc, both
    that and not 4n + 2 with all indices even for diamond; hcp and wurtzite without odd l where h + 2k = 3n. Lattice
    constants of elements are those of ASE [2]_.

    References
    ----------
    .. [1] R. W. G. Wyckoff, Crystal Structures, vol. 1, 2nd ed. (1963), chapters II and III.
    .. [2] N. W. Ashcroft, N. D. Mermin, Solid State Physics (1976), as tabulated in ``ase.data.reference_states``.
    """
    name = material.strip()
    crystals = [COMPOUNDS_ANGSTROM[name]] if name in COMPOUNDS_ANGSTROM else [_element(s) for s in symbols_of(name)]
    known = [crystal for crystal in crystals if crystal is not None]
    if not crystals or len(known) < len(crystals):
        return None
    found = sorted({spacing for crystal in known for spacing in _reflecting(*crystal)}, reverse=True)
    return tuple(spacing / 10 for spacing in found)


def symbols_of(name: str) -> list[str]:
    """Return the chemical symbols in a name, or nothing where it is not made of them."""
    parts = re.findall(r"[A-Z][a-z]?", name)
    is_formula = re.fullmatch(r"(?:[A-Z][a-z]?[0-9.]*[@\-/ ]*)+", name) is not None
    return parts if is_formula and all(part in atomic_numbers for part in parts) else []


def _element(symbol: str) -> tuple[str, float, float] | None:
    state = reference_states[atomic_numbers[symbol]]
    if state is None or "basis" in state or state.get("symmetry") not in ("fcc", "bcc", "diamond", "hcp"):
        return None  # Te is hcp there, with a basis of its own: a chain, not a close packing
    a_angstrom = float(state["a"])
    return state["symmetry"], a_angstrom, a_angstrom * float(state.get("c/a", 1.0))


def _reflecting(structure: str, a_angstrom: float, c_angstrom: float) -> list[float]:
    """Return the distinct spacings of a structure, in ångström."""
    is_hexagonal = structure in ("hcp", "wurtzite")
    spacings = []
    for h, k, l in product(range(_MAX_INDEX + 1), repeat=3):  # noqa: E741 - Miller's own letters
        if not h + k + l or not _reflects(structure, h, k, l):
            continue
        in_plane = 4 / 3 * (h * h + h * k + k * k) if is_hexagonal else h * h + k * k
        spacings.append(1 / sqrt(in_plane / a_angstrom**2 + (l / c_angstrom) ** 2))
    spacings.sort(reverse=True)
    return [d for at, d in enumerate(spacings) if at == 0 or spacings[at - 1] - d > _SPACING_TOLERANCE]


def _reflects(structure: str, h: int, k: int, l: int) -> bool:  # noqa: E741
    if structure in ("hcp", "wurtzite"):
        return bool((h + 2 * k) % 3 or l % 2 == 0)
    if structure == "bcc":
        return (h + k + l) % 2 == 0
    is_unmixed = h % 2 == k % 2 == l % 2
    if structure == "diamond":
        return is_unmixed and (h % 2 == 1 or (h + k + l) % 4 == 0)
    return is_unmixed
