import numpy as np
import pytest

from nanodefect_assets.science.population.fractions import clustered_fraction


def test_half_of_independent_particles_has_wilson_s_interval():
    """Every particle a cluster: Wilson 1927 with t in the place of z; for n = 10 and t(9) = 2.262."""
    found = clustered_fraction(np.arange(10) < 5, np.arange(10))

    half = 2.262157 / np.sqrt(found.n) / np.sqrt(1 + 2.262157**2 / found.n) / 2
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.02)


def test_particles_that_resemble_their_neighbours_say_less():
    kinds = np.repeat([True, False, False, True, False, False], 20)

    alike = clustered_fraction(kinds, np.repeat(np.arange(6), 20))
    mixed = clustered_fraction(kinds, np.tile(np.arange(6), 20))

    assert alike.value == mixed.value
    assert alike.high - alike.low > 3 * (mixed.high - mixed.low)


def test_none_of_a_kind_is_no_proof_that_there_is_none():
    found = clustered_fraction(np.zeros(30, dtype=bool), np.arange(30) % 5)

    assert found.low == 0
    assert 0.1 < found.high < 0.3


def test_one_micrograph_has_no_interval():
    found = clustered_fraction(np.arange(8) < 2, np.zeros(8, dtype=int))

    assert found.value == 0.25
    assert np.isnan([found.low, found.high, found.standard_error]).all()


def test_the_interval_holds_the_truth_as_often_as_it_says(rng):
    """20 micrographs of 15 particles, their shares spread by 0.1 about 0.2."""
    held = 0
    for _ in range(300):
        shares = np.clip(rng.normal(0.2, 0.1, 20), 0, 1)
        clusters = np.repeat(np.arange(20), 15)
        found = clustered_fraction(rng.random(300) < shares[clusters], clusters)
        held += found.low <= 0.2036 <= found.high
    assert 0.91 < held / 300 < 0.99
