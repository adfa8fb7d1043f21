import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, distance_transform_edt

from nanodefect_assets.science.imaging.distances import distances_inside


@given(shape=st.tuples(st.integers(3, 40), st.integers(3, 40)), seed=st.integers(0, 999), n=st.integers(1, 12))
def test_distances_are_those_of_a_general_transform(shape, seed, n):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    mask[1:-1, 1:-1] = rng.random((shape[0] - 2, shape[1] - 2)) < rng.random() ** 0.2
    mask[1:-1, 1:-1] |= binary_dilation(mask, iterations=n % 4)[1:-1, 1:-1] if n % 4 else False

    np.testing.assert_allclose(distances_inside(mask), distance_transform_edt(mask), rtol=1e-6)


def test_the_middle_of_a_disc_is_its_radius_away():
    rows, cols = np.indices((203, 203)) - 101
    found = distances_inside(np.hypot(rows, cols) < 100)

    assert found[101, 101] == 100
    assert found.dtype == np.float32
    assert found[0, 0] == 0


@pytest.mark.parametrize("edge", [np.s_[0, 2], np.s_[-1, 2], np.s_[2, 0], np.s_[2, -1]])
def test_a_mask_that_touches_the_frame_is_refused(edge):
    mask = np.zeros((5, 6), dtype=bool)
    mask[edge] = True
    with pytest.raises(ValueError, match="pad it"):
        distances_inside(mask)
