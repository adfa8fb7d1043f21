"""Training and judgement of models as charts."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

_Curve = Sequence[float]


def plot_training_curves(train_loss: _Curve, validation_loss: _Curve, validation_dice: _Curve) -> Figure:
    """Draw the losses of a training and the Dice coefficient of its validation side against epochs, from 1."""
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = np.arange(1, len(train_loss) + 1)
    losses.plot(epochs, train_loss, label="training", marker=".")
    losses.plot(epochs, validation_loss, label="validation", marker=".")
    losses.set(xlabel="epoch", ylabel="loss")
    losses.legend(fontsize=7)
    scores.plot(epochs, validation_dice, color="#2ca02c", marker=".")
    scores.set(xlabel="epoch", ylabel="Dice, validation", ylim=(0, 1))
    return figure


def plot_precision_recall(
    thresholds: Float[np.ndarray, " threshold"],
    precision: Float[np.ndarray, " threshold"],
    recall: Float[np.ndarray, " threshold"],
    dice: Float[np.ndarray, " threshold"],
    *,
    chosen: float,
) -> Figure:
    """Draw precision, recall and Dice against the threshold on the probability (fig. B.2).

    Parameters
    ----------
    thresholds, precision, recall, dice : ndarray of shape (threshold,)
        Of all held-out pixels together.
    chosen : float
        Threshold in use; drawn as a line.
    """
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.add_subplot()
    for values, name in ((precision, "precision"), (recall, "recall"), (dice, "Dice")):
        axes.plot(thresholds, values, label=name)
    axes.axvline(chosen, color="gray", lw=0.8, ls="--")
    axes.set(xlabel="threshold on the probability", ylim=(0, 1.02), xlim=(0, 1))
    axes.legend(fontsize=7)
    return figure


def plot_threshold_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]], *, chosen: float
) -> Figure:
    """Draw precision and recall against the threshold, side by side for each material (fig. B.2).

    Parameters
    ----------
    curves : mapping of str to (thresholds, precision, recall)
        By the title of each chart; what is not a number is left out.
    chosen : float
        Threshold in use; drawn as a line.
    """
    figure = Figure(figsize=(2.6 * len(curves), 2.6), layout="constrained")
    grid = figure.subplots(1, len(curves), squeeze=False, sharey=True)
    for axes, (title, (thresholds, precision, recall)) in zip(grid.flat, curves.items(), strict=True):
        axes.plot(thresholds, precision, label="precision")
        axes.plot(thresholds, recall, label="recall")
        axes.axvline(chosen, color="gray", lw=0.8, ls="--")
        axes.set_title(title, fontsize=8)
        axes.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02))
    grid.flat[0].legend(fontsize=7)
    return figure


def plot_scores(
    names: Sequence[str],
    means: Sequence[float],
    errors: Sequence[float] | Sequence[Sequence[float]],
    *,
    score: str = "Dice",
    marks: Sequence[float] | None = None,
) -> Figure:
    """Draw one bar for each model with its error, the best on top; a model without an error has no whisker.

    Parameters
    ----------
    names, means : sequence of str, of float
        The models and their scores.
    errors : sequence of float, or two of them
        Length of the whiskers; or their lengths below, and above.
    score : str
        What the score is.
    marks : sequence of float or None
        Further scores of the same models, such as published ones, as hollow points; NaN for none.
    """
    order = np.argsort(means)
    figure = Figure(figsize=(5, 0.6 + 0.32 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    whiskers = np.nan_to_num(np.asarray(errors, dtype=float)[..., order])
    axes.barh([names[at] for at in order], np.asarray(means)[order], xerr=whiskers, color="#7a9cc6", height=0.7)
    if marks is not None:
        axes.plot(np.asarray(marks, dtype=float)[order], np.arange(len(names)), "o", mfc="none", color="0.3")
    axes.set(xlabel=score, xlim=(0, 1))
    return figure
