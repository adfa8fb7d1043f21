import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.population.confusion_correction import corrected_rate, corrected_shares
from nanodefect_assets.science.population.rate_params import RateParams

DIAGONAL = np.array([0.84, 0.95, 0.92, 0.81, 0.80])
"""The published diagonal of the thesis, figure 3.5 f."""

CONFUSION = np.diag(DIAGONAL) + (1 - DIAGONAL)[:, None] * np.array(
    [
        [0, 0.6, 0.2, 0.15, 0.05],
        [0.6, 0, 0.2, 0.15, 0.05],
        [0.2, 0.4, 0, 0.2, 0.2],
        [0.3, 0.3, 0.3, 0, 0.1],
        [0.05, 0.1, 0.6, 0.25, 0],
    ]
)
CALIBRATION = (40, 78, 40, 30, 22)
PARAMS = RateParams()


def population(rng, shares, n_micrographs, mean_particles=12, clustering=15.0):
    """Return counts as classified, of micrographs that differ more than chance alone lets them."""
    own = rng.dirichlet(np.array(shares) * clustering, n_micrographs)
    sizes = rng.poisson(mean_particles, n_micrographs)
    return np.stack([rng.multinomial(n, part @ CONFUSION) for n, part in zip(sizes, own, strict=True)])


def calibration(rng):
    return np.stack([rng.multinomial(n, row) for n, row in zip(CALIBRATION, CONFUSION, strict=True)])


@given(weights=st.lists(st.floats(0.01, 1), min_size=5, max_size=5))
def test_shares_behind_exact_confusion_are_recovered(weights):
    shares = np.array(weights) / np.sum(weights)

    assert corrected_shares(shares @ CONFUSION, CONFUSION) == pytest.approx(shares, abs=2e-3)


def test_shares_behind_a_poor_classifier_are_recovered_too():
    poor, shares = np.full((5, 5), 0.15) + 0.25 * np.eye(5), np.array([0.02, 0.6, 0.1, 0.2, 0.08])

    assert corrected_shares(shares @ poor, poor) == pytest.approx(shares, abs=2e-3)


@given(found=st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda found: sum(found) > 0.1))
def test_shares_are_never_negative_and_add_up(found):
    shares = corrected_shares(np.array(found) / np.sum(found), CONFUSION)

    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1)


def test_a_classifier_without_errors_changes_nothing(rng):
    counts = population(rng, [0.2, 0.3, 0.3, 0.1, 0.1], 10)

    rate = corrected_rate(counts, np.diag([1000] * 5), (0,), (0, 1), PARAMS)

    assert rate.corrected.value == pytest.approx(rate.raw.value, abs=1e-3)
    assert rate.raw.value == pytest.approx(counts[:, 0].sum() / counts[:, :2].sum())


@pytest.mark.parametrize(("rate", "n_micrographs"), [(0.05, 5), (0.1, 5), (0.1, 20), (0.5, 10)])
def test_intervals_cover_and_the_correction_takes_the_bias_away(rate, n_micrographs, rng):
    n_tries, n_covered, errors = 60, 0, []
    for _ in range(n_tries):
        counts = population(rng, [0.5 * rate, 0.5 * (1 - rate), 0.3, 0.1, 0.1], n_micrographs, mean_particles=10)
        found = corrected_rate(counts, calibration(rng), (0,), (0, 1), PARAMS)
        n_covered += found.corrected.low <= rate <= found.corrected.high
        errors.append((found.raw.value - rate, found.corrected.value - rate))

    raw_bias, bias = np.abs(np.mean(errors, axis=0))
    assert n_covered / n_tries > 0.85  # 0.95 less 3.5 standard errors of 60 tries
    assert bias < max(0.02, 4 * np.std(errors, axis=0)[1] / np.sqrt(n_tries))
    assert rate > 0.1 or bias < raw_bias


