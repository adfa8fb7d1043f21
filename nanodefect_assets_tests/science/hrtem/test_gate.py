import json

import numpy as np
import pytest

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.gate import (
    STATISTICS,
    GateReference,
    describe_all,
    describe_micrograph,
    fit_gate,
    judge_micrograph,
)
from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.micrographs import hrtem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams, ParticleFieldParams


def two_clouds(n, rng, shift=0.0):
    """Return vectors of two kinds of micrographs, far apart, with statistics that go together."""
    size = len(STATISTICS)
    mixing = np.random.default_rng(0).normal(size=(size, size))
    centres = 8 * (np.arange(n) % 2)[:, None] * np.ones(size)
    return centres + rng.standard_t(4, size=(n, size)) @ mixing + shift


@pytest.mark.parametrize("false_alarm", [0.05, 0.2])
def test_the_false_alarm_rate_is_the_stated_one(false_alarm):
    rng = np.random.default_rng(1)
    flagged = []
    for _ in range(60):
        vectors = rng.permutation(two_clouds(50, rng))
        reference = fit_gate(vectors[:40])
        flagged += [judge_micrograph(v, reference, false_alarm=false_alarm).is_flagged for v in vectors[40:]]

    three_sigma = 3 * np.sqrt(false_alarm / len(flagged)) * 2  # those of one training go together
    assert false_alarm / 4 < np.mean(flagged) < false_alarm + three_sigma


def test_what_lies_between_two_kinds_is_flagged():
    rng = np.random.default_rng(2)
    reference = fit_gate(two_clouds(60, rng))
    far = np.zeros(len(STATISTICS))
    far[STATISTICS.index("clipped_fraction")] = 400.0

    verdict = judge_micrograph(far, reference, false_alarm=0.05)

    assert verdict.is_flagged
    assert verdict.p_value == pytest.approx(1 / 61)
    assert verdict.farthest[0] == "clipped_fraction"


def counts_of(seed, **settings):
    params = ParticleFieldParams(**{"n_rows": 256, "n_cols": 256, "n_particles": 4} | settings)
    return particle_field(params, rng=np.random.default_rng(seed)).micrograph.counts


@pytest.fixture(scope="module")
def trained_on_fields():
    doses = np.random.default_rng(5).uniform(2e4, 8e4, 40)
    return fit_gate(describe_all([counts_of(seed, dose_e_per_nm2=dose) for seed, dose in enumerate(doses)]))


def flagged(reference, images):
    return np.mean([judge_micrograph(describe_micrograph(i), reference, false_alarm=0.05).is_flagged for i in images])


@pytest.mark.parametrize(
    "change",
    [{"dose_e_per_nm2": 500.0}, {"pixel_size_nm": 0.015, "n_particles": 1}, {"support_contrast": 0.4}],
    ids=lambda change: next(iter(change)),
)
def test_simulated_micrographs_unlike_the_training_are_flagged(trained_on_fields, change):
    assert flagged(trained_on_fields, [counts_of(seed, **change) for seed in range(100, 106)]) >= 5 / 6


def test_simulated_micrographs_like_the_training_pass(trained_on_fields):
    assert flagged(trained_on_fields, [counts_of(seed) for seed in range(100, 120)]) <= 0.2


def test_clipping_is_flagged(trained_on_fields):
    images = [counts_of(seed) for seed in range(100, 104)]
    clipped = [np.clip(image, *np.quantile(image, [0.1, 0.9])) for image in images]

    assert flagged(trained_on_fields, clipped) == 1.0


def test_gain_and_offset_do_not_matter():
    counts = counts_of(1).astype(np.float64)

    assert describe_micrograph(1000 + 7 * counts) == pytest.approx(describe_micrograph(counts), abs=2e-3)


def test_the_size_of_the_frame_hardly_matters(rng):
    large = rng.normal(100, 10, (768, 512)).astype(np.float32)

    apart = np.abs(describe_micrograph(large) - describe_micrograph(large[:300, :256]))

    assert apart[: STATISTICS.index("log_peak_over_ring")].max() < 0.2


def test_statistics_have_names_and_say_what_they_are(rng):
    white = rng.normal(100, 10, (512, 512))
    named = dict(zip(STATISTICS, describe_micrograph(white), strict=True))

    powers = [value for name, value in named.items() if name.startswith("log_power")]
    assert len(powers) == 10
    assert powers == pytest.approx([0] * 10, abs=0.15)
    assert named["quantile_0.01"] == pytest.approx(-2.33, abs=0.05)
    assert named["quantile_0.75"] == pytest.approx(0.67, abs=0.02)
    assert named["clipped_fraction"] == 0


def test_a_reference_goes_through_json_inside_a_recipe():
    reference = fit_gate(two_clouds(20, np.random.default_rng(3)))

    recipe = Recipe(name="conformal_nearest", params=reference.to_params())
    read = GateReference.from_params(json.loads(recipe.model_dump_json())["params"])

    assert read == reference


def test_a_small_training_cannot_promise_few_false_alarms():
    reference = fit_gate(two_clouds(18, np.random.default_rng(3)))

    with pytest.raises(Refusal, match="at least 19 training micrographs"):
        judge_micrograph(np.zeros(len(STATISTICS)), reference, false_alarm=0.05)
    assert judge_micrograph(np.full(len(STATISTICS), 1e3), reference, false_alarm=0.1).is_flagged


@pytest.mark.parametrize("statistics", [("a", "b"), STATISTICS[:-1]])
def test_a_reference_of_other_statistics_is_refused(statistics):
    with pytest.raises(ValueError, match="Expected the statistics"):
        GateReference(statistics=statistics, vectors=((0.0, 1.0), (1.0, 0.0)))


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (np.ones((64, 64)), "blank_micrograph"),
        (np.full((64, 64), np.nan), "blank_micrograph"),
        (np.eye(20), "micrograph_too_small"),
    ],
)
def test_what_cannot_be_described_is_refused(counts, reason):
    with pytest.raises(Refusal) as refusal:
        describe_micrograph(counts)

    assert refusal.value.reason == reason


@pytest.mark.slow
def test_false_alarms_on_held_out_simulated_hrtem():
    rng = np.random.default_rng(7)

    def field():
        params = HrtemFieldParams(
            n_rows=256,
            n_cols=256,
            n_particles=3,
            pixel_size_nm=rng.uniform(0.03, 0.06),
            dose_e_per_nm2=rng.uniform(2e4, 1e5),
            defocus_nm=rng.uniform(4, 12),
        )
        return hrtem_field(params, rng=rng).micrograph.counts

    reference = fit_gate(describe_all([field() for _ in range(60)]))

    assert flagged(reference, [field() for _ in range(60)]) < 0.17
