"""Which atoms lie at the outside of a particle, and which way out is."""

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit, prange
from scipy.spatial import cKDTree

from nanodefect_assets.domain.structure import Positions

_REACH_BONDS = 2.2
"""Beyond the atom that stands behind a vacancy, at two bonds."""
_CONE_DEG = 52.0
"""Half-angle of a free cone: wider than the 45 degrees at which a {100} layer covers the one below it."""
_N_NEAREST = 56


def find_exposed(
    positions_angstrom: Positions, coordination: Int[np.ndarray, " atom"], bond_angstrom: float
) -> Bool[np.ndarray, " atom"]:
    """Return which atoms see out of the particle: no atom within a cone of 104 degrees, up to 2.2 bonds away.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.
    coordination : ndarray of shape (atom,)
        Numbers of neighbours; atoms with 12 or more are inside.
    bond_angstrom : float
        Length of a bond, in angstrom.
    """
    exposed = np.zeros(len(positions_angstrom), dtype=bool)
    candidates = np.flatnonzero(coordination < 12)
    if len(candidates):
        ways, found = _unit_vectors(positions_angstrom, candidates, bond_angstrom)
        exposed[candidates] = _see_out(ways, found.sum(axis=1), np.cos(np.deg2rad(_CONE_DEG)))
    return exposed


@njit(cache=True)
def _is_free(ways, n_found, direction, limit):  # pragma: no cover - compiled
    """Return whether no way to a neighbour lies in the cone about a direction, which need not have length 1."""
    length = np.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
    if length < 1e-6:
        return False
    for at in range(n_found):
        way = ways[at]
        if way[0] * direction[0] + way[1] * direction[1] + way[2] * direction[2] > limit * length:
            return False
    return True


@njit(cache=True, parallel=True)
def _see_out(ways, n_found, limit):  # pragma: no cover - compiled
    """Return which atoms have a free cone about one of the directions tried.

    These are away from the mean of all neighbours, and away from each of the nearest and from each two of them, so that
    they turn with the particle.
    """
    out = np.zeros(len(ways), np.bool_)
    for atom in prange(len(ways)):
        own, n_own = ways[atom], n_found[atom]
        found = _is_free(own, n_own, -own.sum(axis=0), limit)
        for first in range(min(n_own, 12)):
            for second in range(first + 1):
                found = found or _is_free(own, n_own, -own[first] - own[second], limit)
        out[atom] = found
    return out


def outward_normals(
    positions_angstrom: Positions, atoms: Int[np.ndarray, " chosen"], bond_angstrom: float
) -> Float[np.ndarray, "chosen 3"]:
    """Return unit vectors out of the particle at some atoms: away from the mean of the atoms up to 2.2 bonds around."""
    ways, _ = _unit_vectors(positions_angstrom, atoms, bond_angstrom)
    mean = ways.sum(axis=1)
    lengths = np.linalg.norm(mean, axis=1, keepdims=True)
    return -mean / np.where(lengths > 0, lengths, 1)


def _unit_vectors(
    positions_angstrom: Positions, atoms: Int[np.ndarray, " chosen"], bond_angstrom: float
) -> tuple[Float[np.ndarray, "chosen near 3"], Bool[np.ndarray, "chosen near"]]:
    tree = cKDTree(positions_angstrom)
    n_nearest = min(_N_NEAREST, len(positions_angstrom))
    reach_angstrom = _REACH_BONDS * bond_angstrom
    lengths, index = tree.query(positions_angstrom[atoms], k=n_nearest, distance_upper_bound=reach_angstrom)
    lengths, index = lengths[:, 1:], index[:, 1:]
    found = index < len(positions_angstrom)
    ends = positions_angstrom[np.where(found, index, 0)]
    ways = (ends - positions_angstrom[atoms][:, None]) / np.where(found, lengths, 1)[..., None]
    return np.where(found[..., None], ways, 0.0), found
