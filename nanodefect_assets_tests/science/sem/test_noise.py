import numpy as np
import pytest
from scipy.stats import binomtest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem import noise
from nanodefect_assets.science.sem.mirror import mirror_label, plant_error
from nanodefect_assets.science.sem.noise import cross_fit, estimate_from_odds, estimate_label_error
from nanodefect_assets.stores.checkpoints import FileCheckpoint


def judged(is_right, rng, *, separation, spread=1.0, weakness=1.0):
    """Return the answers of a judge; the wrongly labelled may be harder to tell."""
    strength = np.where(is_right, separation, -separation * weakness)
    return strength + spread * rng.standard_normal(len(is_right))


@pytest.mark.parametrize("error_percent", [5, 10, 20, 30, 40])
@pytest.mark.parametrize("separation", [1.2, 2.0])
def test_mistakes_of_the_network_do_not_count_as_wrong_labels(error_percent, separation):
    """A network that errs in 12 or in 2 of a hundred; a single estimate strays by up to 0.018, root mean square."""
    is_right = np.arange(4000) >= 40 * error_percent
    judges = (judged(is_right, np.random.default_rng(seed), separation=separation) for seed in range(25))

    estimates = [estimate_from_odds(odds) for odds in judges]

    assert np.mean([one.error_fraction for one in estimates]) == pytest.approx(error_percent / 100, abs=0.01)
    assert sum(one.low <= error_percent / 100 <= one.high for one in estimates) >= 22
    assert not any(one.is_minority_harder for one in estimates)
    assert {one.n_particles for one in estimates} == {4000}


