"""Sizes and counts of particles as charts."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanodefect_assets.domain.keys import aliquot_label

_PANEL = ["synthesis_batch", "aliquot_time", "modality", "length_unit", "is_simulated"]
_BAR_COLOUR = "#7a9cc6"
_FIT_COLOUR = "#b03a2e"


def plot_size_histogram(histogram: pd.DataFrame, distribution: pd.DataFrame) -> Figure:
    """Draw the size histogram of each aliquot with its lognormal fit, one panel below the other.

    Parameters
    ----------
    histogram : DataFrame
        Rows of `SIZE_HISTOGRAMS`.
    distribution : DataFrame
        Rows of `SIZE_DISTRIBUTIONS`; one panel each, with a note where no particle counts.
    """
    n_panels = max(len(distribution), 1)
    figure = Figure(figsize=(5.5, 0.5 + 1.9 * n_panels), layout="constrained")
    panels = figure.subplots(n_panels, 1, squeeze=False)[:, 0]
    if distribution.empty:
        _draw_note(panels[0], "no micrographs")
    for axes, row in zip(panels, distribution.sort_values(_PANEL).to_dict("records"), strict=False):
        is_row = (histogram[_PANEL] == [row[name] for name in _PANEL]).all(axis=1)
        _draw_panel(axes, histogram[is_row], row)
    return figure


def plot_diameters(particles: pd.DataFrame) -> Figure:
    """Draw equivalent diameters against circularity, one point per particle; hollow at an edge.

    Parameters
    ----------
    particles : DataFrame
        Rows of `PARTICLES`. Calibrated and uncalibrated particles have a panel each.
    """
    is_calibrated = particles["equivalent_diameter_nm"].notna()
    parts = [("nm", particles[is_calibrated]), ("px", particles[~is_calibrated])]
    shown = [(unit, part) for unit, part in parts if len(part)] or parts[:1]
    figure = Figure(figsize=(5, 3 * len(shown)), layout="constrained")
    for axes, (unit, part) in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        at_edge = part["touches_edge"].astype(bool)
        for is_drawn, face, name in ((~at_edge, _BAR_COLOUR, "whole"), (at_edge, "none", "at the edge")):
            drawn = part[is_drawn]
            label = f"{name} ({len(drawn)})"
            axes.scatter(
                drawn[f"equivalent_diameter_{unit}"], drawn["circularity"], s=14, fc=face, ec=_BAR_COLOUR, label=label
            )
        axes.set(xlabel=f"equivalent diameter ({unit})", ylabel="circularity")
        axes.legend(fontsize=7)
    return figure


def lognormal_density(diameters: Float[np.ndarray, " n"], median: float, sigma: float) -> Float[np.ndarray, " n"]:
    """Return the probability per unit of diameter."""
    deviation = np.log(diameters / median) / sigma
    return np.exp(-(deviation**2) / 2) / (diameters * sigma * np.sqrt(2 * np.pi))


def _draw_panel(axes: Axes, bins: pd.DataFrame, row: dict) -> None:
    unit = row["length_unit"]
    widths = (bins["bin_high"] - bins["bin_low"]).to_numpy()
    axes.bar(bins["bin_low"], bins["fraction"], width=widths, align="edge", color=_BAR_COLOUR, ec="white", lw=0.5)
    if bins.empty:
        _draw_note(axes, "no particle that counts")
    elif pd.notna(row["lognormal_sigma"]):
        low = max(bins["bin_low"].min(), row["min_diameter"], 1e-3 * widths[0])
        diameters = np.linspace(low, max(bins["bin_high"].max(), low), 200)
        density = lognormal_density(diameters, row["lognormal_median"], row["lognormal_sigma"])
        share = density * widths[0] / row["lognormal_kept_fraction"]  # bars are of the particles above the cut alone
        axes.plot(diameters, share, color=_FIT_COLOUR, lw=1.2)
    simulated = ", simulated" if row["is_simulated"] else ""
    place = f"{row['synthesis_batch']}, {aliquot_label(row['aliquot_time'])}, {row['modality']}{simulated}"
    title = f"{place}: {_describe(row)}"
    axes.set_title(title, fontsize=8, loc="left")
    axes.set(xlabel=f"equivalent diameter ({unit})", ylabel="share")


def _describe(row: dict) -> str:
    """Say mean, its 95 % interval and numbers in words."""
    images = "micrograph" if row["n_micrographs"] == 1 else "micrographs"
    counted = f"{row['n_particles']} particles in {row['n_micrographs']} {images}"
    if pd.isna(row["mean_diameter"]):
        return counted
    half_width = (row["mean_diameter_high"] - row["mean_diameter_low"]) / 2
    interval = "" if pd.isna(half_width) else f" ± {half_width:.2g}"
    confidence = "" if pd.isna(half_width) else " (95 %)"
    return f"{row['mean_diameter']:.3g}{interval} {row['length_unit']}{confidence}, {counted}"


def _draw_note(axes: Axes, note: str) -> None:
    axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", color="gray")
