"""Moments and perimeter of one particle."""

import numpy as np
from jaxtyping import Bool, Int

_Mask = Bool[np.ndarray, "row col"]


def crofton_perimeter(mask: _Mask) -> float:
    """Return the perimeter of a mask in pixels, closed where the mask reaches its frame.

    Notes
    -----
    The Cauchy-Crofton formula over four directions [1]_: pi / 4 times the sum over directions of the distance between
    lines times the number of entries of lines into the mask. Equal to scikit-image's ``perimeter_crofton``, faster.

    References
    ----------
    .. [1] G. Lehmann, D. Legland, Efficient N-dimensional surface estimation using Crofton formula and run-length
       encoding, Insight J. (2012).
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=bool)
    padded[1:-1, 1:-1] = mask
    here, above, left = padded[1:, 1:], padded[:-1, 1:], padded[1:, :-1]
    n_straight = np.count_nonzero(here > above) + np.count_nonzero(here > left)
    n_slanted = np.count_nonzero(here > padded[:-1, :-1]) + np.count_nonzero(left > above)
    return float(np.pi / 4 * (n_straight + np.sqrt(0.5) * n_slanted))


def equal_ellipse(rows: Int[np.ndarray, " n"], cols: Int[np.ndarray, " n"]) -> tuple[float, float, float]:
    """Return major axis, minor axis and orientation of the ellipse with the second moments of pixel centres.

    Parameters
    ----------
    rows, cols : ndarray of shape (n,)
        Pixels of the particle.

    Returns
    -------
    major_axis_px, minor_axis_px : float
        Full axes, in pixels.
    orientation_deg : float
        Major axis against the direction of the rows (x), counter-clockwise as displayed, above -90 and up to 90; 0
        where the axes are equal.
    """
    x, y = cols - cols.mean(), rows.mean() - rows
    xx, yy, xy = np.mean(x * x), np.mean(y * y), np.mean(x * y)
    half_sum, half_difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    major, minor = 4 * np.sqrt(half_sum + half_difference), 4 * np.sqrt(max(half_sum - half_difference, 0.0))
    orientation_deg = np.degrees(np.arctan2(2 * xy, xx - yy) / 2)
    return float(major), float(minor), float(orientation_deg)
