import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.corrections import (
    SAID_ALREADY,
    add_correction,
    add_corrections_of,
    correction_rows,
    count_corrections,
    existing_cells,
    idle_corrections,
    landed_corrections,
    manifest_in_force,
    mask_path,
    read_corrections,
    renamed_source,
    unfinished_renames,
)
from nanodefect_assets.stores.files import sha256_of
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.revisions import current_manifest, raw_path

YAML = """\
batch: pd-1
files:
  - {path: "1h/*.tif", modality: hrtem, aliquot: 1 h, pixel_size_nm: 0.1}
  - {path: "8h/*.tif", modality: hrtem, aliquot: 8 h, pixel_size_nm: 0.1}
"""

WHO = {"reason": "seen to be wrong", "author": "A. Person"}


@pytest.fixture
def batch(home, tmp_path, rng):
    folder = tmp_path / "pd-1"
    for name in ("1h/a.tif", "1h/b.tif", "8h/a.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, rng.poisson(9, (16, 16)).astype(np.uint8))
    (folder / "batch.yaml").write_text(YAML)
    accept_batch(home, folder)
    return folder


@pytest.fixture
def sheet(home, batch):
    def write(text):
        path = home.landing / "pd-1.corrections.yaml"
        path.write_text(text)
        return path

    return write


def paths(home, batch="pd-1"):
    return [file.path for file in manifest_in_force(home, batch).files]


def test_a_veto_leaves_the_other_files_and_the_originals(home, batch):
    before = current_manifest(home, "pd-1")

    add_correction(home, "pd-1", kind="veto", target="1h/a.tif", **WHO)

    assert paths(home) == ["1h/b.tif", "8h/a.tif"]
    assert current_manifest(home, "pd-1") == before
    assert all(raw_path(home, before, file).is_file() for file in before.files)


def test_an_aliquot_without_files_is_no_sample(home, batch):
    add_correction(home, "pd-1", kind="veto", target="8h/*", **WHO)

    assert [place.sample for place in existing_cells(home)] == ["pd-1/t0003600"]


def test_a_corrected_batch_that_comes_again_stays_corrected(home, batch):
    add_correction(home, "pd-1", kind="veto", target="1h/a.tif", **WHO)
    (batch / "batch.yaml").write_text(YAML + "note: a new revision\n")

    accept_batch(home, batch)

    assert current_manifest(home, "pd-1").revision == "r0002"
    assert paths(home) == ["1h/b.tif", "8h/a.tif"]


def test_history_is_kept_and_numbered(home, batch):
    add_correction(home, "pd-1", kind="calibration", target="1h/a.tif", value="0.2", **WHO)
    add_correction(home, "pd-1", kind="calibration", target="1h/a.tif", value="0.3", **WHO)

    rows = correction_rows(home)

    assert rows["number"].tolist() == [1, 2]
    assert rows["value"].tolist() == ["0.2", "0.3"]
    assert rows["is_in_force"].tolist() == [False, True]
    assert count_corrections(home) == {"pd-1": 2}


def test_a_mask_is_kept_with_the_corrections(home, batch, tmp_path):
    drawn = tmp_path / "mine.png"
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(drawn)

    add_correction(home, "pd-1", kind="mask", target="1h/a.tif", mask=drawn, **WHO)
    kept = sha256_of(drawn)
    drawn.unlink()

    file = next(file for file in manifest_in_force(home, "pd-1").files if file.path == "1h/a.tif")
    assert sha256_of(mask_path(home, "pd-1", file)) == kept


def test_what_is_no_mask_is_refused_and_nothing_is_recorded(home, batch, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")

    with pytest.raises(Refusal):
        add_correction(home, "pd-1", kind="mask", target="1h/a.tif", mask=bad, **WHO)

    assert read_corrections(home, "pd-1") == ()


def test_a_renamed_batch_goes_on_under_its_new_id(home, batch):
    add_correction(home, "pd-1", kind="veto", target="1h/a.tif", **WHO)
    add_correction(home, "pd-1", kind="calibration", target="8h/*.tif", value="0.3", **WHO)
    before = manifest_in_force(home, "pd-1")

    add_correction(home, "pd-1", kind="rename", value="pd-2", **WHO)
    assert existing_cells(home) == []
    assert unfinished_renames(home) == {"pd-1": "pd-2"}
    for _ in range(2):  # interrupted after the first, done again
        accept_batch(home, renamed_source(home, "pd-1", "pd-2"))

    after = manifest_in_force(home, "pd-2")
    assert [(file.path, file.sha256) for file in after.files] == [(file.path, file.sha256) for file in before.files]
    assert [file.acquisition for file in after.files] == [file.acquisition for file in before.files]
    assert all(sha256_of(raw_path(home, after, file)) == file.sha256 for file in after.files)
    assert {place.batch for place in existing_cells(home)} == {"pd-2"}
    assert unfinished_renames(home) == {}


@pytest.mark.parametrize("kind", ["reinstate", "retract"])
def test_a_renamed_batch_is_corrected_under_its_new_id_only(home, batch, kind):
    add_correction(home, "pd-1", kind="rename", value="pd-2", **WHO)

    with pytest.raises(Refusal, match="Correct pd-2"):
        add_correction(home, "pd-1", kind=kind, **WHO)


def test_a_mask_of_another_shape_is_refused(home, batch, tmp_path):
    Image.fromarray(np.eye(15, dtype=np.uint8)).save(tmp_path / "mine.png")

    with pytest.raises(Refusal, match="shape"):
        add_correction(home, "pd-1", kind="mask", target="1h/a.tif", mask=tmp_path / "mine.png", **WHO)


def test_a_file_whose_name_looks_like_a_pattern_can_be_named(home, tmp_path, rng):
    folder = tmp_path / "pd-3"
    folder.mkdir()
    for name in ("img[1].tif", "img1.tif"):
        tifffile.imwrite(folder / name, rng.poisson(9, (16, 16)).astype(np.uint8))
    spec = "batch: pd-3\nfiles:\n  - {path: '*.tif', modality: hrtem, pixel_size_nm: 0.1}\n"
    (folder / "batch.yaml").write_text(spec)
    accept_batch(home, folder)

    add_correction(home, "pd-3", kind="veto", target="img[1].tif", **WHO)

    assert paths(home, "pd-3") == ["img1.tif"]


@pytest.mark.parametrize("value", ["pd-1", "../x", "PD"])
def test_a_rename_to_what_is_taken_or_no_key_is_refused(home, batch, value):
    with pytest.raises(Refusal):
        add_correction(home, "pd-1", kind="rename", value=value, **WHO)

    assert read_corrections(home, "pd-1") == ()


def test_a_batch_that_was_never_accepted_cannot_be_corrected(home):
    with pytest.raises(Refusal, match="a batch that was accepted"):
        add_correction(home, "pd-9", kind="retract", **WHO)


def test_a_correction_that_fits_nothing_any_more_is_told(home, batch):
    add_correction(home, "pd-1", kind="veto", target="8h/a.tif", **WHO)
    (batch / "8h" / "a.tif").unlink()
    (batch / "batch.yaml").write_text("\n".join(YAML.splitlines()[:-1]))
    accept_batch(home, batch)

    assert idle_corrections(home) == {"pd-1": [1]}


SHEET = """\
batch: pd-1
author: A. Person
corrections:
  - {kind: veto, target: 1h/a.tif, reason: drifted}
  - {kind: calibration, target: "8h/*.tif", value: 0.25, reason: replica measured, author: B. Person}
"""


def test_a_dropped_file_of_corrections_counts_once(home, batch, sheet):
    path = sheet(SHEET)
    assert landed_corrections(home) == [path]

    name, added = add_corrections_of(home, path)
    again = add_corrections_of(home, path)

    assert (name, len(added), again) == ("pd-1", 2, ("pd-1", ()))
    assert [entry.author for entry in read_corrections(home, "pd-1")] == ["A. Person", "B. Person"]
    sizes = {file.path: file.acquisition.pixel_size_nm for file in manifest_in_force(home, "pd-1").files}
    assert sizes == {"1h/b.tif": 0.1, "8h/a.tif": 0.25}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch: pd-1\nauthor: A\ncorrections:\n  - {kind: burn, reason: why not}\n", "line 4"),
        ("batch: pd-1\ncorrections:\n  - {kind: retract, reason: because}\n", "author"),
        ("batch: pd-1\nauthor: A\ncorrections: []\n", "corrections"),
        ("a: &a [*a]\n", "anchors"),
        (
            "batch: pd-1\nauthor: A\ncorrections:\n  - {kind: mask, target: 1h/a.tif, mask: ../x.png, reason: drawn}\n",
            "x.png",
        ),
    ],
)
def test_a_file_of_corrections_that_is_wrong_says_where(home, batch, sheet, text, told):
    with pytest.raises(Refusal, match=told):
        add_corrections_of(home, sheet(text))

    assert read_corrections(home, "pd-1") == ()


