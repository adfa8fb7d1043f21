import os
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.batch_yaml import MAX_BYTES, parse_batch_yaml, read_batch_yaml

GOOD = """\
batch: pd-1
material: Pd
robot_run_id: 0012
operator: no
conditions:
  temperature: 90 degC
  begun: 2021-03-04
  ratio: 1e-3
  clock: 8:30
aliquots:
  - {time: 8 h}
  - time: 45 s
    replicate: 2
    conditions: {stirring: {value: 600, unit: rpm}}
files:
  - path: "8h/*.tif"
    modality: hrtem
    aliquot: 8 h
    pixel_size_nm: 1.95e-2
  - path: series.mrc
    modality: tilt_series
    aliquot: 45 s r2
    tilt_angles_deg: [-60, 0, 60.5]
    uncalibrated: yes
"""


def errors_of(text):
    with pytest.raises(Refusal) as refused:
        parse_batch_yaml(text)
    assert refused.value.reason == "bad_batch_yaml"
    assert refused.value.file == "batch.yaml"
    return refused.value.got.split("\n  ")[1:]


def test_a_batch_yaml_is_read_as_it_was_meant(tmp_path):
    (tmp_path / "batch.yaml").write_text(GOOD)
    spec, content = read_batch_yaml(tmp_path / "batch.yaml")

    assert content == GOOD.encode()
    assert spec.aliquot_keys() == ("t0000045-r2", "t0028800")
    assert spec.files[0].pixel_size_nm == 0.0195
    assert spec.files[1].tilt_angles_deg == (-60, 0, 60.5)
    assert spec.files[1].uncalibrated is True
    assert [entry.line for entry in spec.files] == [16, 20]


def test_yaml_springs_no_surprises():
    spec = parse_batch_yaml(GOOD)
    found = {row.name: row.text_value if row.value is None else row.value for row in spec.conditions.rows()}

    assert (spec.robot_run_id, spec.operator) == ("0012", "no")
    assert found == {"temperature": 90, "begun": "2021-03-04", "ratio": 0.001, "clock": "8:30"}


def test_numbers_are_as_from_python():
    as_yaml = parse_batch_yaml("batch: pd\nfiles: [{path: a, modality: hrtem, pixel_size_nm: 2, uncalibrated: off}]")
    as_python = BatchSpec.model_validate(
        {"batch": "pd", "files": [{"path": "a", "modality": "hrtem", "pixel_size_nm": 2.0, "uncalibrated": False}]}
    )

    assert as_yaml.model_dump() == as_python.model_dump()


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_a_field_left_empty_is_not_given(nothing):
    spec = parse_batch_yaml(f"batch: pd\nmaterial: {nothing}\nfiles: [{{path: a, modality: hrtem}}]")

    assert spec.material is None


def test_all_errors_come_at_once_in_order_with_line_field_expected_and_got():
    found = errors_of("""\
batch: Pd 1
matrial: Pd
aliquots:
  - time: 8:30
conditions:
  temperature: hot
files:
  - path: /etc/passwd
    modality: hrtm
    pixel_size_nm: -1
  - path: x.tif
    modalty: hrtem
chirality:
  expected_minority_share: 0.7
""")

    assert [line.partition(": expected")[0] for line in found] == [
        "line 1, batch",
        "line 2, matrial",
        "line 4, aliquots[1].time",
        "line 6, conditions.temperature",
        "line 8, files[1].path",
        "line 9, files[1].modality",
        "line 10, files[1].pixel_size_nm",
        "line 11, files[2].modality",
        "line 12, files[2].modalty",
        "line 14, chirality.expected_minority_share",
    ]
    assert "did you mean 'material'?" in found[1]
    assert "got '8:30'" in found[2]
    assert "'hrtem', 'hrstem', 'sem'" in found[5]
    assert "greater than or equal to 0.0001, got '-1'" in found[6]
    assert "did you mean 'modality'?" in found[8]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1", "line 1: expected no anchors"),
        ("a:\n  b: *x", "line 2: expected no anchors"),
        ("path: *.tif", "put quotes around"),
        ("a: !!python/object/apply:os.system [x]", "expected no tags"),
        ("a: 1\n---\nb: 2", "line 2: expected one document"),
        ("a: 1\nb: 2\na: 3", "line 3: expected 'a' once, got it twice"),
        ("files:\n  - {path: a, path: b}", "line 2: expected 'path' once"),
        ("? [a]\n: 3", "line 1: expected the name of a field"),
        ("\ta: 1", "line 1, column 1"),
        ("a: b: c", "quote text that has a colon"),
        ("a: [1", "expected YAML"),
        ('a: "\\U0FFFFFFF"', "expected YAML"),
        ("a: \x07", "expected YAML"),
        ("- a", "line 1: expected fields"),
        ("", "got nothing"),
        ("[" * 30, "at most 20 levels"),
        ("{a: " * 100_000, "at most 20 levels"),
        ("batch: pd\nfiles: []", "expected at least one entry"),
        ("batch: pd\nfiles: all", "expected a list"),
        ("batch: pd\nfiles: [all]", "line 2, files[1]"),
    ],
)
def test_mistakes_in_form_are_explained(text, said):
    assert said in "\n".join(errors_of(text))


