"""Bond length from the radial distribution function, and neighbours of every atom."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d, label
from scipy.spatial import cKDTree

from nanodefect_assets.domain.atom_order import BondLength
from nanodefect_assets.domain.structure import Positions

N_VERTICES = 12
MIN_ATOMS = 13
_RANGE = 1.75
"""Distances counted, in nearest-neighbour distances: beyond the second shell of fcc at 1.41."""
_BIN = 0.004
_BLUR_BINS = 4.0
_VALLEY = 0.02
"""Height above the lowest point, as a part of the peak, up to which the valley counts as its bottom."""


@dataclass(frozen=True, kw_only=True)
class Shells:
    """Up to twelve neighbours of every atom, nearest first.

    Attributes
    ----------
    vectors : ndarray of shape (atom, 12, 3)
        From the atom to its neighbours, in bond lengths; 0 beyond `n_found`.
    index : ndarray of shape (atom, 12)
        Which atoms they are; the number of atoms beyond `n_found`.
    n_found : ndarray of shape (atom,)
        How many there are.
    """

    vectors: Float[np.ndarray, "atom 12 3"]
    index: Int[np.ndarray, "atom 12"]
    n_found: Int[np.ndarray, " atom"]


def check_positions(positions_angstrom: Positions) -> None:
    """Refuse coordinates that are no particle.

    Raises
    ------
    ValueError
        If there are too few atoms, a number is missing, or atoms lie on one another.
    """
    if positions_angstrom.ndim != 2 or positions_angstrom.shape[1] != 3 or len(positions_angstrom) < MIN_ATOMS:
        raise ValueError(
            f"Expected {MIN_ATOMS} or more atoms with x, y, z. Got an array of {positions_angstrom.shape}."
        )
    if n_bad := int((~np.isfinite(positions_angstrom)).any(axis=1).sum()):
        raise ValueError(f"Expected a number for every coordinate. Got {n_bad} atoms without.")
    if len(np.unique(positions_angstrom, axis=0)) < len(positions_angstrom):
        raise ValueError("Expected every atom at a place of its own. Got several atoms with the same coordinates.")


def measure_bond(positions_angstrom: Positions) -> BondLength:
    """Measure the distance of neighbours.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.

    Notes
    -----
    The histogram of distances over distance squared is blurred by 1.6 % of the median nearest distance. Its first peak
    is refined by a parabola; its first minimum is the middle of the valley before one and a half of it.
    """
    tree = cKDTree(positions_angstrom)
    scale = float(np.median(tree.query(positions_angstrom, k=2)[0][:, 1]))
    pairs = tree.query_pairs(_RANGE * scale, output_type="ndarray")
    distances = np.linalg.norm(positions_angstrom[pairs[:, 0]] - positions_angstrom[pairs[:, 1]], axis=1)
    counts, edges = np.histogram(distances / scale, bins=np.arange(0.5, _RANGE, _BIN))
    centres = (edges[1:] + edges[:-1]) / 2
    density = gaussian_filter1d(counts / centres**2, _BLUR_BINS)
    peak = _first_peak(centres, density)
    cutoff = _first_minimum(centres, density, peak)
    bonds = distances[distances < cutoff * scale]
    return BondLength(
        peak_angstrom=peak * scale,
        mean_angstrom=float(bonds.mean()),
        spread_angstrom=float(bonds.std()),
        cutoff_angstrom=cutoff * scale,
    )


def _first_peak(centres: Float[np.ndarray, " bin"], density: Float[np.ndarray, " bin"]) -> float:
    # A gas has no peak: its shortest distances are its most frequent ones.
    at = max(int(np.where(centres < 1.3, density, 0).argmax()), 1)
    below, top, above = density[at - 1 : at + 2]
    bend = below - 2 * top + above
    return float(centres[at] + (np.clip(0.5 * (below - above) / bend, -1, 1) * _BIN if bend < 0 else 0))


def _first_minimum(centres: Float[np.ndarray, " bin"], density: Float[np.ndarray, " bin"], peak: float) -> float:
    between = np.flatnonzero((centres > peak) & (centres < 1.5 * peak))
    lowest = between[density[between].argmin()]
    is_low = np.zeros(len(density), dtype=bool)
    is_low[between] = density[between] <= density[lowest] + _VALLEY * density.max()
    parts, _ = label(is_low)
    return float(centres[parts == parts[lowest]].mean())


def count_neighbours(positions_angstrom: Positions, cutoff_angstrom: float) -> Int[np.ndarray, " atom"]:
    """Return how many other atoms are nearer than the cut-off."""
    tree = cKDTree(positions_angstrom)
    return tree.query_ball_point(positions_angstrom, cutoff_angstrom, return_length=True) - 1


def find_shells(positions_angstrom: Positions, bond_angstrom: float, reach_bonds: float = 1.5) -> Shells:
    """Find the twelve nearest neighbours of every atom.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.
    bond_angstrom : float
        Unit of the vectors.
    reach_bonds : float
        Atoms further away, in bonds, are no neighbours: none of a template's vertices can be theirs at 1.5.
    """
    tree = cKDTree(positions_angstrom)
    _, index = tree.query(positions_angstrom, k=N_VERTICES + 1, distance_upper_bound=reach_bonds * bond_angstrom)
    index = index[:, 1:]
    found = index < len(positions_angstrom)
    ends = positions_angstrom[np.where(found, index, 0)]
    vectors = np.where(found[..., None], (ends - positions_angstrom[:, None]) / bond_angstrom, 0.0)
    return Shells(vectors=vectors, index=index, n_found=found.sum(axis=1))
