"""Curves of a training, and when it ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import JsonValue, TypeAdapter

from nanodefect_assets.science.learning.params import TrainingParams

StopReason = Literal["epochs", "no_gain", "budget"]
"""All epochs done; patience at an end; time used up."""


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One point of the curves.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, validation_loss : float
        Mean over the steps of the epoch; of the validation set after it.
    validation_dice : float
        Mean over the classes but the support.
    wall_s, used_s : float
        Length of the epoch by the clock, and in processor time (on a GPU by the clock too).
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_dice: float
    wall_s: float
    used_s: float


def read_epochs(record: JsonValue) -> list[EpochRecord]:
    """Return the epochs that were stored as JSON."""
    return TypeAdapter(list[EpochRecord]).validate_python(record)


def best_epoch(epochs: Sequence[EpochRecord], *, n_classes: int = 2) -> int:
    """Return the number, from 1, of the epoch whose weights are kept, the first of equals.

    Of two classes it is that with the smallest validation loss. Of more it is that with the largest mean Dice
    coefficient, in which every class counts alike: the loss of a class that few pixels have is lost in that of the
    others, and an epoch that does not find it at all may have the smallest.
    """
    if n_classes > 2:
        return 1 + int(np.nanargmax([record.validation_dice for record in epochs]))
    return 1 + int(np.argmin([record.validation_loss for record in epochs]))


def why_stopped(epochs: Sequence[EpochRecord], params: TrainingParams) -> StopReason | None:
    """Return why training ends after these epochs; None if it goes on."""
    if params.patience is not None and _epochs_without_gain(epochs, params.min_delta) >= params.patience:
        return "no_gain"
    if budget_share(sum(record.used_s for record in epochs), params.budget_s) >= 1:
        return "budget"
    return "epochs" if len(epochs) >= params.max_epochs else None


def _epochs_without_gain(epochs: Sequence[EpochRecord], min_delta: float) -> int:
    """Return for how many epochs the validation loss has not fallen by `min_delta` below the last gain, as in Keras."""
    best, waited = math.inf, 0
    for record in epochs:
        if record.validation_loss < best - min_delta:
            best, waited = record.validation_loss, 0
        else:
            waited += 1
    return waited


def budget_share(used: float, budget_s: float | None) -> float:
    """Return which part of a time budget is used; 0 where there is none."""
    return 0.0 if budget_s is None else used / budget_s
