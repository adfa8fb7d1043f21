"""Handedness under label noise as charts: figs. 5.3 and 5.4."""

from collections.abc import Sequence

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


def plot_as_synthesised(measured: pd.DataFrame, published: dict[str, tuple[float, float]]) -> Figure:
    """Draw the accuracy of each method on particles as synthesised, beside table 5.1.

    Parameters
    ----------
    measured : DataFrame
        As for `plot_label_noise`. Antisymmetric networks are filled, plain ones grey.
    published : dict
        Accuracy and standard error by method; hollow points.
    """
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    methods = list(_NAMES)
    for at, method in enumerate(methods):
        mean, error = published[method]
        axes.errorbar(at - 0.2, mean, error, color=_COLOURS[method], marker="o", mfc="none", capsize=2)
        of_method = measured[measured["method"] == method].reset_index(drop=True)
        for number, row in of_method.iterrows():
            colour = _COLOURS[method] if row["is_antisymmetric"] else "0.5"
            error = np.nan_to_num(float(row["accuracy_se"]))
            axes.errorbar(at + 0.1 * int(number), row["accuracy"], error, color=colour, marker="o", capsize=2)  # pyright: ignore[reportArgumentType]
    axes.set_xticks(range(len(methods)), [_NAMES[method] for method in methods])
    axes.set(ylabel="accuracy on clean images", ylim=(0.4, 1.02), title="published hollow; simulated filled")
    return figure


def plot_crops(crops: Sequence[np.ndarray], titles: Sequence[str] = ()) -> Figure:
    """Draw crops of particles in rows of eight, with a title each if there are any."""
    n_cols = min(8, max(len(crops), 1))
    n_rows = -(-len(crops) // n_cols) or 1
    figure = Figure(figsize=(1.1 * n_cols, 1.2 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_cols, squeeze=False).ravel()
    for at, axes in enumerate(grid):
        axes.set_axis_off()
        if at < len(crops):
            axes.imshow(crops[at], cmap="gray")
        if at < len(titles):
            axes.set_title(titles[at], fontsize=7)
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
