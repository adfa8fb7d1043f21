from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import generic_filter
from skimage.filters import threshold_otsu

from nanodefect_assets.science.imaging.otsu import otsu_threshold
from nanodefect_assets.science.imaging.texture import local_standard_deviation


def test_two_values_are_parted_in_the_middle():
    assert otsu_threshold(np.array([0.0, 0.0, 10.0])) == pytest.approx(5.0, abs=0.02)


def variance_between(values, thresholds):
    classes = np.digitize(values, thresholds)
    parts = [values[classes == number] - values.mean() for number in np.unique(classes)]
    return sum(part.size * part.mean() ** 2 for part in parts)


@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.95))
def test_two_classes_are_parted_as_well_as_by_scikit_image(seed, share):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, 2000) + 3 * (rng.random(2000) < share)

    ours, theirs = (variance_between(values, [t]) for t in (otsu_threshold(values), threshold_otsu(values, nbins=512)))

    assert ours >= 0.999 * theirs


@pytest.mark.parametrize("n_classes", [3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_more_classes_part_as_well_as_trying_all(n_classes, seed):
    values = np.random.default_rng(seed).integers(0, 12, 200).astype(float)
    tried = list(combinations(np.arange(0.5, 11.5), n_classes - 1))
    best = max(variance_between(values, thresholds) for thresholds in tried)

    top = otsu_threshold(values, n_classes)

    with_top = [t for t in tried if round(t[-1] - 0.5) == int(np.floor(top))]
    assert max(variance_between(values, t) for t in with_top) == pytest.approx(best)


def test_one_value_throughout_is_refused():
    with pytest.raises(ValueError, match="two distinct values"):
        otsu_threshold(np.ones(5))


@pytest.mark.parametrize("window_px", [1, 3, 7])
def test_local_standard_deviation_is_that_of_the_window(window_px):
    image = np.random.default_rng(0).normal(1e4, 3, (16, 12))

    expected = generic_filter(image, np.std, size=window_px, mode="mirror")

    np.testing.assert_allclose(local_standard_deviation(image, window_px), expected, atol=2e-3)


@pytest.mark.parametrize("window_px", [0, 4])
def test_a_window_without_a_middle_is_refused(window_px):
    with pytest.raises(ValueError, match="odd"):
        local_standard_deviation(np.eye(8), window_px)


def test_local_standard_deviation_of_a_blank_image_is_zero():
    assert not local_standard_deviation(np.full((8, 8), 3.0), 3).any()