def test_more_micrographs_and_more_calibration_narrow_the_interval(rng):
    counts, confusion = population(rng, [0.2, 0.3, 0.3, 0.1, 0.1], 10), calibration(rng)

    def width(counts, confusion):
        rate = corrected_rate(counts, confusion, (0,), (0, 1), PARAMS).corrected
        return rate.high - rate.low

    assert width(np.tile(counts, (4, 1)), confusion) < width(counts, confusion)
    assert width(counts, 10 * confusion) < width(counts, confusion)


def test_rates_of_nothing_and_of_everything_have_intervals(rng):
    sure = np.diag([200] * 5)
    counts = np.zeros((8, 5), dtype=int)
    counts[:, 1] = 10

    none, every = (corrected_rate(counts, sure, part, (0, 1), PARAMS).corrected for part in ((0,), (1,)))

    assert (none.low, none.value) == (pytest.approx(0, abs=0.01), pytest.approx(0, abs=1e-6))
    assert 0 < none.high < 0.2
    assert 0.8 < every.low < every.high <= 1


def test_too_little_and_unlike_data_are_refused(rng):
    counts, confusion = population(rng, [0.2, 0.3, 0.3, 0.1, 0.1], 10), calibration(rng)
    for few_counts, few_confusion, what in (
        (counts[:4], confusion, "micrographs"),
        (counts[:, :] // 8, confusion, "particles"),
        (counts, confusion * (np.arange(5) != 3)[:, None], "calibration"),
    ):
        with pytest.raises(Refusal, match=what):
            corrected_rate(few_counts, few_confusion, (0,), (0, 1), PARAMS)
    never_background = confusion.copy()
    never_background[:, 4] = [0, 0, 0, 0, 30]
    never_background[4, :4] = 70
    flooded = np.tile([0, 0, 0, 0, 40], (20, 1))
    with pytest.raises(Refusal, match="confused like"):
        corrected_rate(flooded, never_background, (0,), (0, 1), PARAMS)


@pytest.mark.parametrize("shares", [[0.3, 0.5, 0.2, 0, 0], [0, 0.5, 0.5, 0, 0]])
def test_many_particles_of_few_classes_are_like_a_calibration_of_few_regions(shares, rng):
    """Where classes are missing the shares fit no confusion exactly: with many particles chance alone shows."""
    found, rate = [], shares[0] / sum(shares[:2])
    for _ in range(40):
        counts = population(rng, np.array(shares) + 1e-9, 200, mean_particles=50)
        found.append(corrected_rate(counts, calibration(rng), (0,), (0, 1), PARAMS))

    assert np.quantile([one.p_alike for one in found], 0.1) > 0.05
    assert np.mean([one.corrected.low <= rate <= one.corrected.high for one in found]) > 0.85


def test_counts_that_no_population_could_give_are_refused_behind_a_poor_classifier_too():
    """Four of five are called background, where no class is so called more often than every fourth time."""
    confusion = np.full((5, 5), 10)
    confusion[:, 4] = [10, 10, 10, 10, 12]
    flooded = np.tile([1, 1, 0, 0, 8], (12, 1))

    with pytest.raises(Refusal, match="confused like"):
        corrected_rate(flooded, confusion, (0,), (0, 1), PARAMS)


def test_micrographs_that_differ_much_are_allowed_a_worse_fit():
    """The same counts, once alike on all micrographs and once each class on micrographs of its own."""
    confusion = np.full((5, 5), 10)
    confusion[:, 4] = [10, 10, 10, 10, 12]
    alike = np.tile([5, 4, 4, 3, 9], (20, 1))
    apart = np.repeat(np.diag(25 * np.ones(5, dtype=int)), [4, 3, 3, 3, 7], axis=0)

    p_alike, p_apart = (corrected_rate(one, confusion, (0,), (0, 1), PARAMS).p_alike for one in (alike, apart))

    assert p_apart > p_alike
