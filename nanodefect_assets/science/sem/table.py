"""Cells of a study as rows, and their means over repeats beside what was published."""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd

from nanodefect_assets.science.sem.published import (
    SEVENS_STANDARD,
    TE_CO_TEACHING,
    TE_STANDARD,
    TE_TWO_STEP,
    PublishedCurve,
)
from nanodefect_assets.science.sem.study import StudyCell

_CELL = ["method", "is_antisymmetric", "variant", "split", "error_percent"]

_PUBLISHED: dict[str, dict[str, PublishedCurve]] = {
    "sevens": {"standard": SEVENS_STANDARD},
    "te": {"standard": TE_STANDARD, "two_step": TE_TWO_STEP, "co_teaching": TE_CO_TEACHING},
}


def tabulate_cells(cells: Iterable[StudyCell]) -> pd.DataFrame:
    """Return one row for each cell: counts first, what follows from them last."""
    return pd.DataFrame([_row(cell) for cell in cells])


def summarise_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means and standard errors over the repeats of each method and share of wrong labels.

    Parameters
    ----------
    rows : DataFrame
        As `tabulate_cells` gives them.

    Returns
    -------
    DataFrame
        ``accuracy``, ``accuracy_both_ways``, ``left_fraction``, each with ``_se``, missing for a single repeat.
    """
    grouped = rows.groupby(_CELL, sort=True)
    result = grouped.agg(n_repeats=("repeat", "nunique"))
    for name in ("accuracy", "accuracy_both_ways", "left_fraction"):
        result[name] = grouped[name].mean()
        result[f"{name}_se"] = grouped[name].sem()
    return result.reset_index()


def with_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of counts, as they are stored, with the ratios that `summarise_repeats` takes."""
    n = rows["n_right"] + rows["n_left"]
    return rows.assign(
        accuracy=1 - (rows["n_right_wrong"] + rows["n_left_wrong"]) / n,
        accuracy_both_ways=1 - rows["n_wrong_both_ways"] / n,
        left_fraction=rows["n_skewed_called_left"] / rows["n_skewed"],
    )


def published_table(images: str) -> pd.DataFrame:
    """Return published means and standard errors for ``sevens`` or ``te``; columns as of `summarise_repeats`."""
    rows = []
    for method, curve in _PUBLISHED[images].items():
        for percent in sorted(curve.wrong):
            accuracy, accuracy_se = curve.accuracy(percent)
            fraction, fraction_se = curve.left_fraction(percent)
            rows.append(
                {
                    "method": method,
                    "error_percent": float(percent),
                    "accuracy": accuracy,
                    "accuracy_se": accuracy_se,
                    "left_fraction": fraction,
                    "left_fraction_se": fraction_se,
                }
            )
    return pd.DataFrame(rows)


def _row(cell: StudyCell) -> dict[str, object]:
    estimate = cell.estimate
    return {
        "method": cell.study.method,
        "is_antisymmetric": cell.study.is_antisymmetric,
        "variant": cell.study.variant,
        "split": cell.split,
        "error_percent": 100 * cell.error_fraction,
        "repeat": cell.repeat,
        "n_train": cell.n_train,
        "n_right": cell.balanced.n_right,
        "n_left": cell.balanced.n_left,
        "n_right_wrong": cell.balanced.n_right_wrong,
        "n_left_wrong": cell.balanced.n_left_wrong,
        "n_wrong_both_ways": cell.balanced_both_ways.n_right_wrong + cell.balanced_both_ways.n_left_wrong,
        **asdict(cell.leak),
        "n_skewed": cell.skewed.n_right + cell.skewed.n_left,
        "n_skewed_called_left": cell.skewed.n_left - cell.skewed.n_left_wrong + cell.skewed.n_right_wrong,
        "estimated_error_percent": np.nan if estimate is None else 100 * estimate.error_fraction,
        "estimated_error_low_percent": np.nan if estimate is None else 100 * estimate.low,
        "estimated_error_high_percent": np.nan if estimate is None else 100 * estimate.high,
        "best_epoch": cell.trained.best_epoch,
        "n_epochs": len(cell.trained.train_loss),
        "duration_s": cell.trained.duration_s,
        "accuracy": cell.balanced.accuracy,
        "accuracy_both_ways": cell.balanced_both_ways.accuracy,
        "left_fraction": cell.skewed.left_fraction,
    }
