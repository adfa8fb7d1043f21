import numpy as np
import pytest

from nanodefect_assets.science.imaging.moments import mean_and_sd


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_mean_and_spread_are_those_of_float64(rng, offset):
    counts = (rng.normal(offset, 7.0, (300, 200))).astype(np.float32)

    exact = counts.astype(np.float64)
    assert mean_and_sd(counts) == pytest.approx((exact.mean(), exact.std()), rel=1e-6)


def test_a_flat_image_has_no_spread():
    assert mean_and_sd(np.full((4, 5), 0.1, dtype=np.float32)) == pytest.approx((0.1, 0.0), abs=1e-7)


def test_a_spread_beyond_float32_is_infinite():
    counts = np.array([[3e38] * 9 + [-3e38]], dtype=np.float32)

    assert mean_and_sd(counts)[1] == np.inf
