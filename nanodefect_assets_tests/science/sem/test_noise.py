import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import mirror_label, plant_error
from nanodefect_assets.science.sem.noise import cross_fit_log_odds, estimate_from_odds, estimate_label_error


@given(error_percent=st.sampled_from([5, 10, 20, 30, 40]), separation=st.floats(1.5, 3), seed=st.integers(0, 20))
def test_mistakes_of_the_network_do_not_count_as_wrong_labels(error_percent, separation, seed):
    rng = np.random.default_rng(seed)
    is_right = np.arange(4000) >= 40 * error_percent
    odds = np.where(is_right, 1, -1) * (separation + rng.standard_normal(4000))

    estimate = estimate_from_odds(odds, confident_share=0.5)

    assert estimate.error_fraction == pytest.approx(error_percent / 100, abs=0.03)
    assert estimate.disagreeing_fraction >= estimate.error_fraction - 0.03
    assert (estimate.n_particles, estimate.n_confident) == (4000, 2000)


def test_an_error_beyond_one_half_is_that_of_the_other_hand():
    assert estimate_from_odds(-np.ones(100)).error_fraction == 0.5


def test_too_few_particles_are_refused():
    with pytest.raises(Refusal, match="at least 40"):
        estimate_from_odds(np.ones(39))


def test_the_error_planted_in_letters_is_found_without_a_clean_label(letters, recipe, rng):
    noisy, is_right = plant_error(letters(200), 0.25, rng=rng)
    labelled = mirror_label(noisy, is_right=is_right)

    estimate = estimate_label_error(labelled, recipe(max_epochs=5), rng=rng)

    assert estimate.error_fraction == pytest.approx(0.25, abs=0.04)


def test_each_particle_is_judged_in_the_order_of_its_number(letters, recipe, rng):
    noisy, is_right = plant_error(letters(80), 0.2, rng=rng)
    labelled = mirror_label(noisy, is_right=is_right, first_pair=1000)
    shuffled = labelled.take(rng.permutation(len(labelled)))

    odds = cross_fit_log_odds(shuffled, recipe(max_epochs=6), rng=rng)

    assert np.mean((odds > 0) == is_right) > 0.9
