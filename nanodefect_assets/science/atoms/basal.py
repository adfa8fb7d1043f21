"""Basal faults of hcp crystals, by their whole sequence of layers."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.science.atoms.layers import SPACING_BONDS
from nanodefect_assets.science.crystal.stacking import name_defects

_GAP = 0.35
"""Heights further apart than this part of the spacing belong to two layers."""

_MIN_ATOMS = 7
_NAMES = {"f": "i1", "ff": "i2", "fff": "extrinsic"}
"""Fcc layers of a fault in an hcp crystal: one for I1 (growth), two for I2 (slip), three for the extrinsic one."""


_PARALLEL = np.cos(np.deg2rad(20.0))
_ONE_AXIS = 0.8
"""Share of the hcp atoms with one normal, from which they are one crystal; twin planes lie in several directions."""


def is_hcp_crystal(order: AtomOrder) -> bool:
    """Return whether a particle is an hcp crystal: more hcp than fcc atoms, and layers of one normal."""
    is_hcp = order.order == "hcp"
    if is_hcp.sum() <= (order.order == "fcc").sum():
        return False
    return float(np.mean(np.abs(order.rotations[is_hcp][:, :, 2] @ _axis(order)) > _PARALLEL)) > _ONE_AXIS


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
    is_hcp = order.order == "hcp"
    return "".join("h" if is_hcp[layer].mean() > 0.5 else "f" for layer in _layers(order))


def basal_defects(order: AtomOrder) -> Shaped[np.ndarray, " atom"]:
    """Return the basal fault that each atom of an hcp crystal is in: intrinsic, extrinsic, fcc, rhcp or none."""
    layers, defect = _layers(order), np.full(len(order), "none", dtype="<U9")
    for start, stop, name in name_defects(stacking_letters(order), host="h"):
        defect[np.concatenate(layers[start:stop])] = name
    return defect


def _axis(order: AtomOrder) -> Float[np.ndarray, " 3"]:
    normals = order.rotations[order.order == "hcp"][:, :, 2]
    return np.linalg.eigh(normals.T @ normals)[1][:, -1]


def _layers(order: AtomOrder) -> list[Int[np.ndarray, " member"]]:
    """Return the hcp and fcc atoms of each layer, along the c axis; none for a particle without hcp atoms."""
    if not (order.order == "hcp").any():
        return []
    chosen = np.flatnonzero(np.isin(order.order, ["hcp", "fcc"]))
    heights = order.positions_angstrom[chosen] @ _axis(order)
    rising = np.argsort(heights)
    gaps = np.diff(heights[rising]) > _GAP * SPACING_BONDS * order.bond.mean_angstrom
    return [part for part in np.split(chosen[rising], np.flatnonzero(gaps) + 1) if len(part) >= _MIN_ATOMS]


def count_basal_faults(order: AtomOrder) -> dict[str, float]:
    """Return how many basal faults of each kind an hcp crystal has: I1, I2, extrinsic, and blocks that are more."""
    letters = stacking_letters(order)
    names = [_NAMES.get(letters[start:stop], "other") for start, stop, _ in name_defects(letters, host="h")]
    return {f"n_basal_{name}": float(names.count(name)) for name in (*_NAMES.values(), "other")}
