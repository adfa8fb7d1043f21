"""Basal faults of hcp crystals, by their whole sequence of layers."""

import numpy as np

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.science.atoms.layers import SPACING_BONDS
from nanodefect_assets.science.crystal.stacking import name_defects

_GAP = 0.35
"""Heights further apart than this part of the spacing belong to two layers."""

_MIN_ATOMS = 7
_NAMES = {"f": "i1", "ff": "i2", "fff": "extrinsic"}
"""Fcc layers of a fault in an hcp crystal: one for I1 (growth), two for I2 (slip), three for the extrinsic one."""


def stacking_letters(order: AtomOrder) -> str:
    """Return ``h`` or ``f`` for each close-packed layer of an hcp crystal, from one end of its c axis to the other.

    Parameters
    ----------
    order : AtomOrder
        The labelled atoms; of a compound such as wurtzite, those of one species alone.

    Notes
    -----
    A layer is what most of its hcp and fcc atoms are, so that a fault counts where it covers more than half of the
    particle's cross section. Layers of fewer than seven such atoms, at the ends, are left out.
    """
    is_hcp, is_fcc = order.order == "hcp", order.order == "fcc"
    chosen = np.flatnonzero(is_hcp | is_fcc)
    if not is_hcp.any():
        return ""
    normals = order.rotations[is_hcp][:, :, 2]
    axis = np.linalg.eigh(normals.T @ normals)[1][:, -1]
    heights = order.positions_angstrom[chosen] @ axis
    rising = np.argsort(heights)
    gaps = np.diff(heights[rising]) > _GAP * SPACING_BONDS * order.bond.mean_angstrom
    layers = np.split(chosen[rising], np.flatnonzero(gaps) + 1)
    shares = [is_hcp[layer].mean() for layer in layers if len(layer) >= _MIN_ATOMS]
    return "".join("h" if share > 0.5 else "f" for share in shares)


def count_basal_faults(order: AtomOrder) -> dict[str, float]:
    """Return how many basal faults of each kind an hcp crystal has: I1, I2, extrinsic, and blocks that are more."""
    letters = stacking_letters(order)
    names = [_NAMES.get(letters[start:stop], "other") for start, stop, _ in name_defects(letters, host="h")]
    return {f"n_basal_{name}": float(names.count(name)) for name in (*_NAMES.values(), "other")}
