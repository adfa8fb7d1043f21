"""Bins of a histogram on round edges."""

from itertools import count
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nanodefect_assets.science.population.weighted import weighted_quantile

_Values = Float[np.ndarray, " n"]
_Edges = Float[np.ndarray, " edge"]

_ROUND = (1, 2, 5)


def round_bin_edges(values: _Values, weights: _Values, max_bins: int) -> _Edges:
    """Return the edges of bins of equal, round width that hold all values.

    Parameters
    ----------
    values, weights : ndarray of shape (n,)
        Values above zero in any unit, and their positive weights.
    max_bins : int
        Most bins.

    Returns
    -------
    ndarray of shape (bin + 1,)
        Ascending multiples of 1, 2 or 5 times a power of ten; the last lies above the largest value.

    Notes
    -----
    The width is the smallest round one not below that of Freedman and Diaconis [1]_, 2 IQR / n^(1/3) with weighted
    quartiles, for which the bins are not too many. Equal quartiles: a tenth of the largest value.

    References
    ----------
    .. [1] D. Freedman, P. Diaconis, Z. Wahrscheinlichkeitstheorie verw. Geb. 57, 453 (1981), doi:10.1007/BF01025868.
    """
    if not (values.size and values.min() > 0):
        raise ValueError("Expected at least one value, all above zero. Got none, or one that is not.")
    interquartile = weighted_quantile(values, weights, 0.75) - weighted_quantile(values, weights, 0.25)
    width = 2 * interquartile / np.cbrt(values.size) or float(values.max()) / 10
    steps = (_Step(mantissa, power) for power in count(int(np.floor(np.log10(width)))) for mantissa in _ROUND)
    return next(
        step.edges(first, last)
        for step in steps
        if step.width >= width
        for first, last in [step.span(values)]
        if last - first <= max_bins
    )


class _Step(NamedTuple):
    mantissa: int
    power: int

    @property
    def width(self) -> float:
        return float(f"{self.mantissa}e{self.power}")

    def span(self, values: _Values) -> tuple[int, int]:
        """Return the multiples of the width between which the values lie, the last one above them."""
        first, last = int(np.floor(values.min() / self.width)), int(np.floor(values.max() / self.width)) + 1
        low, high = self.edges(first, first)[0], self.edges(last, last)[0]
        return first - int(low > values.min()), last + int(high <= values.max())

    def edges(self, first: int, last: int) -> _Edges:
        multiples = np.arange(first, last + 1) * float(self.mantissa)
        return multiples * 10.0**self.power if self.power >= 0 else multiples / 10.0**-self.power
