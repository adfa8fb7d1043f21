"""Strain of every atom's shell against bulk."""

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.science.atoms.match import D_MAX
from nanodefect_assets.science.atoms.neighbours import Shells, find_shells
from nanodefect_assets.science.atoms.templates import template

_CHUNK = 5000
_MIN_PAIRS = 6


def measure_strain(order: AtomOrder, bulk_bond_angstrom: float) -> Float[np.ndarray, "atom 3 3"]:
    """Measure the strain of the shell of every fcc and hcp atom.

    Parameters
    ----------
    order : AtomOrder
        Classes and orientations.
    bulk_bond_angstrom : float
        Distance of neighbours in the bulk crystal: edge of the cubic cell over the square root of 2.

    Returns
    -------
    ndarray of shape (atom, 3, 3)
        Green-Lagrange strain in the particle's axes; no number for atoms that are neither fcc nor hcp.

    Notes
    -----
    The deformation gradient ``F`` maps the bulk shell, turned as the atom's template, onto the neighbours by least
    squares, both about their means; the strain is ``(F^T F - 1) / 2``. An error of the voxel size of 1 % is a strain of
    1 % everywhere.
    """
    strain = np.full((len(order), 3, 3), np.nan)
    shells = find_shells(order.positions_angstrom, order.bond.mean_angstrom)
    for name in ("fcc", "hcp"):
        atoms = np.flatnonzero(order.order == name)
        for start in range(0, len(atoms), _CHUNK):
            chunk = atoms[start : start + _CHUNK]
            strain[chunk] = _strain_of(chunk, name, order, shells, bulk_bond_angstrom)
    return strain


def volumetric(strain: Float[np.ndarray, "atom 3 3"]) -> Float[np.ndarray, " atom"]:
    """Return the mean of the three normal strains: 0.01 for a crystal 1 % larger in every direction."""
    return np.trace(strain, axis1=1, axis2=2) / 3


def _strain_of(
    atoms: Int[np.ndarray, " chosen"], name: str, order: AtomOrder, shells: Shells, bulk_bond_angstrom: float
) -> Float[np.ndarray, "chosen 3 3"]:
    vectors = shells.vectors[atoms]
    turned = np.einsum("nab,vb->nva", order.rotations[atoms], template(name))
    distances = np.linalg.norm(turned[:, :, None] - vectors[:, None], axis=3)
    distances[np.broadcast_to((np.arange(12) >= shells.n_found[atoms][:, None])[:, None], distances.shape)] = np.inf
    nearest = distances.argmin(axis=2)
    is_pair = (distances.min(axis=2) < D_MAX)[..., None]
    found = np.take_along_axis(vectors, nearest[..., None], axis=1) * order.bond.mean_angstrom
    bulk, real = _about_mean(turned * bulk_bond_angstrom, is_pair), _about_mean(found, is_pair)
    normal = np.einsum("nva,nvb->nab", bulk, bulk)
    is_known = is_pair.sum(axis=(1, 2)) >= _MIN_PAIRS
    normal[~is_known] = np.eye(3)
    gradient = np.einsum("nva,nvb->nab", real, bulk) @ np.linalg.inv(normal)
    strain = (np.einsum("nca,ncb->nab", gradient, gradient) - np.eye(3)) / 2
    strain[~is_known] = np.nan
    return strain


def _about_mean(points: Float[np.ndarray, "atom 12 3"], is_pair: np.ndarray) -> Float[np.ndarray, "atom 12 3"]:
    n_pairs = np.maximum(is_pair.sum(axis=1, keepdims=True), 1)
    return (points - (points * is_pair).sum(axis=1, keepdims=True) / n_pairs) * is_pair
