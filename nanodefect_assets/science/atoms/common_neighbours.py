"""Common neighbour analysis."""

import numpy as np
from jaxtyping import Shaped
from numba import njit, prange
from scipy.sparse import csr_array

from nanodefect_assets.domain.structure import Positions
from nanodefect_assets.science.atoms.links import neighbour_pairs

CLASSES = ("other", "fcc", "hcp", "icosahedral", "five_fold")


def common_neighbours(positions_angstrom: Positions, cutoff_angstrom: float) -> Shaped[np.ndarray, " atom"]:
    """Classify every atom by the neighbours that it shares with each of its neighbours.

    Parameters
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Positions, in angstrom.
    cutoff_angstrom : float
        Neighbours are nearer than this.

    Returns
    -------
    ndarray of shape (atom,)
        One of `CLASSES`.

    Notes
    -----
    A pair's signature is the number of shared neighbours, of bonds between them, and of bonds in their longest chain
    [1]_. fcc has twelve pairs 421; hcp six 421 and six 422; an icosahedron twelve 555; the axis of a decahedron two 555
    and ten 422. One wrong neighbour spoils a shell, so that this method leaves out more atoms than others do.

    References
    ----------
    .. [1] J. D. Honeycutt, H. C. Andersen, J. Phys. Chem. 91, 4950 (1987), 10.1021/j100303a014.
    """
    pairs = neighbour_pairs(positions_angstrom, cutoff_angstrom)
    n_atoms = len(positions_angstrom)
    links = csr_array(
        (np.ones(2 * len(pairs), dtype=np.int8), (pairs.T.ravel(), pairs[:, ::-1].T.ravel())), shape=(n_atoms, n_atoms)
    )
    links.sort_indices()
    return np.array(CLASSES)[_classify(links.indptr, links.indices)]


@njit(cache=True)
def _are_linked(starts, ends, first, second):  # pragma: no cover - compiled
    for at in range(starts[first], starts[first + 1]):
        if ends[at] == second:
            return True
    return False


@njit(cache=True)
def _signature(starts, ends, first, second, common):  # pragma: no cover - compiled
    """Return 1 for 421, 2 for 422, 3 for 555 and 0 for any other pair."""
    n_common = 0
    for at in range(starts[first], starts[first + 1]):
        if ends[at] != second and n_common < len(common) and _are_linked(starts, ends, second, ends[at]):
            common[n_common] = ends[at]
            n_common += 1
    if n_common < 4 or n_common > 5:
        return 0
    n_bonds, most = 0, 0
    for a in range(n_common):
        degree = 0
        for b in range(n_common):
            if a != b and _are_linked(starts, ends, common[a], common[b]):
                degree += 1
        n_bonds += degree
        most = max(most, degree)
    n_bonds //= 2
    if n_common == 4 and n_bonds == 2:
        return 1 if most == 1 else 2
    return 3 if n_common == 5 and n_bonds == 5 and most == 2 else 0


@njit(cache=True, parallel=True)
def _classify(starts, ends):  # pragma: no cover - compiled
    n_atoms = len(starts) - 1
    classes = np.zeros(n_atoms, np.int64)
    for atom in prange(n_atoms):
        if starts[atom + 1] - starts[atom] != 12:
            continue
        counts, common = np.zeros(4, np.int64), np.empty(12, np.int64)
        for at in range(starts[atom], starts[atom + 1]):
            counts[_signature(starts, ends, atom, ends[at], common)] += 1
        if counts[1] == 12:
            classes[atom] = 1
        elif counts[1] == 6 and counts[2] == 6:
            classes[atom] = 2
        elif counts[3] == 12:
            classes[atom] = 3
        elif counts[3] == 2 and counts[2] == 10:
            classes[atom] = 4
    return classes