def test_a_yaml_bomb_is_refused_at_once():
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    begun_s = time.monotonic()

    assert "anchors" in errors_of(bomb)[0]
    assert time.monotonic() - begun_s < 1


def test_hundreds_of_errors_are_shown_in_part():
    text = "batch: pd\nfiles:\n" + "  - {path: a, modality: x}\n" * 300

    assert len(errors_of(text)) == 21


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"batch: pd\n" + b"#" * MAX_BYTES, "bad_batch_yaml"),
        (b"batch: pd\nnote: \xff\xfe", "bad_batch_yaml"),
        (b"\x00\x01\x02", "bad_batch_yaml"),
        (None, "no_batch_yaml"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "batch.yaml").write_bytes(content)

    with pytest.raises(Refusal) as refused:
        read_batch_yaml(tmp_path / "batch.yaml")

    assert refused.value.reason == reason


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "batch.yaml")

    with pytest.raises(Refusal, match="pipe"):
        read_batch_yaml(tmp_path / "batch.yaml")


@pytest.mark.parametrize("size_nm", ["1e-320", "1e300", "0", "-1", "1e-5", "2e7"])
def test_a_pixel_size_of_no_microscope_is_refused(size_nm):
    with pytest.raises(Refusal, match="pixel_size_nm"):
        parse_batch_yaml(f"batch: pd\nfiles: [{{path: a.tif, modality: hrtem, pixel_size_nm: {size_nm}}}]\n")


def test_the_line_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "batch.yaml").write_bytes(b"batch: pd\nnote: \xff")

    with pytest.raises(Refusal, match="line 2: expected text in UTF-8, got the byte 0xff"):
        read_batch_yaml(tmp_path / "batch.yaml")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_text_of_two_bytes_a_sign_is_called_by_its_name(tmp_path, encoding):
    (tmp_path / "batch.yaml").write_bytes("batch: pd-1\n".encode(encoding))

    with pytest.raises(Refusal, match="save it as UTF-8"):
        read_batch_yaml(tmp_path / "batch.yaml")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    marked = b"\xef\xbb\xbf" + GOOD.encode()
    (tmp_path / "batch.yaml").write_bytes(marked)

    spec, content = read_batch_yaml(tmp_path / "batch.yaml")

    assert content == marked
    assert spec.model_dump() == parse_batch_yaml(GOOD).model_dump()


def test_a_folder_in_place_of_batch_yaml_is_refused(tmp_path):
    (tmp_path / "batch.yaml").mkdir()

    with pytest.raises(Refusal, match="can be read"):
        read_batch_yaml(tmp_path / "batch.yaml")


def is_read_or_refused(text):
    """Whether nothing but a spec or a refusal comes of `text`."""
    try:
        return isinstance(parse_batch_yaml(text), BatchSpec)
    except Refusal as refusal:
        return bool(refusal.got)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    assert is_read_or_refused(text)


SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.dates()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
FIELDS = st.sampled_from([*BatchSpec.model_fields, "other"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(FIELDS, TREES, max_size=6))
def test_any_fields_are_read_or_refused(fields):
    assert is_read_or_refused(yaml.safe_dump({"batch": "pd", **fields}))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.text(max_size=3), st.integers(0, 20))
def test_a_damaged_batch_yaml_is_read_or_refused(at, put_in, n_cut):
    assert is_read_or_refused(GOOD[:at] + put_in + GOOD[at + n_cut :])
