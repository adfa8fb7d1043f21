import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanodefect_assets.science.hrtem.support import describe_support


def test_white_noise_has_its_variance_at_every_frequency_whatever_lies_on_it(rng):
    counts, is_support = rng.normal(100, 3, (300, 400)), np.ones((300, 400), dtype=bool)
    counts[50:150, 50:250] += 500
    is_support[50:150, 50:250] = False

    found = describe_support(counts, is_support)

    assert (found.median, found.spread) == (pytest.approx(100, abs=0.1), pytest.approx(3, rel=0.02))
    assert np.array(found.power[2:]) == pytest.approx(9, rel=0.25)
    assert np.mean(found.power[2:]) == pytest.approx(9, rel=0.03)


def test_texture_has_its_power_where_it_lies(rng):
    smooth = gaussian_filter(rng.normal(0, 10, (256, 256)), 1.5)
    found = describe_support(smooth, np.ones_like(smooth, dtype=bool))

    frequencies = np.array([0.05, 0.1, 0.15])
    expected = 100 * np.exp(-((2 * np.pi * 1.5 * frequencies) ** 2))
    assert found.power_at(frequencies) == pytest.approx(expected, rel=0.3)


def test_a_lattice_that_nobody_labelled_leaves_the_power_as_it_is(rng):
    counts, everywhere = rng.normal(0, 1, (256, 256)), np.ones((256, 256), dtype=bool)
    bare = describe_support(counts, everywhere)
    counts[:128] += 2 * np.cos(2 * np.pi * 0.2 * np.arange(256))

    assert describe_support(counts, everywhere).power_at(0.2) == pytest.approx(bare.power_at(0.2), rel=0.5)


def test_where_particles_leave_little_or_nothing_there_is_still_an_answer(rng):
    counts, crowded = rng.normal(5, 2, (100, 90)), np.zeros((100, 90), dtype=bool)
    crowded[:40, :40] = True

    little, nothing = describe_support(counts, crowded), describe_support(counts, np.zeros_like(crowded))

    assert np.mean(little.power[4:]) == pytest.approx(4, rel=0.5)
    assert np.mean(nothing.power[4:]) == pytest.approx(4, rel=0.2)
    assert len(describe_support(counts[:20, :30], crowded[:20, :30]).power) == 11


def test_gain_and_offset_change_the_unit_alone(rng):
    counts, everywhere = rng.normal(0, 1, (128, 128)), np.ones((128, 128), dtype=bool)

    plain, other = describe_support(counts, everywhere), describe_support(7 * counts + 900, everywhere)

    assert other.spread == pytest.approx(7 * plain.spread)
    assert other.power == pytest.approx(tuple(49 * value for value in plain.power))
    assert describe_support(np.full((64, 64), 3.0), everywhere[:64, :64]).spread > 0
