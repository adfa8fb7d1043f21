import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nanodefect_assets.domain.champion import ModelRecord, PromotionDecision, Recipe, Score, marks_of

finite = st.floats(-1, 1, allow_nan=False)


def record(**changes):
    values = {
        "name": "particle-segmenter",
        "task": "segmentation",
        "architecture": Recipe(name="unet", params={"n_channels": [4, 8]}),
        "normalisation": Recipe(name="min_max"),
        "pixel_size_range_nm": (0.02, 0.05),
        "dose_range_e_per_nm2": (1e3, 1e5),
        "modalities": ("hrtem",),
        "classes": ("background", "particle"),
        "training_fingerprint": "f" * 64,
        "is_simulated_training": True,
        "code_version": "1",
    }
    return ModelRecord.model_validate(values | changes)


def decision(**changes):
    values = {
        "name": "particle-segmenter",
        "metric": "dice",
        "compared_on": "20 micrographs",
        "challenger_version": "2",
        "challenger": Score(value=0.9, n=20),
    }
    return PromotionDecision.judge(**(values | changes))


def compared(low, high, **changes):
    return decision(incumbent_version="1", incumbent=Score(value=0.8, n=20), difference_interval=(low, high), **changes)


def test_a_record_survives_json():
    kept = record(scores={"dice": Score(value=0.9, n=12, interval=(0.85, 0.93))}, materials=("Au", "CdSe"))

    assert ModelRecord.model_validate_json(kept.model_dump_json()) == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../secrets"}, "name"),
        ({"name": "Upper"}, "name"),
        ({"pixel_size_range_nm": (0.05, 0.02)}, "low, high"),
        ({"dose_range_e_per_nm2": (-1.0, 2.0)}, "dose_range"),
        ({"threshold": 1.5}, "threshold"),
        ({"modalities": ()}, "modalities"),
        ({"classes": ()}, "classes"),
        ({"version": 2}, "version"),
        ({"surprise": 1}, "surprise"),
        ({"scores": {"dice": {"value": float("nan"), "n": 3}}}, "dice"),
    ],
)
def test_records_that_say_nonsense_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        record(**changes)


@pytest.mark.parametrize(
    ("seen", "n_differences", "word"),
    [
        ({"modality": "hrtem", "pixel_size_nm": 0.03, "dose_e_per_nm2": 2e3}, 0, ""),
        ({"modality": "hrtem", "pixel_size_nm": 0.02, "dose_e_per_nm2": None}, 0, ""),
        ({"modality": "sem", "pixel_size_nm": 0.03}, 1, "sem"),
        ({"modality": "hrtem", "pixel_size_nm": 0.2}, 1, "pixel size 0.2 nm"),
        ({"modality": "hrtem", "pixel_size_nm": None}, 1, "no pixel size"),
        ({"modality": "hrtem", "pixel_size_nm": 0.03, "dose_e_per_nm2": 10.0}, 1, "dose 10 e/nm2"),
        ({"modality": "sem", "pixel_size_nm": 0.2, "dose_e_per_nm2": 10.0}, 3, "dose"),
    ],
)
def test_what_sets_a_micrograph_apart_from_the_training_is_said(seen, n_differences, word):
    found = record().unlike_training(**seen)

    assert len(found) == n_differences
    assert word in "; ".join(found)


def test_a_model_without_known_ranges_objects_to_no_size():
    free = record(pixel_size_range_nm=None, dose_range_e_per_nm2=None)

    assert free.unlike_training(modality="hrtem", pixel_size_nm=None, dose_e_per_nm2=1e9) == ()


@given(pixel_size_nm=st.floats(1e-3, 10), scale=st.floats(1 - 1e-9, 1 + 1e-9))
def test_rounding_does_not_put_a_pixel_size_outside_its_own_range(pixel_size_nm, scale):
    narrow = record(pixel_size_range_nm=(pixel_size_nm, pixel_size_nm))

    assert narrow.unlike_training(modality="hrtem", pixel_size_nm=pixel_size_nm * scale) == ()


@given(ends=st.tuples(finite, finite).map(sorted), passed=st.booleans())
def test_promoted_is_what_is_better_by_the_whole_interval_and_passed_its_checks(ends, passed):
    judged = compared(*ends, checks={"flat_field": True, "half_size": passed})

    assert judged.is_promoted == (ends[0] > 0 and passed)
    assert passed or "half_size" in judged.reason


def test_with_nothing_in_use_passing_the_checks_is_enough():
    assert decision(checks={"a": True}).is_promoted
    assert not decision(checks={"a": False}).is_promoted


def test_an_incumbent_without_a_comparison_stays():
    judged = decision(incumbent_version="shipped")

    assert not judged.is_promoted
    assert "not compared with version shipped" in judged.reason


def test_a_person_may_decide_otherwise_and_it_is_recorded():
    judged = compared(-0.2, -0.1, override_reason="the old one fails on Pd")

    assert judged.is_promoted
    assert judged.reason.startswith("by hand: the old one fails on Pd (although")
    assert PromotionDecision.model_validate_json(judged.model_dump_json()) == judged


def test_a_promotion_against_the_evidence_cannot_be_written_down():
    rejected = compared(-0.1, 0.1)

    with pytest.raises(ValidationError, match="not surely better"):
        PromotionDecision.model_validate(rejected.model_dump() | {"is_promoted": True})


def test_a_model_is_not_compared_with_itself():
    with pytest.raises(ValidationError, match="two models"):
        decision(incumbent_version="2")


def test_a_model_knows_what_it_has_seen_and_says_nothing_where_that_is_not_known():
    known = record(seen=marks_of(["b/end/a.tif", "b/end/b.tif", "b/end/a.tif"]))

    assert len(known.seen) == 2
    assert known.has_seen("b/end/b.tif")
    assert not known.has_seen("b/end/c.tif")
    assert not record().has_seen("b/end/b.tif")
    assert record().seen is None
