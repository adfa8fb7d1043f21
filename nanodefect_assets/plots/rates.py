"""Shares of particles with their intervals, aliquot by aliquot."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

_COLOURS = ("#7a9cc6", "#b03a2e", "#5b8c5a")
_APART = 0.16


def plot_rates(labels: Sequence[str], kinds: Mapping[str, pd.DataFrame], *, title: str = "") -> Figure:
    """Draw shares with their intervals over the aliquots, kinds of share side by side.

    Parameters
    ----------
    labels : sequence of str
        What each aliquot is called, in the order in which they stand.
    kinds : mapping of str to DataFrame
        By the name of the kind: columns `value`, `low` and `high`, a row for each label; not a number where there is no
        share, or no interval.
    title : str
        Above the chart.
    """
    figure = Figure(figsize=(max(5.0, 1.2 + 0.9 * len(labels)), 2.6), layout="constrained")
    axes = figure.subplots()
    for at, (name, rows) in enumerate(kinds.items()):
        places = [place + _APART * (at - (len(kinds) - 1) / 2) for place in range(len(labels))]
        values = rows["value"].to_numpy(dtype=float)
        below, above = values - rows["low"].to_numpy(dtype=float), rows["high"].to_numpy(dtype=float) - values
        colour = _COLOURS[at % len(_COLOURS)]
        axes.errorbar(places, values, yerr=[below, above], fmt="o", ms=4, capsize=3, color=colour, label=name)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(-0.02, 1.02), ylabel="share")
    axes.set_title(title, fontsize=9, loc="left")
    if len(kinds) > 1:
        axes.legend(fontsize=7)
    return figure