def test_what_holds_already_is_refused_and_not_recorded(home, batch):
    add_correction(home, "pd-1", kind="veto", target="1h/a.tif", **WHO)

    with pytest.raises(Refusal, match="since correction 1") as refused:
        add_correction(home, "pd-1", kind="veto", target="1h/a.tif", **WHO)
    assert refused.value.reason == SAID_ALREADY
    assert len(read_corrections(home, "pd-1")) == 1


def test_the_same_mask_again_is_known_by_its_bytes(home, batch, tmp_path):
    for name, mask in (("mine.png", np.eye(16)), ("copy.png", np.eye(16)), ("other.png", np.eye(16)[::-1])):
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / name)
    add_correction(home, "pd-1", kind="mask", target="1h/a.tif", mask=tmp_path / "mine.png", **WHO)

    with pytest.raises(Refusal, match="since correction 1"):
        add_correction(home, "pd-1", kind="mask", target="1h/a.tif", mask=tmp_path / "copy.png", **WHO)
    add_correction(home, "pd-1", kind="mask", target="1h/a.tif", mask=tmp_path / "other.png", **WHO)


def test_a_file_of_corrections_can_be_dropped_again_with_a_line_more(home, batch, sheet):
    add_corrections_of(home, sheet(SHEET))
    _, added = add_corrections_of(home, sheet(SHEET + "  - {kind: retract, reason: contaminated}\n"))

    assert [entry.kind for entry in added] == ["retract"]
    assert len(read_corrections(home, "pd-1")) == 3


