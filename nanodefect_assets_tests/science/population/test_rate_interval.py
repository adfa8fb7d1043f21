import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from nanodefect_assets.science.population.rate_interval import Share, share_interval

EXACT = np.eye(3)
FAULTED = Share(part=(0,), whole=(0, 1))
counts_of_micrographs = st.lists(st.tuples(*[st.integers(0, 20)] * 3), min_size=5, max_size=12).map(np.array)


def interval(counts, matrix=EXACT, confusion=None, confidence=0.95, share=FAULTED):
    shares = counts.sum(axis=0) @ np.linalg.inv(matrix)
    return share_interval(counts, shares / shares.sum(), matrix, confusion, share, confidence=confidence)


def test_the_interval_is_the_one_of_a_score_test_by_hand(rng):
    counts = np.column_stack([rng.binomial(20, 0.3, 8), np.zeros((8, 2), dtype=int)])
    counts[:, 1] = 20 - counts[:, 0]
    n, p, m = counts.sum(), counts[:, 0].sum() / counts.sum(), len(counts)
    excess = np.square(counts[:, 0] - 20 * p).sum() * m / (m - 1) / (n * p * (1 - p))
    effective, reach = n / max(excess, 0.25), t.ppf(0.975, m - 1)

    # Wilson's interval for the effective number of particles: the roots of (p - r)^2 = t^2 r (1 - r) / n.
    a, b, c = 1 + reach**2 / effective, -(2 * p + reach**2 / effective), p**2
    expected = [(-b + sign * np.sqrt(b**2 - 4 * a * c)) / (2 * a) for sign in (-1, 1)]
    assert interval(counts) == pytest.approx(expected, abs=2e-3)


@given(counts=counts_of_micrographs.filter(lambda counts: (counts[:, :2].sum(axis=1) > 0).all()))
def test_the_interval_holds_the_share_and_mirrors_with_the_classes(counts):
    low, high = interval(counts)
    value = counts[:, 0].sum() / counts[:, :2].sum()

    assert 0 <= low <= value <= high <= 1
    mirrored = interval(counts, share=Share(part=(1,), whole=(0, 1)))
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_more_confidence_takes_more_room(rng):
    counts = rng.multinomial(30, [0.2, 0.5, 0.3], size=10)
    narrow, wide = (interval(counts, confidence=confidence) for confidence in (0.8, 0.99))

    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_micrographs_that_differ_give_a_wider_interval_than_equal_ones():
    equal = np.tile([5, 15, 10], (6, 1))
    different = np.array([[10, 10, 10], [0, 20, 10]] * 3)

    widths = [np.diff(interval(counts))[0] for counts in (equal, different)]

    assert widths[0] < 0.7 * widths[1]


def test_a_confusion_of_few_regions_gives_a_wider_interval_than_of_many(rng):
    matrix = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.05, 0.15, 0.8]])
    counts = rng.multinomial(40, np.array([0.2, 0.5, 0.3]) @ matrix, size=20)
    few, many = (np.rint(n * matrix).astype(int) for n in (20, 2000))

    widths = [np.diff(interval(counts, matrix, confusion))[0] for confusion in (None, many, few)]

    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    assert widths[2] > 1.3 * widths[1]


def test_what_was_never_confused_in_few_regions_may_still_be(rng):
    counts = rng.multinomial(40, [0.2, 0.5, 0.3], size=20)

    widths = [np.diff(interval(counts, EXACT, confusion))[0] for confusion in (None, np.diag([12, 12, 12]))]

    assert widths[1] > 1.2 * widths[0]


def test_few_micrographs_of_very_many_particles_are_as_sure_as_the_confusion_lets_them_be():
    """Where the confusion alone decides, how few micrographs there are does not matter."""
    matrix = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.05, 0.15, 0.8]])
    confusion, found = np.rint(40 * matrix).astype(int), np.array([0.2, 0.5, 0.3]) @ matrix

    few, many = (interval(np.tile(np.rint(1e6 * found).astype(int), (n, 1)), matrix, confusion) for n in (3, 300))

    assert few == pytest.approx(many, abs=2e-3)


def test_a_share_of_everything_or_of_classes_outside_is_refused():
    with pytest.raises(ValueError, match="Expected a part"):
        Share(part=(0, 1), whole=(0, 1))
    with pytest.raises(ValueError, match="Expected a part"):
        Share(part=(2,), whole=(0, 1))
