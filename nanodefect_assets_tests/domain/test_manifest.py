import pytest
from pydantic import ValidationError

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Acquisition, Chirality, Condition, Manifest, ManifestFile
from nanodefect_assets.domain.manifest_changes import changed_cells


def file(path="a.tif", aliquot="end", **given):
    known = {"sha256": "0" * 64, "size_bytes": 1, "modality": "hrtem", "since_revision": "r0001"}
    return ManifestFile(path=path, aliquot=aliquot, **{**known, **given})


def manifest(*files, **given):
    return Manifest(**{"batch": "pd", "revision": "r0001", "fingerprint": "f", **given}, files=files)


EIGHT, SIXTEEN = Place(batch="pd", aliquot="t0028800"), Place(batch="pd", aliquot="t0057600")
BEFORE = manifest(file("a.tif", "t0028800"), file("b.tif", "t0057600"))


def test_samples_are_the_aliquots_with_files():
    assert manifest(file(aliquot="t0057600"), file("b.tif", "t0028800"), aliquots=("end",)).cells() == (EIGHT, SIXTEEN)
    assert manifest().cells() == ()


def test_files_of_an_aliquot_come_in_the_order_of_their_paths():
    found = manifest(file("b.tif"), file("a.tif"), file("c.tif", "t0028800")).files_of("end")

    assert [one.path for one in found] == ["a.tif", "b.tif"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1])
def test_an_acquisition_holds_only_possible_pixel_sizes(value):
    with pytest.raises(ValidationError):
        Acquisition(pixel_size_nm=value)


def test_a_manifest_comes_back_from_its_text():
    full = manifest(
        file(shape=(2, 3), acquisition=Acquisition(pixel_size_nm=0.1), tilt_angles_deg=(-1.0, 1.0)),
        conditions=(Condition(name="temperature", value=90, unit="degC"),),
        chirality=Chirality(anchors=("a",)),
    )

    assert Manifest.model_validate_json(full.model_dump_json()) == full


def test_every_sample_of_a_first_revision_is_new():
    assert changed_cells(None, BEFORE) == (EIGHT, SIXTEEN)


def test_nothing_changes_with_the_revision_and_notes_alone():
    after = BEFORE.model_copy(update={"revision": "r0002", "note": "checked", "operator": "N. N.", "fingerprint": "g"})

    assert changed_cells(BEFORE, after) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "1" * 64},
        {"acquisition": Acquisition(pixel_size_nm=0.1)},
        {"modality": "sem"},
        {"is_simulated": True},
    ],
)
def test_a_sample_changes_with_its_files(change):
    after = manifest(file("a.tif", "t0028800", **change), BEFORE.files[1])

    assert changed_cells(BEFORE, after) == (EIGHT,)


def test_a_sample_changes_with_its_own_conditions_and_those_of_the_batch():
    own = (Condition(name="temperature", value=95, unit="degC", aliquot="t0057600"),)
    of_batch = (Condition(name="temperature", value=95, unit="degC"),)

    assert changed_cells(BEFORE, BEFORE.model_copy(update={"conditions": own})) == (SIXTEEN,)
    assert changed_cells(BEFORE, BEFORE.model_copy(update={"conditions": of_batch})) == (EIGHT, SIXTEEN)
    assert changed_cells(BEFORE, BEFORE.model_copy(update={"material": "Pt"})) == (EIGHT, SIXTEEN)


def test_a_file_taken_away_changes_its_sample_unless_it_was_the_last():
    before = manifest(file("a.tif", "t0028800"), file("c.tif", "t0028800"), file("b.tif", "t0057600"))

    assert changed_cells(before, BEFORE) == (EIGHT,)
    assert changed_cells(BEFORE, manifest(BEFORE.files[0])) == ()