def test_a_micrograph_is_no_mask(home, tmp_path, rng):
    folder = tmp_path / "pd-2"
    folder.mkdir()
    image = rng.poisson(90, (64, 64)).astype(np.uint8)
    tifffile.imwrite(folder / "a.tif", image)
    tifffile.imwrite(tmp_path / "a.tif", image)
    (folder / "batch.yaml").write_text("batch: pd-2\nfiles: [{path: a.tif, modality: hrtem, pixel_size_nm: 0.1}]\n")
    accept_batch(home, folder)

    with pytest.raises(Refusal, match="grey levels"):
        add_correction(home, "pd-2", kind="mask", target="a.tif", mask=tmp_path / "a.tif", **WHO)
    assert read_corrections(home, "pd-2") == ()


def test_coordinates_take_no_pixel_size(home):
    folder = home.landing / "xyz-1"
    folder.mkdir()
    (folder / "a.xyz").write_text("2\n\nPd 0 0 0\nPd 0 0 2.8\n")
    (folder / "batch.yaml").write_text("batch: xyz-1\nfiles: [{path: a.xyz, modality: coordinates}]\n")
    accept_batch(home, folder)

    with pytest.raises(Refusal, match="Write its length_unit"):
        add_correction(home, "xyz-1", kind="calibration", target="a.xyz", value="0.1", reason="measured", author="A")


def test_a_reason_that_is_too_short_is_told_without_words_of_a_program(home, batch):
    with pytest.raises(Refusal, match="reason: 'no', which has fewer than 3 characters"):
        add_correction(home, batch.name, kind="retract", reason="no", author="A")
