import pytest
from pydantic import ValidationError

from nanodefect_assets.domain.batch_spec import STATED, BatchSpec, FileEntry
from nanodefect_assets.domain.manifest import Acquisition, Chirality
from nanodefect_assets.domain.refusal import Refusal

IMAGE = {"path": "*.tif", "modality": "hrtem"}


def spec(*files, **given):
    return BatchSpec.model_validate({"batch": "pd-1", "files": files or [IMAGE], **given})


def locations(error):
    return [details["loc"] for details in error.value.errors()]


def test_the_least_that_says_enough():
    found = spec()

    assert found.aliquot_keys() == ("end",)
    assert found.condition_rows() == ()
    assert found.manifest_chirality() is None
    assert found.entry_for("a.tif") is found.files[0]


@pytest.mark.parametrize("model", ["BatchSpec", "FileEntry", "AliquotEntry", "ChiralityEntry", "Reagent", "Quantity"])
def test_every_field_of_the_published_schema_is_described(model):
    schema = BatchSpec.model_json_schema()
    properties = (schema if model == "BatchSpec" else schema["$defs"][model])["properties"]

    assert properties
    assert [name for name, field in properties.items() if not field.get("description")] == []


def test_free_conditions_are_in_the_schema():
    conditions = BatchSpec.model_json_schema()["$defs"]["ConditionsSpec"]

    assert {option.get("type") for option in conditions["additionalProperties"]["anyOf"]} >= {"number", "string"}


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        spec().batch = "other"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"pixel_size_nm": 0.1, "uncalibrated": True}, "uncalibrated"),
        ({"label_of": "a.tif"}, "label_of"),
        ({"particle_values": [2]}, "particle_values"),
        ({"length_unit": "nm"}, "length_unit"),
        ({"tilt_angles_deg": [1, 2]}, "tilt_angles_deg"),
        ({"tilt_angles_file": "a.txt"}, "tilt_angles_file"),
        ({"modality": "labels", "uncalibrated": True}, "uncalibrated"),
        ({"modality": "labels", "label_of": "a.tif"}, "label_of"),
        ({"modality": "tilt_series", "tilt_angles_deg": [1], "tilt_angles_file": "a"}, "tilt_angles_file"),
        ({"modality": "coordinates", "length_unit": "voxel"}, "length_unit"),
        ({"modality": "hrtm"}, "modality"),
        ({"path": "../x.tif"}, "path"),
        ({"aliquot": "8:30"}, "aliquot"),
        ({"pixel_size_nm": -1}, "pixel_size_nm"),
        ({"pixel_size_nm": float("nan")}, "pixel_size_nm"),
        ({"stage_tilt_deg": 400}, "stage_tilt_deg"),
        ({"row_order": "left"}, "row_order"),
        ({"calibration_override_reason": ""}, "calibration_override_reason"),
        ({"pixel_size": 0.1}, "pixel_size"),
    ],
)
def test_an_entry_that_contradicts_itself_names_the_field(entry, field):
    with pytest.raises(ValidationError) as error:
        spec({**IMAGE, **entry})

    assert ("files", 0, field) in locations(error)


def test_all_errors_come_at_once():
    with pytest.raises(ValidationError) as error:
        spec(
            {**IMAGE, "label_of": "x"},
            {**IMAGE, "modality": "labels", "uncalibrated": True, "label_of": "x"},
            batch="A",
        )

    assert set(locations(error)) >= {
        ("batch",),
        ("files", 0, "label_of"),
        ("files", 1, "uncalibrated"),
        ("files", 1, "label_of"),
    }


def test_aliquots_are_those_that_the_files_name():
    found = spec({**IMAGE, "aliquot": "8 h"}, {**IMAGE, "path": "b", "aliquot": "45 s r2"}, {**IMAGE, "path": "c"})

    assert found.aliquot_keys() == ("end", "t0000045-r2", "t0028800")


def test_declared_aliquots_are_numbered_by_replicate():
    found = spec(
        {**IMAGE, "aliquot": "8 h r2"},
        aliquots=[{"time": "8 h", "replicate": 1}, {"time": "8 h", "replicate": 2, "conditions": {"pH": 7}}],
    )

    assert found.aliquot_keys() == ("t0028800", "t0028800-r2")
    assert [(row.name, row.aliquot) for row in found.condition_rows()] == [("pH", "t0028800-r2")]


def test_files_without_an_aliquot_belong_to_the_only_one_declared():
    found = spec(aliquots=[{"time": "8 h"}])

    assert found.aliquot_of(found.files[0]) == "t0028800"


@pytest.mark.parametrize(
    ("aliquots", "loc"),
    [
        ([{"time": "8 h"}, {"time": "16 h"}], ("files", 0, "aliquot")),
        ([{"time": "8 h"}, {"time": "480 min"}, {"time": "end"}], ("aliquots", 1, "time")),
        ([{"time": "8 h r2", "replicate": 2}], ("aliquots", 0, "replicate")),
        ([{"time": "end", "replicate": 2}], ("aliquots", 0, "replicate")),
    ],
)
def test_aliquots_that_do_not_fit_are_named(aliquots, loc):
    with pytest.raises(ValidationError) as error:
        spec(aliquots=aliquots)

    assert locations(error) == [loc]


def test_one_condition_twice_is_an_error():
    with pytest.raises(ValidationError, match="reagent/a more than once"):
        spec(conditions={"reagents": [{"name": "a", "amount": 1}] * 2})


def test_chirality_goes_into_the_manifest():
    stated = {"anchors": ["a.tif#1 right"], "expected_minority_share": 0.1, "true_enantiomers": True}

    assert spec(chirality=stated).manifest_chirality() == Chirality(**stated)


def test_an_anchor_without_a_hand_is_refused_at_the_door():
    with pytest.raises(ValidationError, match=r"a\.tif#3 left"):
        spec(chirality={"anchors": ["a.tif#1"]})


def test_an_exact_path_goes_before_patterns():
    found = spec(IMAGE, {**IMAGE, "path": "a.tif", "modality": "sem"}, {**IMAGE, "path": "[1].tif", "modality": "sem"})

    assert found.entry_for("a.tif") is found.files[1]
    assert found.entry_for("b.tif") is found.files[0]
    assert found.entry_for("[1].tif") is found.files[2]
    assert found.entry_for("a.mrc") is None


@pytest.mark.parametrize("paths", [("*.tif", "a*"), ("a.tif", "./a.tif")])
def test_two_entries_for_one_file_are_refused_and_both_named(paths):
    found = spec(*({**IMAGE, "path": path} for path in paths))
    found.files[1].set_line(12)

    with pytest.raises(Refusal) as refused:
        found.entry_for("a.tif")

    assert refused.value.reason == "declared_twice"
    assert refused.value.got == f"{found.files[0].path!r} and {found.files[1].path!r} (line 12)"


def test_everything_stated_of_an_acquisition_is_a_field_of_an_entry():
    assert {*STATED, "row_order", "stage_x_nm", "stage_y_nm"} == set(Acquisition.model_fields)
    assert set(STATED) <= set(FileEntry.model_fields)


def test_empty_text_is_nothing():
    assert spec(material="  ").material is None
    assert spec(material=" Pd ").material == "Pd"
