"""Order of atoms as slices and histograms."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from nanodefect_assets.domain.atom_order import TEMPLATES, AtomOrder

ORDER_MAP = "coolwarm"
"""Colour map of hcp minus fcc score: blue fcc, grey both, red hcp."""

_FULL_DIFFERENCE = 3.0
"""Difference of the scores of a perfect shell: 12 and 9."""

_BIN = 0.25
_SURFACE_COLOUR = "black"
_OTHER_COLOUR = "#c9a227"


def plot_order_slices(order: AtomOrder, *, n_slices: int = 8, n_cols: int = 4) -> Figure:
    """Draw slices across z, one bond thick, each atom coloured by its hcp minus its fcc score (fig. 2.3d).

    Parameters
    ----------
    order : AtomOrder
        The labelled particle.
    n_slices : int
        How many slices, evenly from the bottom to the top.
    n_cols : int
        Slices in a row.

    Notes
    -----
    Atoms of the surface are black, atoms of five-fold axes and of disorder yellow.
    """
    if n_slices < 1 or n_cols < 1:
        raise ValueError(f"Expected one slice and one column at least. Got {n_slices} and {n_cols}.")
    centres = slice_heights(order, n_slices)
    n_rows = -(-n_slices // n_cols)
    figure = Figure(figsize=(2.2 * min(n_cols, n_slices), 2.3 * n_rows + 0.3), layout="constrained")
    panels = figure.subplots(n_rows, min(n_cols, n_slices), squeeze=False, sharex=True, sharey=True).ravel()
    for axes, height in zip(panels, centres, strict=False):
        _draw_slice(axes, order, _in_slice(order, height), height)
    for axes in panels:
        axes.set_axis_off()
    scale = ScalarMappable(Normalize(-_FULL_DIFFERENCE, _FULL_DIFFERENCE), ORDER_MAP)
    bar = figure.colorbar(scale, ax=panels.tolist(), shrink=0.7)
    bar.set_label("hcp - fcc score")
    return figure


def slice_heights(order: AtomOrder, n_slices: int) -> Float[np.ndarray, " slice"]:
    """Return the heights z of evenly spaced slices, in angstrom."""
    heights = order.positions_angstrom[:, 2]
    edges = np.linspace(heights.min(), heights.max(), n_slices + 1)
    return (edges[1:] + edges[:-1]) / 2


def _in_slice(order: AtomOrder, height_angstrom: float) -> Bool[np.ndarray, " atom"]:
    return np.abs(order.positions_angstrom[:, 2] - height_angstrom) <= order.bond.mean_angstrom / 2


def _draw_slice(axes: Axes, order: AtomOrder, shown: Bool[np.ndarray, " atom"], height_angstrom: float) -> None:
    is_surface = shown & (order.order == "surface")
    is_other = shown & np.isin(order.order, ("disordered", *TEMPLATES[2:]))
    coloured = shown & ~is_surface & ~is_other
    for chosen, colour in ((is_surface, _SURFACE_COLOUR), (is_other, _OTHER_COLOUR)):
        axes.scatter(*order.positions_angstrom[chosen, :2].T, s=3, c=colour, linewidths=0)
    axes.scatter(
        *order.positions_angstrom[coloured, :2].T,
        s=4,
        c=order.hcp_minus_fcc[coloured],
        cmap=ORDER_MAP,
        vmin=-_FULL_DIFFERENCE,
        vmax=_FULL_DIFFERENCE,
        linewidths=0,
    )
    axes.set_aspect("equal")
    axes.set_title(f"z = {height_angstrom / 10:.1f} nm", fontsize=8)


def plot_score_histograms(order: AtomOrder, min_score: float | None = None) -> Figure:
    """Draw histograms of the fcc and hcp scores, and of their difference, for atoms that are not at the surface.

    Parameters
    ----------
    order : AtomOrder
        The labelled particle.
    min_score : float or None
        Score below which an atom is disordered; drawn as a line.
    """
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    scores, difference = figure.subplots(1, 2)
    inside = order.order != "surface"
    bins = np.arange(0, 12 + _BIN, _BIN)
    for column, colour in ((0, "#3b4cc0"), (1, "#b40426")):
        scores.hist(order.scores[inside, column], bins=bins, histtype="step", color=colour, label=TEMPLATES[column])
    if min_score is not None:
        scores.axvline(min_score, color="grey", linewidth=0.8, linestyle="--")
    scores.set(xlabel="score (12: perfect shell)", ylabel="atoms")
    scores.legend(fontsize=7, loc="upper left")
    edges = np.arange(-4, 4 + _BIN, _BIN)
    difference.hist(np.clip(order.hcp_minus_fcc[inside], -4, 4), bins=edges, color="#7a9cc6")
    difference.set(xlabel="hcp - fcc score", ylabel="atoms")
    return figure
