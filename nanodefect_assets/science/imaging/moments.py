"""Mean and spread of an image."""

import numpy as np
from jaxtyping import Float


def mean_and_sd(counts: Float[np.ndarray, "row col"]) -> tuple[float, float]:
    """Return mean and standard deviation of an image, summed in float64 without a float64 copy of it.

    Where the spread is beyond the numbers of the image's type, the standard deviation is infinite.
    """
    mean = float(counts.mean(dtype=np.float64))
    with np.errstate(over="ignore"):
        apart = counts - np.asarray(mean, dtype=counts.dtype)
    if not np.isfinite(apart.min()) or not np.isfinite(apart.max()):
        return mean, float("inf")
    offset = float(apart.mean(dtype=np.float64))
    square = float(np.einsum("ij,ij->", apart, apart, dtype=np.float64)) / counts.size
    return mean, float(np.sqrt(max(square - offset**2, 0.0)))
