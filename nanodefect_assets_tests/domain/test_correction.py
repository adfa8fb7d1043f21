from datetime import UTC, datetime

import pytest

from nanodefect_assets.domain.correction import (
    Correction,
    apply_corrections,
    changes_nothing,
    check_applies,
    in_force,
)
from nanodefect_assets.domain.manifest import Acquisition, Manifest, ManifestFile, MapPlace
from nanodefect_assets.domain.refusal import Refusal


def file(path, modality="hrtem", **more):
    known = {"sha256": "0", "size_bytes": 1, "aliquot": "end", "since_revision": "r0001"}
    acquisition = Acquisition(pixel_size_nm=0.1)
    known |= {"shape": (8, 8)}
    return ManifestFile(
        path=path, modality=modality, acquisition=acquisition, calibration_source="file", **known, **more
    )


MANIFEST = Manifest(
    batch="pd-1",
    revision="r0001",
    fingerprint="0",
    aliquots=("end",),
    files=(file("a.tif"), file("b.tif"), file("a.png", modality="labels", label_of="a.tif")),
)


def correction(number, kind, **more):
    return Correction(number=number, kind=kind, reason="drifted", author="A. Person", made_at=datetime.now(UTC), **more)


def paths(*corrections):
    return [file.path for file in apply_corrections(MANIFEST, corrections).files]


def test_a_vetoed_micrograph_goes_with_its_labels():
    assert paths(correction(1, "veto", target="a.tif")) == ["b.tif"]


def test_a_veto_can_be_undone():
    assert paths(correction(1, "veto", target="a.tif"), correction(2, "restore", target="a.tif")) == paths()


def test_entries_count_in_their_order_and_not_in_that_of_the_list():
    assert paths(correction(2, "restore", target="a.tif"), correction(1, "veto", target="a.tif")) == paths()


def test_a_mended_calibration_changes_its_files_and_nothing_else():
    corrected = apply_corrections(MANIFEST, [correction(1, "calibration", target="b.*", value="0.2")])

    sizes = {file.path: file.acquisition.pixel_size_nm for file in corrected.files}
    assert sizes == {"a.tif": 0.1, "b.tif": 0.2, "a.png": 0.1}
    assert corrected.files[1].calibration_source == "correction"
    assert corrected.files[1].calibration_reason == "drifted (A. Person)"
    assert corrected.files[0] == MANIFEST.files[0]


@pytest.mark.parametrize(("source", "expected"), [("grid", (20.0, 6.0)), ("file", (10.0, 3.0))])
def test_a_mended_calibration_lays_a_grid_out_anew_and_leaves_the_stage_alone(source, expected):
    place = MapPlace(name="te", x_nm=10.0, y_nm=3.0, source=source)
    manifest = MANIFEST.model_copy(update={"files": (file("a.tif", map_place=place),)})
    entries = [correction(1, "calibration", target="a.tif", value="0.5")]
    entries.append(correction(2, "calibration", target="a.tif", value="0.2"))
    mended = apply_corrections(manifest, entries).files[0].map_place

    assert (mended.x_nm, mended.y_nm) == pytest.approx(expected)


def test_of_two_calibrations_the_later_holds():
    entries = [correction(n, "calibration", target="b.tif", value=f"0.{n}") for n in (2, 3)]

    assert apply_corrections(MANIFEST, entries).files[1].acquisition.pixel_size_nm == 0.3
    assert in_force(entries) == {3}


@pytest.mark.parametrize("kind", ["retract", "rename"])
def test_a_batch_that_is_out_has_no_samples(kind):
    value = "pd-2" if kind == "rename" else None

    assert apply_corrections(MANIFEST, [correction(1, kind, value=value)]).cells() == ()


def test_a_retracted_batch_can_be_reinstated():
    assert paths(correction(1, "retract"), correction(2, "reinstate")) == paths()


def test_no_correction_changes_nothing():
    assert apply_corrections(MANIFEST, []) == MANIFEST


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("veto", {}),
        ("veto", {"target": "a.tif", "value": "1"}),
        ("calibration", {"target": "a.tif"}),
        ("calibration", {"target": "a.tif", "value": "-1"}),
        ("calibration", {"target": "a.tif", "value": "nan"}),
        ("calibration", {"target": "a.tif", "value": "inf"}),
        ("retract", {"target": "a.tif"}),
        ("rename", {}),
        ("burn", {}),
    ],
)
def test_an_entry_that_is_not_whole_is_refused(kind, more):
    with pytest.raises(ValueError, match=r"Expected|Input should be"):
        correction(1, kind, **more)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("veto", {"target": "c.tif"}),
        ("mask", {"target": "*.tif", "value": "m.png"}),
        ("mask", {"target": "a.png", "value": "m.png"}),
        ("calibration", {"target": "a.png", "value": "1"}),
    ],
)
def test_an_entry_about_nothing_that_fits_is_refused(kind, more):
    with pytest.raises(Refusal, match="that fit"):
        check_applies(correction(1, kind, **more), MANIFEST)


@pytest.mark.parametrize(
    ("kind", "more"),
    [("veto", {"target": "*.tif"}), ("calibration", {"target": "a.tif", "value": "0.2"}), ("retract", {})],
)
def test_what_is_said_again_changes_nothing(kind, more):
    first = correction(1, kind, **more)

    assert changes_nothing(first, MANIFEST, []) is None
    assert changes_nothing(correction(2, kind, **more), MANIFEST, [first]) == first


def test_a_calibration_is_the_same_however_it_is_written():
    first = correction(1, "calibration", target="a.tif", value="0.2")

    assert changes_nothing(correction(2, "calibration", target="a.tif", value="2e-1"), MANIFEST, [first]) == first
    assert changes_nothing(correction(2, "calibration", target="a.tif", value="0.3"), MANIFEST, [first]) is None


def test_a_veto_said_again_after_one_of_its_files_was_restored_is_news():
    entries = [correction(1, "veto", target="*.tif"), correction(2, "restore", target="a.tif")]

    assert changes_nothing(correction(3, "veto", target="*.tif"), MANIFEST, entries) is None
