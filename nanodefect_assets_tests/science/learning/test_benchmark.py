import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.learning.benchmark import (
    Contender,
    Part,
    dice_ahead,
    estimate,
    over_repeats,
    parts_of,
    ratios,
    score_contenders,
    tally,
)
from nanodefect_assets.science.learning.benchmark_params import BenchmarkParams
from nanodefect_assets.science.learning.comparison import draw_micrographs

PARAMS = BenchmarkParams(n_resamples=500)


def rows(run, counts, class_name="particle"):
    """Return rows of `model_scores`, given (TP, FP, FN) of each micrograph."""
    return pd.DataFrame(
        {
            "mlflow_run_id": run,
            "micrograph_id": [f"m{number}" for number in range(len(counts))],
            "class_name": class_name,
            "n_true_positive": [one[0] for one in counts],
            "n_false_positive": [one[1] for one in counts],
            "n_false_negative": [one[2] for one in counts],
        }
    )


def counts_of(*micrographs):
    """Return the counts of one run and one class."""
    return np.array(micrographs)[None, :, None, :]


def draws(m, rng):
    return draw_micrographs(m, 500, rng)


def test_counts_are_pooled_before_they_are_divided(rng):
    found = estimate(counts_of((90, 10, 10), (0, 0, 100)), draws(2, rng))

    assert found["dice"].value == pytest.approx(180 / 300)
    assert found["iou"].value == pytest.approx(90 / 210)
    assert found["precision"].value == pytest.approx(0.9)
    assert found["recall"].value == pytest.approx(0.45)


@given(counts=st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=5))
def test_dice_follows_from_iou_and_lies_between_precision_and_recall(counts):
    found = ratios(np.array(counts).sum(axis=0)[None])

    assert found["dice"] == pytest.approx(2 * found["iou"] / (1 + found["iou"]))
    if np.isfinite(found["precision"]) and np.isfinite(found["recall"]):
        ends = sorted([float(found["precision"]), float(found["recall"])])
        assert ends[0] - 1e-12 <= found["dice"] <= ends[1] + 1e-12


def test_what_was_never_found_has_no_precision(rng):
    found = estimate(counts_of((0, 0, 5), (0, 0, 9)), draws(2, rng))

    assert (found["precision"].value, found["precision"].low) == (None, None)
    assert found["dice"].value == 0


def test_one_micrograph_has_no_interval_and_alike_ones_have_no_width(rng):
    alone = estimate(counts_of((5, 5, 5)), draws(1, rng))["dice"]
    alike = estimate(counts_of((5, 5, 5), (5, 5, 5), (5, 5, 5)), draws(3, rng))["dice"]

    assert (alone.value, alone.low, alone.high) == (0.5, None, None)
    assert (alike.low, alike.high) == (0.5, 0.5)


def test_intervals_cover_the_truth_and_pairing_makes_the_difference_surer(rng):
    def drawn(quality):
        n_both = rng.binomial(100, quality)
        return np.stack([n_both, 100 - n_both, 100 - n_both], axis=-1)[None, :, None, :]

    covered, narrower = 0, 0
    for _ in range(60):
        quality = rng.uniform(0.4, 0.9, size=24)  # micrographs are easy or hard for both models
        better, worse = drawn(quality), drawn(quality - 0.05)
        own_draws = draws(24, rng)
        ahead, alone = dice_ahead(better, worse, own_draws), estimate(better, own_draws)["dice"]
        covered += ahead.low <= 0.05 <= ahead.high
        narrower += ahead.high - ahead.low < alone.high - alone.low

    assert covered >= 50
    assert narrower == 60


def test_the_mean_over_repeats_has_their_standard_error():
    repeats = np.concatenate([counts_of((8, 2, 2)), counts_of((6, 4, 4))])

    mean, error = over_repeats(repeats)["dice"]

    assert (mean, error) == pytest.approx((0.7, 0.1))
    assert np.isnan(over_repeats(repeats[:1])["dice"][1])


def test_classes_count_alike_and_runs_must_have_seen_the_same():
    both = pd.concat([rows("a", [(8, 2, 2)]), rows("a", [(1, 0, 0)], "Pt")])

    assert ratios(tally(both, ["a"], ["m0"], ["particle", "Pt"]).sum(axis=1))["dice"] == pytest.approx([0.9])
    with pytest.raises(ValueError, match=r"judged on the same micrographs. Missing: \('a', 'm1', 'Pt'\)"):
        tally(both, ["a"], ["m1"], ["Pt"])


@pytest.fixture
def micrographs():
    return pd.DataFrame(
        {
            "micrograph_id": ["m0", "m1", "m2", "m3"],
            "is_simulated": [True, True, True, False],
            "material": ["Au", "Au", None, "Au"],
            "dose_e_per_nm2": [1e4, 5e4, 1e4, np.nan],
            "pixel_size_nm": [0.03, 0.05, 0.03, 0.03],
        }
    )


def test_measured_and_simulated_micrographs_are_never_put_together(micrographs):
    parts = {(part.name, part.is_simulated): part.micrograph_ids for part in parts_of(micrographs, PARAMS)}

    assert parts == {
        ("all", True): ("m0", "m1", "m2"),
        ("Au", True): ("m0", "m1"),
        ("Au, 0 to 32000 e/nm2, 0 to 0.04 nm", True): ("m0",),
        ("Au, 32000 to inf e/nm2, 0.04 to inf nm", True): ("m1",),
        ("all", False): ("m3",),
        ("Au", False): ("m3",),
    }


def test_everything_is_scored_beside_the_best_one(rng):
    good, bad = [(9, 1, 1), (8, 2, 2), (9, 1, 1)], [(5, 5, 5), (4, 6, 6), (5, 5, 5)]
    scores = pd.concat([rows("good", good), rows("bad", bad), rows("part", good)])
    contenders = [
        Contender(name="unet", runs=("good",), repeats="best"),
        Contender(name="unet", runs=("good", "bad"), repeats="mean"),
        Contender(name="otsu", runs=("bad",), repeats="best"),
        Contender(name="unet", runs=("part",), repeats="mean", trained_on="Au"),
    ]
    part = Part(micrograph_ids=("m0", "m1", "m2"), is_simulated=True)

    found = score_contenders(scores, contenders, [part], class_names=["particle"], params=PARAMS, rng=rng)

    assert found["dice"].tolist() == pytest.approx([26 / 30, 20 / 30, 14 / 30, 26 / 30])
    assert found["trained_on"].tolist() == ["all", "all", "all", "Au"]
    assert found["dice_behind"].tolist()[1:] == pytest.approx([0.2, 0.4, 0.0])
    assert np.isnan(found["dice_behind"][0])
    assert found["dice_behind_low"][2] == pytest.approx(0.4)  # every micrograph has the same difference


@pytest.mark.parametrize("edges", [[2.0, 1.0], [1.0, 1.0], [0.0]])
def test_edges_rise_above_zero(edges):
    with pytest.raises(ValueError, match="rising edges above 0"):
        BenchmarkParams(pixel_edges_nm=edges)


def test_frames_of_one_file_are_one_micrograph():
    found = rows("r", [(9, 1, 1), (5, 2, 3), (1, 0, 4)]).assign(micrograph_id=["x@0000", "x@0001", "y"])
    counts = tally(found, ["r"], ["x@0000", "x@0001", "y"], ["particle"])

    assert counts.tolist() == [[[[14, 3, 4]], [[1, 0, 4]]]]
