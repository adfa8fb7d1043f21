"""Training and judgement of models as charts."""

from collections.abc import Sequence

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


def plot_scores(
    names: Sequence[str], means: Sequence[float], errors: Sequence[float], *, score: str = "Dice"
) -> Figure:
    """Draw one bar for each model with its error, the best on top; a model without an error has no whisker."""
    order = np.argsort(means)
    figure = Figure(figsize=(5, 0.6 + 0.32 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    whiskers = np.nan_to_num(np.asarray(errors, dtype=float)[order])
    axes.barh([names[at] for at in order], np.asarray(means)[order], xerr=whiskers, color="#7a9cc6", height=0.7)
    axes.set(xlabel=score, xlim=(0, 1))
    return figure
