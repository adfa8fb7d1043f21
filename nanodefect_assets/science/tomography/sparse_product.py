"""A sparse matrix times many columns, on all threads."""

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange


@njit(parallel=True, cache=True, fastmath=True)
def multiply(
    starts: Int[np.ndarray, " edge"],
    columns: Int[np.ndarray, " entry"],
    weights: Float[np.ndarray, " entry"],
    dense: Float[np.ndarray, "column lane"],
    product: Float[np.ndarray, "row lane"],
) -> None:
    """Fill `product` with the product of a matrix, in compressed rows, and `dense`."""
    n_lanes = dense.shape[1]
    for row in prange(len(starts) - 1):
        total = product[row]
        total[:] = 0
        # Four entries at once: the total is fetched and put back a quarter as often.
        entry, end = starts[row], starts[row + 1]
        while entry + 4 <= end:
            w_0, w_1, w_2, w_3 = weights[entry], weights[entry + 1], weights[entry + 2], weights[entry + 3]
            v_0, v_1 = dense[columns[entry]], dense[columns[entry + 1]]
            v_2, v_3 = dense[columns[entry + 2]], dense[columns[entry + 3]]
            for lane in range(n_lanes):
                total[lane] += w_0 * v_0[lane] + w_1 * v_1[lane] + w_2 * v_2[lane] + w_3 * v_3[lane]
            entry += 4
        while entry < end:
            weight, values = weights[entry], dense[columns[entry]]
            for lane in range(n_lanes):
                total[lane] += weight * values[lane]
            entry += 1
