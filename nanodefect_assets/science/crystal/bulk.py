"""Bond lengths of bulk crystals."""

from collections.abc import Iterable
from math import sqrt

from ase.data import atomic_numbers, reference_states

from nanodefect_assets.science.crystal.spacings import COMPOUNDS_ANGSTROM, symbols_of


def bulk_bond_angstrom(species: Iterable[str]) -> float | None:
    """Return the distance of neighbours in the bulk crystal of a particle's one element, in ångström.

    None for alloys, for what is not known, and for elements that are not fcc: there is no one length to compare with.
    Lattice constants are those of ASE, at room temperature [1]_.

    References
    ----------
    .. [1] N. W. Ashcroft, N. D. Mermin, Solid State Physics (1976), as tabulated in ``ase.data.reference_states``.
    """
    elements = set(species)
    number = atomic_numbers.get(next(iter(elements)), 0) if len(elements) == 1 else 0
    state = reference_states[number] if number else None
    if state is None or state.get("symmetry") != "fcc":
        return None
    return float(state["a"]) / sqrt(2)


def bulk_compound_bond_angstrom(species: Iterable[str]) -> float | None:
    """Return the distance of neighbours of one species in a compound of two elements, in ångström; None if not known.

    That of the phase which is stable at room temperature. In wurtzite it is the mean of six neighbours within a layer
    and six in the next ones, which are 1.3 percent nearer in ZnO and 0.1 in CdSe.
    """
    elements = set(species)
    name = next((name for name in COMPOUNDS_ANGSTROM if set(symbols_of(name)) == elements), None)
    if name is None:
        return None
    structure, a_angstrom, c_angstrom = COMPOUNDS_ANGSTROM[name]
    if structure != "wurtzite":
        return a_angstrom / sqrt(2)
    return (a_angstrom + sqrt(a_angstrom**2 / 3 + c_angstrom**2 / 4)) / 2
