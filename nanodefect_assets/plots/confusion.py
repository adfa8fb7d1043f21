"""What a classifier confuses, and whether its probabilities mean what they say."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure


def plot_confusion(
    confusion: Int[np.ndarray, "true found"],
    reliability: Float[np.ndarray, "bin 3"],
    class_names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Draw shares of each true class (with counts) and, beside them, how often predictions of a probability are right.

    Parameters
    ----------
    confusion : ndarray of shape (true, found)
        Regions.
    reliability : ndarray of shape (bin, 3)
        Mean probability, share that was right, number.
    class_names : sequence of str
        In the order of the matrix.
    title : str
        Above both.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    left.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, col), n in np.ndenumerate(confusion):
        shade = "white" if shares[row, col] > 0.5 else "black"
        left.text(col, row, f"{shares[row, col]:.2f}\n{n}", ha="center", va="center", fontsize=7, color=shade)
    left.set_xticks(range(len(class_names)), class_names, rotation=30, ha="right", fontsize=8)
    left.set_yticks(range(len(class_names)), class_names, fontsize=8)
    left.set(xlabel="found", ylabel="true")
    right.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    right.plot(reliability[:, 0], reliability[:, 1], marker="o")
    right.set(xlabel="probability", ylabel="share that was right", xlim=(0, 1), ylim=(0, 1))
    figure.suptitle(title)
    return figure
