import numpy as np
import pytest

from nanodefect_assets.science.sem.published import (
    SEVENS_STANDARD,
    TE_CO_TEACHING,
    TE_STANDARD,
    TE_TWO_STEP,
)

PERCENT = [1, 5, 10, 20, 30, 40, 42, 46, 48, 50]
OF_FIGURE_5_4 = [
    (TE_STANDARD, [0.987, 0.975, 0.961, 0.859, 0.850, 0.754, 0.645, 0.617, 0.578, 0.512]),
    (TE_TWO_STEP, [0.971, 0.958, 0.949, 0.934, 0.901, 0.857, 0.819, 0.722, 0.572, 0.491]),
    (TE_CO_TEACHING, [0.957, 0.952, 0.948, 0.951, 0.901, 0.882, 0.882, 0.734, 0.465, 0.366]),
]


@pytest.mark.parametrize(("curve", "accuracies"), OF_FIGURE_5_4)
def test_counts_of_te_give_the_published_accuracies(curve, accuracies):
    assert [curve.accuracy(percent)[0] for percent in PERCENT] == pytest.approx(accuracies, abs=6e-4)


def test_counts_of_sevens_give_the_published_accuracies():
    percent = [0, 5, 10, 20, 30, 40, 42, 46, 48, 50]
    published = [0.998, 0.998, 0.996, 0.995, 0.998, 0.992, 0.990, 0.929, 0.737, 0.388]

    assert [SEVENS_STANDARD.accuracy(each)[0] for each in percent] == pytest.approx(published, abs=6e-4)
    assert np.isnan(SEVENS_STANDARD.accuracy(40)[1])


def test_a_standard_error_by_hand():
    values = np.array([1 - 6 / 384, 1 - 3 / 384, 1 - 6 / 384])

    assert TE_STANDARD.accuracy(1)[1] == pytest.approx(values.std(ddof=1) / np.sqrt(3))


def test_fractions_lie_within_what_a_population_can_have():
    for curve, _ in OF_FIGURE_5_4:
        assert all(0 <= curve.left_fraction(percent)[0] <= 1 for percent in curve.left_fractions)
