from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.science.sem.judge import HandednessScore
from nanodefect_assets.science.sem.params import HandednessStudyParams, MirrorLabelParams
from nanodefect_assets.science.sem.study import run_cell
from nanodefect_assets.science.sem.table import published_table, summarise_repeats, tabulate_cells, with_ratios


def test_repeats_are_averaged_with_their_standard_error(letters, recipe):
    rows = tabulate_cells(
        run_cell(
            letters(80),
            MirrorLabelParams(error_fraction=0.1),
            HandednessStudyParams(),
            recipe(max_epochs=1),
            repeat=repeat,
            seed=1,
        )
        for repeat in (0, 1, 2)
    )

    summary = summarise_repeats(rows).iloc[0]

    wrong = rows["n_right_wrong"] + rows["n_left_wrong"]
    assert (rows["n_right"] + rows["n_left"] == 16).all()
    assert rows["accuracy"].to_numpy() == pytest.approx(1 - wrong.to_numpy() / 16)
    assert (summary["method"], summary["split"], summary["error_percent"]) == ("standard", "pairs", 10)
    assert (summary["n_repeats"], summary["variant"]) == (3, "usual")
    assert summary["accuracy_se"] == pytest.approx(rows["accuracy"].std(ddof=1) / np.sqrt(3))


def test_the_published_curve_has_every_method_and_level():
    te, sevens = published_table("te"), published_table("sevens")

    assert te.groupby("method").size().to_dict() == {"standard": 10, "two_step": 10, "co_teaching": 10}
    assert sevens["error_percent"].tolist() == [0, 5, 10, 20, 30, 40, 42, 46, 48, 50]


def test_a_row_counts_what_was_called_left_and_its_ratios_follow_from_the_counts(letters, recipe):
    cell = run_cell(
        letters(80),
        MirrorLabelParams(error_fraction=0.1),
        HandednessStudyParams(),
        recipe(max_epochs=1),
        repeat=0,
        seed=1,
    )
    planted = replace(
        cell,
        balanced=HandednessScore(n_right=50, n_left=50, n_right_wrong=4, n_left_wrong=1),
        balanced_both_ways=HandednessScore(n_right=50, n_left=50, n_right_wrong=1, n_left_wrong=1),
        skewed=HandednessScore(n_right=40, n_left=10, n_right_wrong=3, n_left_wrong=2),
    )

    rows = tabulate_cells([planted])
    stored = rows.drop(columns=["accuracy", "accuracy_both_ways", "left_fraction"])

    (row,) = with_ratios(stored).to_dict(orient="records")
    assert (row["n_skewed_called_left"], row["n_skewed"]) == (11, 50)
    assert (row["accuracy"], row["accuracy_both_ways"], row["left_fraction"]) == pytest.approx((0.95, 0.98, 0.22))
    pd.testing.assert_frame_equal(with_ratios(stored)[rows.columns], rows)
