"""Bond lengths of bulk crystals."""

from collections.abc import Iterable
from math import sqrt

from ase.data import atomic_numbers, reference_states


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
