import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanodefect_assets.science.hrtem.support import describe_support

WHOLE_DOSES = (0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 13, 20, 30)
"""Electrons a pixel."""


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


@pytest.mark.parametrize("shape", [(100, 100), (900, 1400), (70, 65)])
@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_a_free_strip_is_enough_wherever_it_lies(shape, side, rng):
    counts, is_support = rng.normal(100, 3, shape), np.zeros(shape, dtype=bool)
    strip = {"top": np.s_[:4], "bottom": np.s_[-4:], "left": np.s_[:, :4], "right": np.s_[:, -4:]}[side]
    is_support[strip] = True
    counts[~is_support] += 50 * rng.random(np.count_nonzero(~is_support))

    found = describe_support(counts, is_support)

    assert (found.median, found.spread) == (pytest.approx(100, abs=1), pytest.approx(3, rel=0.3))
    assert np.mean(found.power[4:]) == pytest.approx(9, rel=0.6)


def test_gain_and_offset_change_the_unit_alone(rng):
    counts, everywhere = rng.normal(0, 1, (128, 128)), np.ones((128, 128), dtype=bool)

    plain, other = describe_support(counts, everywhere), describe_support(7 * counts + 900, everywhere)

    assert other.spread == pytest.approx(7 * plain.spread)
    assert other.power == pytest.approx(tuple(49 * value for value in plain.power))
    assert describe_support(np.full((64, 64), 3.0), everywhere[:64, :64]).spread > 0


@pytest.mark.parametrize(("dose", "within"), [(0.1, 0.2), (0.15, 0.2), (0.3, 0.15), *((n, 0.09) for n in WHOLE_DOSES)])
def test_whole_counts_have_the_spread_of_their_noise_at_any_dose(dose, within, rng):
    counts, everywhere = rng.poisson(dose, (300, 300)).astype(np.float32), np.ones((300, 300), dtype=bool)

    found = describe_support(counts, everywhere)

    assert found.spread == pytest.approx(np.sqrt(dose), rel=within)
    assert found.median == pytest.approx(dose, abs=0.25)


def test_gain_and_offset_of_whole_counts_change_the_unit_alone(rng):
    counts, everywhere = rng.poisson(0.8, (200, 200)).astype(np.float32), np.ones((200, 200), dtype=bool)

    plain, other = describe_support(counts, everywhere), describe_support(7 * counts + 900, everywhere)

    assert (other.spread, other.median) == (pytest.approx(7 * plain.spread), pytest.approx(7 * plain.median + 900))


def test_counts_that_are_not_whole_have_their_plain_quantiles(rng):
    counts = rng.poisson(2, (200, 200)) + rng.normal(0, 0.1, (200, 200))
    low, median, high = np.quantile(counts, [0.1587, 0.5, 0.8413])

    found = describe_support(counts, np.ones((200, 200), dtype=bool))

    assert (found.median, found.spread) == (median, (high - low) / 2)
