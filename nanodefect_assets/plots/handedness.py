"""Handedness under label noise as charts: figs. 5.3 and 5.4."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_COLOURS = {"standard": "#7a9cc6", "two_step": "#c98b3b", "co_teaching": "#5a9367"}
_NAMES = {"standard": "standard", "two_step": "two-step", "co_teaching": "co-teaching"}


def plot_label_noise(measured: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Draw accuracy and predicted left fraction against the share of wrong labels.

    Parameters
    ----------
    measured : DataFrame
        ``method``, ``is_antisymmetric``, ``split``, ``error_percent``, ``accuracy`` and ``left_fraction`` with their
        standard errors (``_se``), fractions of one. Antisymmetric networks are dashed, the leaking split dotted.
    published : DataFrame
        The same without ``is_antisymmetric`` and ``split``; drawn as hollow points.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, name in ((left, "accuracy"), (right, "left_fraction")):
        for method, rows in published.groupby("method"):
            _draw(
                axes, rows, name, colour=_COLOURS[str(method)], style="none", label=f"{_NAMES[str(method)]}, published"
            )
        for (method, is_antisymmetric, split), rows in measured.groupby(["method", "is_antisymmetric", "split"]):
            label = _NAMES[str(method)] + (", antisymmetric" if is_antisymmetric else "")
            style = ":" if split == "leaking" else "--" if is_antisymmetric else "-"
            label += ", leaking split" if split == "leaking" else ""
            _draw(axes, rows, name, colour=_COLOURS[str(method)], style=style, label=label)
        axes.set_xlabel("wrong labels (%)")
    left.axhline(0.5, color="0.8", lw=0.8, zorder=0)
    left.set(ylabel="accuracy on clean images", ylim=(0.3, 1.02))
    right.plot([0, 50], [0, 0.5], color="0.8", lw=0.8, zorder=0)
    right.set(ylabel="fraction called left", ylim=(-0.02, 0.7))
    left.legend(fontsize=7, loc="lower left")
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, name: str, *, colour: str, style: str, label: str) -> None:
    rows = rows.sort_values("error_percent")
    axes.errorbar(
        rows["error_percent"],
        rows[name],
        yerr=np.nan_to_num(rows[f"{name}_se"].to_numpy(dtype=float)),
        color=colour,
        ls=style,
        marker="o",
        ms=4,
        mfc="none" if style == "none" else colour,
        lw=1.2,
        capsize=2,
        label=label,
    )
