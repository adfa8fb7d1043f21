"""Bond order parameters of spherical harmonics, averaged over neighbours."""

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.special import sph_harm_y

from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.atoms.links import neighbour_pairs

BondOrder = Float[np.ndarray, " atom"]


def averaged_bond_order(positions_angstrom: Positions, cutoff_angstrom: float, degree: int) -> BondOrder:
    """Return the bond order parameter of Lechner and Dellago for every atom.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.
    cutoff_angstrom : float
        Neighbours are nearer than this.
    degree : int
        4 or 6: q4 tells fcc (0.19) from hcp (0.10), q6 both (0.57, 0.48) from a liquid (below 0.3).

    Notes
    -----
    ``q_lm`` is the mean of the spherical harmonics over an atom's neighbours; it is averaged over the atom itself and
    its neighbours before the sum over ``m`` is taken [1]_.

    References
    ----------
    .. [1] W. Lechner, C. Dellago, J. Chem. Phys. 129, 114707 (2008), 10.1063/1.2977970, eqs. 3, 5 and 6.
    """
    pairs = neighbour_pairs(positions_angstrom, cutoff_angstrom)
    apart = positions_angstrom[pairs[:, 1]] - positions_angstrom[pairs[:, 0]]
    polar = np.arccos(np.clip(apart[:, 2] / np.linalg.norm(apart, axis=1), -1, 1))
    azimuth = np.arctan2(apart[:, 1], apart[:, 0])
    n_atoms, n_pairs = len(positions_angstrom), len(pairs)
    # Harmonics of even degree are the same for both directions of a bond, so each pair counts for both of its atoms.
    ends = (pairs.T.ravel(), np.tile(np.arange(n_pairs), 2))
    gather = csr_array((np.ones(2 * n_pairs), ends), shape=(n_atoms, n_pairs))
    links = csr_array((np.ones(2 * n_pairs), (pairs.T.ravel(), pairs[:, ::-1].T.ravel())), shape=(n_atoms, n_atoms))
    n_neighbours = np.maximum(links.sum(axis=1), 1)
    total = np.zeros(n_atoms)
    for order in range(degree + 1):
        mean = (gather @ sph_harm_y(degree, order, polar, azimuth)) / n_neighbours
        averaged = (mean + links @ mean) / (1 + links.sum(axis=1))
        total += (1 if order == 0 else 2) * np.abs(averaged) ** 2
    return np.sqrt(4 * np.pi / (2 * degree + 1) * total)
