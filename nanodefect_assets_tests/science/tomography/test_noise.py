import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.alignment_params import DenoisingParams
from nanodefect_assets.science.tomography.background import estimate_background
from nanodefect_assets.science.tomography.denoise import denoise_image, removed_excess
from nanodefect_assets.science.tomography.noise import NoiseModel, destabilise, estimate_noise, noise_sd, stabilise

EDGE = 96


@pytest.fixture(scope="module")
def electrons():
    rows, cols = np.indices((EDGE, EDGE)) - EDGE / 2
    lattice = 1 + 0.5 * np.cos(0.7 * rows) * np.cos(0.8 * cols)
    return 3 + 40 * np.exp(-0.5 * (np.hypot(rows, cols) / 18) ** 4) * lattice


def counted(electrons, rng, gain=1.0, offset=0.0, read=0.0, n=1):
    counts = gain * rng.poisson(electrons, (n, *electrons.shape)) + offset
    return counts + read * rng.standard_normal(counts.shape)


@pytest.mark.parametrize(("gain", "offset", "read"), [(1.0, 0.0, 0.0), (3.0, 0.0, 0.0), (2.0, 100.0, 4.0)])
def test_gain_and_read_noise_are_found_in_the_images(electrons, rng, gain, offset, read):
    found = estimate_noise(counted(electrons, rng, gain, offset, read, n=4))

    assert found.gain == pytest.approx(gain, rel=0.08)
    levels = gain * np.array([3.0, 20.0, 40.0]) + offset
    assert found.variance(levels) == pytest.approx(gain * (levels - offset) + read**2, rel=0.1)


def test_noise_that_does_not_grow_with_intensity_has_no_gain(electrons, rng):
    found = estimate_noise(electrons + 2.0 * rng.standard_normal((4, EDGE, EDGE)))

    assert found.variance(np.array([3.0, 40.0])) == pytest.approx([4.0, 4.0], rel=0.1)


@pytest.mark.parametrize("mean", [2.0, 8.0, 60.0])
def test_transform_makes_variance_one_and_its_inverse_has_no_bias(rng, mean):
    noise = NoiseModel(gain=2.0, at_zero=1.5**2 - 2.0 * 10.0)
    counts = 2.0 * rng.poisson(mean, 400_000) + 10.0 + 1.5 * rng.standard_normal(400_000)
    even = stabilise(counts, noise)

    assert even.var() == pytest.approx(1, abs=0.06)
    assert destabilise(even.mean(), noise) == pytest.approx(2.0 * mean + 10.0, abs=0.05)


def test_read_noise_and_offset_follow_from_one_another():
    noise = NoiseModel(gain=2.0, at_zero=16.0 - 200.0)

    assert noise.read_noise(offset_counts=100.0) == pytest.approx(4.0)
    assert noise.offset(read_noise_counts=4.0) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("params", "largest_excess"), [(DenoisingParams(is_quick=True), 1.1), (DenoisingParams(denoiser="nl_means"), 1.4)]
)
def test_denoised_is_nearer_to_the_truth_and_mostly_noise_was_removed(electrons, rng, params, largest_excess):
    (counts,) = counted(electrons, rng)
    found = denoise_image(counts, NoiseModel(gain=1.0, at_zero=0.0), params)

    assert np.sqrt(np.mean((found.image - electrons) ** 2)) < 0.6 * np.sqrt(np.mean((counts - electrons) ** 2))
    assert found.noise_sd == pytest.approx(1, abs=0.08)
    assert found.excess < largest_excess


def test_what_takes_the_sample_away_is_seen(electrons, rng):
    even = stabilise(counted(electrons, rng)[0], NoiseModel(gain=1.0, at_zero=0.0))

    assert removed_excess(even - gaussian_filter(even, 4.0)) > 1.5
    assert removed_excess(rng.standard_normal((EDGE, EDGE))) < 1.2


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "not_finite"), (5.0, "no_noise")])
def test_images_without_counts_are_refused(value, reason):
    with pytest.raises(Refusal) as refused:
        denoise_image(np.full((EDGE, EDGE), value), NoiseModel(gain=1.0, at_zero=0.0), DenoisingParams(is_quick=True))
    assert refused.value.reason == reason


def test_background_is_the_mean_beside_sample_and_neighbours(electrons, rng):
    beside = electrons.copy()
    beside[5:25, 60:90] += 25
    found = estimate_background(counted(beside, rng, n=5))

    assert found.counts == pytest.approx(3.0, rel=0.02)
    assert found.is_known.all()


def test_noise_of_white_noise_is_its_own(rng):
    assert noise_sd(3 * rng.standard_normal((200, 200))) == pytest.approx(3, rel=0.03)
