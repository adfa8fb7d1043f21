import numpy as np
import pytest

from nanodefect_assets.plots.learning import plot_scores, plot_threshold_curves


def test_the_best_model_is_on_top_with_its_own_whisker_and_mark():
    errors = [[0.1, 0.02, np.nan], [0.05, 0.03, np.nan]]

    (axes,) = plot_scores(["a", "b", "c"], [0.5, 0.9, 0.7], errors, marks=[0.4, np.nan, np.nan]).axes

    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.7, 0.9]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c", "b"]
    whiskers = axes.containers[0].lines[2][0].get_segments()
    assert np.array(whiskers)[:, :, 0] == pytest.approx(np.array([[0.4, 0.55], [0.7, 0.7], [0.88, 0.93]]))
    assert axes.lines[-1].get_xydata()[0].tolist() == [0.4, 0]


def test_precision_and_recall_have_a_chart_for_each_material():
    figure = plot_threshold_curves({"Au": ([0.1, 0.9], [0.5, 0.8], [0.9, 0.2]), "Pd": ([0.5], [1], [1])}, chosen=0.5)

    assert [axes.get_title() for axes in figure.axes] == ["Au", "Pd"]
    assert figure.axes[0].lines[1].get_xydata().tolist() == [[0.1, 0.9], [0.9, 0.2]]
