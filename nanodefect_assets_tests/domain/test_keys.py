import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.keys import (
    ALIQUOT_PATTERN,
    END,
    Place,
    aliquot_key,
    aliquot_label,
    check_batch_key,
    growth_time_s,
    replicate_of,
)
from nanodefect_assets.domain.refusal import Refusal

ALIQUOTS = st.one_of(
    st.just(END),
    st.builds(
        lambda seconds, replicate: f"t{seconds:07d}" + (f"-r{replicate}" if replicate > 1 else ""),
        st.integers(0, 9_999_999),
        st.integers(1, 99),
    ),
)


@pytest.mark.parametrize(
    ("time", "key"),
    [
        ("8 h", "t0028800"),
        ("8h", "t0028800"),
        ("45 s r2", "t0000045-r2"),
        ("90 min", "t0005400"),
        ("1.5 h", "t0005400"),
        ("2 d", "t0172800"),
        (" end ", "end"),
        ("t0000045-r2", "t0000045-r2"),
        ("45 s r1", "t0000045"),
    ],
)
def test_a_growth_time_has_one_key(time, key):
    assert aliquot_key(time) == key


@pytest.mark.parametrize(
    "time", ["8", "0.5 s", "8:30", "-1 h", "8 weeks", "", "end r2", "200 d", "8 h r0", "t28800", "8 h\n9 h"]
)
def test_what_is_no_growth_time_is_refused(time):
    with pytest.raises(Refusal, match="growth time"):
        aliquot_key(time)


@given(ALIQUOTS)
def test_the_label_of_an_aliquot_leads_back_to_its_key(key):
    assert aliquot_key(aliquot_label(key)) == key


@given(st.integers(0, 9_999_999), st.integers(0, 9_999_999))
def test_keys_sort_by_time(first_s, second_s):
    first, second = aliquot_key(f"{first_s} s"), aliquot_key(f"{second_s} s")

    assert (first < second) == (first_s < second_s)
    assert growth_time_s(first) == first_s


def test_the_end_of_a_synthesis_has_no_growth_time():
    assert growth_time_s(END) is None
    assert replicate_of(END) == 1
    assert aliquot_label("t0028800-r2") == "8 h r2"
    assert growth_time_s("8 h") == 28800


@given(st.text(max_size=80))
def test_a_batch_key_never_leaves_its_folder(text):
    try:
        key = check_batch_key(text)
    except Refusal:
        return
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 1 <= len(key) <= 63
    assert not key.startswith("-")


@pytest.mark.parametrize("key", ["../x", "Pd", "a/b", ".", "", "-a", "a" * 64, "a\n", "a b", "pd.1", None, 3])
def test_other_batch_keys_are_refused(key):
    with pytest.raises(Refusal) as refused:
        check_batch_key(key)

    assert refused.value.reason == "bad_batch_key"
    assert refused.value.advice


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True), ALIQUOTS)
def test_a_place_is_found_again_by_its_sample(batch, aliquot):
    place = Place(batch=batch, aliquot=aliquot)

    assert Place.of_sample(place.sample) == place
    assert place.parts == (batch, aliquot)
    assert ALIQUOT_PATTERN.fullmatch(aliquot)


def test_a_place_without_batch_or_aliquot_stands_for_all():
    assert Place().sample == "_/_"
    assert Place(batch="pd-1").sample == "pd-1/_"
    assert Place(aliquot=END).parts == ("_", END)


@pytest.mark.parametrize("place", [{"batch": "../x"}, {"batch": "pd", "aliquot": "8 h"}, {"aliquot": "t1"}])
def test_a_place_with_a_bad_key_is_refused(place):
    with pytest.raises(Refusal):
        Place(**place)


@pytest.mark.parametrize(
    "place", [Place(), Place(batch="pd-1"), Place(aliquot=END), Place(batch="a", aliquot="t0000001"), Place(study="40")]
)
def test_a_place_is_known_by_its_folders(place):
    assert Place.of_parts(*place.parts) == place


def test_a_cell_of_a_study_is_of_no_batch():
    with pytest.raises(ValueError, match="a cell of a study, or a batch"):
        Place(study="unet", batch="pd-1")
    with pytest.raises(ValueError, match="key of a study's cell"):
        Place(study="../x")
