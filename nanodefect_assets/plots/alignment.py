"""Alignment of a tilt series and refinement of its angles at a glance."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from nanodefect_assets.plots.images import draw_micrograph, draw_scale_bar

_N_SHOWN = 8
_N_ANGLES = 3
_Views = Float[np.ndarray, "tilt row col"]


def plot_aligned_series(
    before: _Views,
    after: _Views,
    tilts_deg: Float[np.ndarray, " tilt"],
    shifts_px: Float[np.ndarray, "tilt 2"],
    factors: Float[np.ndarray, " tilt"],
    moves_px: Float[np.ndarray, " round"],
    *,
    pixel_size_nm: float | None = None,
) -> Figure:
    """Draw images of the series before and after alignment, shifts and factors by tilt, and how images came to rest.

    Parameters
    ----------
    before, after : ndarray of shape (tilt, row, col)
        The used images, as they came and as they are taken.
    tilts_deg, shifts_px, factors : ndarray of shape (tilt,), (tilt, 2) and (tilt,)
        Tilt, shift along rows and columns, and intensity factor of each.
    moves_px : ndarray of shape (round,)
        How far images moved in each round; empty where nothing was matched.
    pixel_size_nm : float or None
        Edge of a pixel, for a scale bar.
    """
    figure = Figure(figsize=(9.6, 5.2), layout="constrained")
    shown = spread_indices(tilts_deg, _N_SHOWN)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.5, 1])[:, 0]
    panels = above.subplots(2, len(shown), squeeze=False)
    for row, images, what in ((0, before, "came"), (1, after, "aligned")):
        for axes, n in zip(panels[row], shown, strict=True):
            draw_micrograph(axes, images[n], None, max_edge_px=96)
            axes.set_title(f"{tilts_deg[n]:.0f} deg, {what}", fontsize=6)
    if pixel_size_nm is not None:
        draw_scale_bar(panels[1, 0], after[0].shape, pixel_size_nm, font_size=6)
    by_shift, by_factor, by_round = below.subplots(1, 3)
    order = np.argsort(tilts_deg)
    for axis, (name, style) in enumerate((("along rows", "o-"), ("along columns", "s--"))):
        by_shift.plot(tilts_deg[order], shifts_px[order, axis], style, ms=3, lw=0.8, label=name)
    by_shift.set(xlabel="tilt (deg)", ylabel="shift (px)")
    by_shift.legend(fontsize=7, frameon=False)
    by_factor.plot(tilts_deg[order], factors[order], "o-", ms=3, lw=0.8, color="black")
    by_factor.set(xlabel="tilt (deg)", ylabel="intensity factor")
    if len(moves_px):
        by_round.semilogy(np.arange(1, len(moves_px) + 1), moves_px, "o-", ms=3, color="black")
    by_round.set(xlabel="round", ylabel="moved (px)")
    return figure


def plot_refinement(
    r_history: Float[np.ndarray, " round"],
    euler_history_deg: Float[np.ndarray, "round tilt 3"],
    nominal_deg: Float[np.ndarray, "tilt 3"],
    r_factors: Sequence[Float[np.ndarray, " tilt"]],
    foretold: Sequence[Float[np.ndarray, " tilt"]],
) -> Figure:
    """Draw how the R-factor and the angles went, what is left at each tilt, and how well it is foretold.

    Parameters
    ----------
    r_history : ndarray of shape (round,)
        R-factor of each round.
    euler_history_deg, nominal_deg : ndarray of shape (round, tilt, 3) and (tilt, 3)
        Angles after each round, and those to begin with.
    r_factors, foretold : sequence of two ndarrays of shape (tilt,)
        R-factor in the first and in the last round; errors of images foretold with nominal and with refined angles.
    """
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    by_round, history, by_tilt, held_out = figure.subplots(2, 2).flat
    rounds, tilts_deg = np.arange(1, len(r_history) + 1), nominal_deg[:, 1]
    order = np.argsort(tilts_deg)
    by_round.plot(rounds, 100 * r_history, "o-", ms=3, color="black")
    by_round.set(xlabel="round", ylabel="R-factor (%)")
    away_deg = euler_history_deg - nominal_deg
    for axis, name in enumerate(("phi", "theta", "psi")):
        history.plot(rounds, np.sqrt((away_deg[:, :, axis] ** 2).mean(axis=1)), "o-", ms=3, lw=0.8, label=name)
    for n in spread_indices(tilts_deg, _N_SHOWN):
        history.plot(rounds, away_deg[:, n, 1], lw=0.4, color="grey")
    history.set(xlabel="round", ylabel="off nominal (deg); grey: single tilts")
    history.legend(fontsize=7, frameon=False, ncols=_N_ANGLES)
    for axes, pair, names, what in (
        (by_tilt, r_factors, ("first round", "last round"), "R-factor (%)"),
        (held_out, foretold, ("nominal angles", "refined angles"), "error when foretold (%)"),
    ):
        for values, name, style in zip(pair, names, ("--", "o-"), strict=True):
            axes.plot(tilts_deg[order], 100 * values[order], style, ms=3, lw=0.8, label=name)
        axes.set(xlabel="tilt (deg)", ylabel=what)
        axes.legend(fontsize=7, frameon=False)
    return figure


def spread_indices(tilts_deg: Float[np.ndarray, " tilt"], n_most: int) -> list[int]:
    """Return at most `n_most` images, spread evenly from the lowest to the highest tilt."""
    order = np.argsort(tilts_deg)
    places = np.unique(np.round(np.linspace(0, len(order) - 1, min(n_most, len(order)))).astype(int))
    return order[places].tolist()
