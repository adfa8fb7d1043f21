import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.plots.handedness import plot_as_synthesised, plot_label_noise


@pytest.fixture
def measured():
    return pd.DataFrame(
        {
            "method": ["standard", "standard", "standard", "co_teaching"],
            "is_antisymmetric": [False, False, True, False],
            "split": ["pairs"] * 4,
            "error_percent": [40.0, 0.0, 40.0, 40.0],
            "accuracy": [0.8, 0.99, 0.9, 0.95],
            "accuracy_se": [0.02, np.nan, 0.01, 0.01],
            "accuracy_both_ways": [0.7, 0.97, 0.91, 0.93],
            "accuracy_both_ways_se": [0.03, np.nan, 0.02, 0.02],
            "left_fraction": [0.45, 0.01, 0.41, 0.4],
            "left_fraction_se": [0.01, np.nan, 0.01, 0.01],
        }
    )


def drawn(axes):
    return {container.get_label(): container.lines[0].get_xydata().tolist() for container in axes.containers}


def test_every_method_is_drawn_in_order_beside_the_published_one(measured):
    published = measured.query("method == 'standard' and not is_antisymmetric")

    accuracy, fraction = plot_label_noise(measured, published).axes

    assert drawn(accuracy)["standard"] == [[0, 0.99], [40, 0.8]] == drawn(accuracy)["standard, published"]
    assert drawn(accuracy)["standard, antisymmetric"] == [[40, 0.9]]
    assert drawn(fraction)["co-teaching"] == [[40, 0.4]]
    assert len(accuracy.containers) == 4


def test_the_leaking_split_has_a_line_of_its_own(measured):
    measured["split"] = ["leaking", "leaking", "pairs", "pairs"]

    accuracy = plot_label_noise(measured, measured.iloc[:0]).axes[0]

    assert drawn(accuracy).keys() == {"standard, leaking split", "standard, antisymmetric", "co-teaching"}


def test_what_was_measured_as_synthesised_stands_right_of_what_was_published(measured):
    published = {"standard": (0.65, 0.05), "two_step": (0.66, 0.02), "co_teaching": (0.91, 0.02)}

    (axes,) = plot_as_synthesised(measured, published).axes

    points = [container.lines[0].get_xydata() for container in axes.containers]
    assert np.concatenate(points)[:, 1].tolist() == [0.65, 0.8, 0.99, 0.9, 0.66, 0.91, 0.95]
    assert np.concatenate(points)[:, 0] == pytest.approx([-0.2, 0, 0.1, 0.2, 0.8, 1.8, 2.0])
