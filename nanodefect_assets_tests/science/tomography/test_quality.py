import numpy as np
import pytest

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.quality import (
    mass_error,
    measured_region,
    noise_r_factors,
    r_factor,
    r_factors,
    shell_correlation,
)

ALL_ROUND = TiltGeometry.single_axis(np.arange(-90, 90, 4.0))


def test_r_factors_by_hand():
    measured = np.array([[[1.0, 3.0]], [[2.0, 2.0]]], np.float32)
    projected = np.array([[[2.0, 3.0]], [[2.0, -2.0]]], np.float32)

    assert r_factors(measured, projected).tolist() == [0.25, 0.0]
    assert r_factor(measured, projected) == pytest.approx(1 / 8)


@pytest.mark.parametrize("sd", [0.5, 2.0])
def test_the_floor_is_what_white_noise_leaves(rng, sd):
    ramp = 100 + np.arange(128, dtype=np.float32)[:, None] + np.zeros((3, 1, 128), np.float32)
    noisy = ramp + rng.normal(0, sd, ramp.shape).astype(np.float32)

    np.testing.assert_allclose(noise_r_factors(noisy), r_factors(noisy, ramp), rtol=0.05)


def test_mass_by_hand():
    views = np.full((3, 2, 2), 2.0, np.float32)

    assert mass_error(np.full((2, 2, 2), 1.1, np.float32), views) == pytest.approx(0.1)


def test_a_volume_agrees_with_itself_and_not_with_noise(rng):
    first, second = rng.standard_normal((2, 24, 24, 24)).astype(np.float32)

    own, other = shell_correlation(first, 3 * first, ALL_ROUND), shell_correlation(first, second, ALL_ROUND)

    np.testing.assert_allclose(own.correlation, 1, rtol=1e-5)
    assert own.resolution_voxels() == 2.0
    assert abs(other.correlation[6:].mean()) < 0.1


def test_resolution_is_where_noise_takes_over(rng):
    shared = rng.standard_normal((32, 32, 32))
    transform = np.fft.fftn(shared)
    radius = np.sqrt(sum(np.meshgrid(*[np.fft.fftfreq(32) ** 2] * 3, indexing="ij")))
    smooth = np.fft.ifftn(transform * (radius < 0.2)).real
    first, second = (smooth + 0.1 * rng.standard_normal(shared.shape) for _ in range(2))

    found = shell_correlation(first.astype(np.float32), second.astype(np.float32), ALL_ROUND)

    assert found.resolution_voxels() == pytest.approx(5, rel=0.15)


def test_the_missing_wedge_is_left_out(rng):
    """Where no view has looked, nothing counts: there the two may differ as they like."""
    geometry = TiltGeometry.single_axis(np.arange(-50, 51, 2.0))
    seen = measured_region((32, 32, 32), geometry)
    base = np.fft.rfftn(rng.standard_normal((32, 32, 32)))
    other = np.where(seen, base, 50 * np.fft.rfftn(rng.standard_normal((32, 32, 32))))
    first, second = (np.fft.irfftn(one, s=(32, 32, 32), axes=(0, 1, 2)) for one in (base, other))

    found = shell_correlation(first.astype(np.float32), second.astype(np.float32), geometry)

    assert 0.1 < (~seen).mean() < 0.6
    assert found.correlation[3:].min() > 0.9
