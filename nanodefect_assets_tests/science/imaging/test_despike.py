import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import median_filter

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging import median
from nanodefect_assets.science.imaging.despike import remove_spikes
from nanodefect_assets.science.imaging.median import median_3x3
from nanodefect_assets.science.imaging.params import DespikeParams

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(100, 5, (64, 80)).astype(np.float32)


IMAGES = st.one_of(
    arrays(np.float32, SHAPES, elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.dtype(">u2")]).flatmap(lambda t: arrays(t, SHAPES)),
)


@given(image=IMAGES)
def test_median_equals_scipys(image):
    np.testing.assert_array_equal(median_3x3(image), median_filter(image, size=3, mode="nearest"))


def test_median_is_the_same_whatever_the_block(noise, monkeypatch):
    expected = median_3x3(noise)
    monkeypatch.setattr(median, "_BLOCK_BYTES", 700)

    np.testing.assert_array_equal(median_3x3(noise), expected)


@pytest.mark.parametrize("position", [(0, 0), (0, 40), (63, 79), (30, 30)])
def test_a_spike_is_replaced_by_the_median_of_its_neighbourhood(noise, position):
    spiked = noise.copy()
    spiked[position] = 1000

    counts, n_replaced = remove_spikes(spiked, DespikeParams())

    assert n_replaced == 1
    assert counts[position] == median_3x3(spiked)[position]
    np.testing.assert_array_equal(
        np.delete(counts, np.ravel_multi_index(position, noise.shape)),
        np.delete(noise, np.ravel_multi_index(position, noise.shape)),
    )


def test_what_stands_out_is_a_parameter(noise):
    loose, strict = (remove_spikes(noise, DespikeParams(n_standard_deviations=n))[1] for n in (5.0, 2.0))

    assert loose == 0
    assert strict > 50


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_without_a_number_are_filled_and_counted(noise, value):
    holed = noise.copy()
    holed[10:14, 20:24] = value
    holed[0, 0] = value

    counts, n_replaced = remove_spikes(holed, DespikeParams())

    assert n_replaced == 17
    assert np.isfinite(counts).all()
    assert abs(counts[10:14, 20:24] - 100).max() < 15


def test_a_lone_pixel_without_a_number_gets_the_median_of_its_neighbours():
    image = np.arange(9, dtype=float).reshape(3, 3) % 4
    image[1, 1] = np.nan

    counts, n_replaced = remove_spikes(image, DespikeParams(max_invalid_fraction=0.5))

    assert n_replaced == 1
    assert counts[1, 1] == np.nanmedian(image)


def test_a_micrograph_of_mostly_invalid_pixels_is_refused(noise):
    noise[:8] = np.nan

    with pytest.raises(Refusal, match=r"12\.5%") as refusal:
        remove_spikes(noise, DespikeParams())

    assert refusal.value.reason == "invalid_pixels"


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float64])
def test_any_type_of_count_becomes_float32_and_keeps_its_values(dtype):
    image = np.random.default_rng(1).poisson(20, (32, 32)).astype(dtype)
    before = image.copy()

    counts, n_replaced = remove_spikes(image, DespikeParams(n_standard_deviations=100))

    assert (counts.dtype, n_replaced) == (np.float32, 0)
    np.testing.assert_array_equal(counts, before)
    np.testing.assert_array_equal(image, before)


def test_a_blank_micrograph_has_no_spikes():
    assert remove_spikes(np.full((8, 8), 7), DespikeParams())[1] == 0


@settings(max_examples=60)
@given(image=IMAGES, n_standard_deviations=st.sampled_from([0.5, 2.0, 5.0]))
def test_counts_of_any_type_are_cleaned_as_their_floats_are(image, n_standard_deviations):
    exact = image.astype(np.float64)
    median = median_filter(exact, size=3, mode="nearest")
    distances, limit = np.abs(exact - median), n_standard_deviations * (exact - median).std()
    assume(not np.isclose(distances, limit, rtol=1e-5).any())

    counts, n_replaced = remove_spikes(image, DespikeParams(n_standard_deviations=n_standard_deviations))

    assert n_replaced == np.count_nonzero(distances > limit)
    np.testing.assert_array_equal(counts, np.where(distances > limit, median, exact).astype(np.float32))


def test_filled_pixels_do_not_count_in_the_standard_deviation(noise):
    holed = noise.copy()
    holed[20:26] = np.nan
    is_valid = np.isfinite(holed)
    filled, _ = remove_spikes(holed, DespikeParams(n_standard_deviations=1e6))
    difference = (filled - median_filter(filled, size=3, mode="nearest"))[is_valid]
    largest = np.abs(difference).max() / difference.std()

    replaced = [remove_spikes(holed, DespikeParams(n_standard_deviations=f * largest))[1] for f in (0.99, 1.01)]

    assert replaced == [holed[20:26].size + 1, holed[20:26].size]


def test_the_image_is_left_as_it_came(noise):
    noise[30, 30] = 1e4
    before = noise.copy()

    assert remove_spikes(noise, DespikeParams())[1] == 1
    np.testing.assert_array_equal(noise, before)