@pytest.mark.parametrize("error_fraction", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("factor", [0.1, 10])
def test_neither_how_sure_a_network_is_nor_of_how_many_particles_matters(rng, error_fraction, factor):
    """Sureness drawn from a skew law, and log odds that are a tenth or ten times those of the true hand."""
    sureness = rng.gamma(1.5, 1.5, 10_000)
    is_named_rightly = rng.random(10_000) < 1 / (1 + np.exp(-sureness))
    is_right = rng.random(10_000) >= error_fraction
    odds = factor * sureness * np.where(is_named_rightly == is_right, 1, -1)

    estimate = estimate_from_odds(odds)

    assert estimate.error_fraction == pytest.approx(error_fraction, abs=0.02)
    assert estimate.disagreeing_fraction > error_fraction + 0.02


@pytest.mark.parametrize("error_fraction", [0.05, 0.2])
def test_judges_of_which_one_is_surer_than_another_tell_no_more_wrong_labels(error_fraction):
    """Scales of 1, 3 and 0.3, as networks have that were stopped at different epochs; taken for one, 5 become 8."""
    estimates = []
    for seed in range(30):
        rng, judge = np.random.default_rng(seed), np.arange(1200) % 3
        is_right = rng.permutation(np.arange(1200) >= 1200 * error_fraction)
        odds = judged(is_right, rng, separation=1.5) * np.array([1, 3, 0.3])[judge]
        estimates.append(estimate_from_odds(odds, judge))

    assert np.mean([one.error_fraction for one in estimates]) == pytest.approx(error_fraction, abs=0.012)
    assert sum(one.low <= error_fraction <= one.high for one in estimates) >= 27


def test_a_minority_that_is_harder_is_not_taken_for_mistakes(rng):
    """None of it is among the surest."""
    is_right = np.arange(4000) >= 880
    odds = judged(is_right, rng, separation=4.0, weakness=0.4)

    estimate = estimate_from_odds(odds)

    assert estimate.is_minority_harder
    assert estimate.fitted_fraction < 0.1
    assert estimate.error_fraction == pytest.approx(0.22, abs=0.03)
    assert estimate.low < 0.22 < estimate.high


def test_the_interval_is_the_binomial_one_of_those_that_are_sure_beyond_doubt():
    """Half are a hundred times as sure as the others, which say no more than what sureness is worth."""
    disagreeing = np.arange(2000) % 10 < np.repeat([3, 1], 1000)
    odds = np.repeat([1.0, 100.0], 1000) * np.where(disagreeing, -1, 1)

    estimate = estimate_from_odds(odds)

    binomial = binomtest(100, 1000).proportion_ci(0.95, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((binomial.low, binomial.high), abs=0.003)


def test_networks_that_learnt_nothing_say_that_nothing_is_known(rng):
    estimate = estimate_from_odds(rng.standard_normal(400))

    assert estimate.error_fraction == 0.5
    assert estimate.low < 0.1


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
    noisy, is_right = plant_error(letters(160), 0.2, rng=rng)
    labelled = mirror_label(noisy, is_right=is_right, first_pair=1000)
    shuffled = labelled.take(rng.permutation(len(labelled)))

    odds = cross_fit(shuffled, recipe(max_epochs=8), rng=rng).log_odds

    assert odds.shape == (160,)
    assert np.mean((odds > 0) == is_right) > 0.9


def test_no_judge_has_seen_a_particle_that_it_is_asked_about(recipe, monkeypatch):
    """Each image is filled with the number of its particle; a judge is what it was trained on."""
    images = np.broadcast_to(np.arange(60.0)[:, None, None], (60, 12, 12)).astype(np.float32)
    asked = []

    def train(train, validation, recipe, **more):
        assert recipe.network.is_antisymmetric
        assert not set(train.pair) & set(validation.pair)
        return set(train.pair) | set(validation.pair)

    def predict(seen, view, *, device):
        assert not seen & set(view[:, 0, 0])
        asked.extend(view[:, 0, 0])
        return view[:, 0, 0]

    monkeypatch.setattr(noise, "train_standard", train)
    monkeypatch.setattr(noise, "predict_log_odds", predict)

    unseen = cross_fit(mirror_label(images), recipe(), rng=np.random.default_rng(0))

    assert unseen.log_odds.tolist() == list(range(60))
    assert np.bincount(unseen.judge).tolist() == [20, 20, 20]
    assert sorted(asked) == sorted([*range(60), *range(60)]), "each image and its half turn"


def test_answers_for_other_folds_are_another_training_even_where_only_the_middle_differs(recipe, tmp_path, monkeypatch):
    """What NumPy prints of a fold of more than a thousand particles has its ends alone."""
    images = np.broadcast_to(np.arange(3600.0)[:, None, None], (3600, 12, 12)).astype(np.float32)
    labelled, order = mirror_label(images), np.random.default_rng(0).permutation(3600)
    swapped = order.copy()
    swapped[[600, 1800]] = order[[1800, 600]]
    assert repr(swapped[:1200]) == repr(order[:1200])
    monkeypatch.setattr(noise, "train_standard", lambda *args, **kwargs: None)
    monkeypatch.setattr(noise, "predict_log_odds", lambda trained, view, *, device: view[:, 0, 0])

    class Folding:
        """A generator that shuffles as told."""

        def __init__(self, order):
            self._order, self._own = order, np.random.default_rng(0)

        def permutation(self, numbers):
            return numbers[self._order]

        def spawn(self, n):
            return self._own.spawn(n)

    checkpoint = FileCheckpoint(tmp_path / "judges")
    cross_fit(labelled, recipe(), rng=Folding(order), checkpoint=checkpoint)

    assert len(cross_fit(labelled, recipe(), rng=Folding(order), checkpoint=checkpoint).log_odds) == 3600
    with pytest.raises(Refusal, match="another training"):
        cross_fit(labelled, recipe(), rng=Folding(swapped), checkpoint=checkpoint)


def test_judges_that_were_interrupted_go_on_to_the_same_answers(letters, recipe, tmp_path):
    labelled, made = mirror_label(letters(60)), recipe(max_epochs=1)

    class Stopping(FileCheckpoint):
        def save(self, state):
            super().save(state)
            raise KeyboardInterrupt

    def judge(checkpoint=None, seed=3):
        return cross_fit(labelled, made, rng=np.random.default_rng(seed), checkpoint=checkpoint).log_odds

    path = tmp_path / "judges"
    with pytest.raises(KeyboardInterrupt):
        judge(Stopping(path))

    assert FileCheckpoint(path).load().record["n_done"] == 1
    np.testing.assert_array_equal(judge(FileCheckpoint(path)), judge())
    with pytest.raises(Refusal, match="another training"):
        judge(FileCheckpoint(path), seed=4)
