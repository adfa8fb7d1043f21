import pytest

from nanodefect_assets.domain.batch_spec import FileEntry
from nanodefect_assets.domain.calibration import agree
from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal


def entry(**given):
    return FileEntry.model_validate({"path": "a.tif", "modality": "hrtem", **given})


def image(**acquisition):
    return RawFacts(
        format="TIFF", kind="image", shape=(4, 5), dtype="uint8", acquisition=Acquisition.model_validate(acquisition)
    )


def series(angles_deg=None, n_frames=3):
    kind = "image_stack" if angles_deg is None else "tilt_series"
    return RawFacts(
        format="MRC",
        kind=kind,
        shape=(n_frames, 4, 5),
        dtype="int16",
        acquisition=Acquisition(pixel_size_nm=1),
        tilt_angles_deg=angles_deg,
    )


@pytest.mark.parametrize(
    ("stated", "found", "pixel_size_nm", "source"),
    [
        ({}, {"pixel_size_nm": 0.2}, 0.2, "file"),
        ({"pixel_size_nm": 0.2}, {}, 0.2, "batch.yaml"),
        ({"pixel_size_nm": 0.2019}, {"pixel_size_nm": 0.2}, 0.2, "file"),
        ({"pixel_size_nm": 0.3, "calibration_override_reason": "grid"}, {"pixel_size_nm": 0.2}, 0.3, "override"),
        ({"uncalibrated": True}, {}, None, "uncalibrated"),
        (
            {"uncalibrated": True, "calibration_override_reason": "camera length"},
            {"pixel_size_nm": 0.2},
            None,
            "uncalibrated",
        ),
    ],
)
def test_the_pixel_size_that_holds_and_where_it_comes_from(stated, found, pixel_size_nm, source):
    agreed = agree(entry(**stated), image(**found))

    assert agreed.acquisition.pixel_size_nm == pixel_size_nm
    assert agreed.source == source


@pytest.mark.parametrize("factor", [0.98, 1.02, 10, 0.1])
def test_a_disagreement_names_both_values(factor):
    with pytest.raises(Refusal) as refused:
        agree(entry(pixel_size_nm=0.2 * factor), image(pixel_size_nm=0.2))

    assert refused.value.reason == "calibration_conflict"
    assert f"{0.2 * factor:g} in batch.yaml, 0.2 in the file" in refused.value.got


def test_an_override_is_recorded_with_its_reason():
    agreed = agree(entry(pixel_size_nm=0.3, calibration_override_reason="gold lattice"), image(pixel_size_nm=0.2))

    assert agreed.reason == "gold lattice"


def test_a_calibration_is_left_out_for_a_reason_alone():
    said = entry(uncalibrated=True, calibration_override_reason="a wrong camera length")

    assert agree(said, image(pixel_size_nm=0.2)).reason == "a wrong camera length"
    assert agree(entry(uncalibrated=True), image()).reason is None
    with pytest.raises(Refusal, match=r"0\.2 nm/px in the file") as refused:
        agree(entry(uncalibrated=True), image(pixel_size_nm=0.2))
    assert refused.value.reason == "calibration_conflict"


def test_other_values_are_filled_in_and_must_agree_too():
    agreed = agree(
        entry(pixel_size_nm=1, voltage_kv=300, stage_tilt_deg=0.2), image(stage_tilt_deg=0.0, dose_e_per_nm2=9)
    )

    assert (agreed.acquisition.voltage_kv, agreed.acquisition.dose_e_per_nm2) == (300, 9)
    assert agreed.acquisition.stage_tilt_deg == 0.0
    with pytest.raises(Refusal, match=r"voltage_kv 300 in batch.yaml, 200 in the file"):
        agree(entry(pixel_size_nm=1, voltage_kv=300), image(voltage_kv=200))


def test_the_order_of_rows_is_that_of_the_facts():
    assert agree(entry(pixel_size_nm=1), image(row_order="bottom")).acquisition.row_order == "bottom"


@pytest.mark.parametrize("modality", ["hrtem", "hrstem", "sem"])
def test_an_image_without_a_pixel_size_is_refused_with_advice(modality):
    with pytest.raises(Refusal, match="uncalibrated: true") as refused:
        agree(entry(modality=modality), image())

    assert refused.value.reason == "uncalibrated"


def test_labels_need_no_calibration():
    assert agree(entry(modality="labels"), image()).source == "uncalibrated"


@pytest.mark.parametrize(
    ("stated_deg", "found_deg", "held_deg"),
    [
        (None, (-2, 0, 2), (-2, 0, 2)),
        ((-2, 0, 2), None, (-2, 0, 2)),
        ((-2.1, 0.1, 2.2), (-2, 0, 2), (-2.1, 0.1, 2.2)),
    ],
)
def test_tilt_angles_come_from_the_file_or_from_batch_yaml(stated_deg, found_deg, held_deg):
    agreed = agree(entry(modality="tilt_series"), series(found_deg), stated_deg)

    assert agreed.tilt_angles_deg == held_deg


@pytest.mark.parametrize(
    ("stated_deg", "found_deg", "reason"),
    [
        (None, None, "no_tilt_angles"),
        ((1.0, 2.0), None, "tilt_count"),
        ((2.0, 0.0, -2.0), (-2, 0, 2), "calibration_conflict"),
    ],
)
def test_tilt_angles_that_do_not_fit_are_refused(stated_deg, found_deg, reason):
    with pytest.raises(Refusal) as refused:
        agree(entry(modality="tilt_series"), series(found_deg), stated_deg)

    assert refused.value.reason == reason


def test_tilt_angles_can_be_overridden_with_a_reason():
    known = entry(modality="tilt_series", calibration_override_reason="sign of the goniometer")

    assert agree(known, series((-2, 0, 2)), (2.0, 0.0, -2.0)).tilt_angles_deg == (2, 0, -2)
