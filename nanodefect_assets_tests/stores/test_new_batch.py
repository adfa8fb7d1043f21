import mrcfile
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nanodefect_assets.domain.batch_spec import FileEntry
from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.batch_yaml import parse_batch_yaml
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.landing import survey
from nanodefect_assets.stores.new_batch import draft_batch_yaml, why_left_out, write_draft
from nanodefect_assets.stores.probing import probe_entry


@pytest.fixture
def folder(tmp_path, rng):
    made = tmp_path / "Pd growth #1"
    image = rng.integers(0, 1000, (32, 24)).astype("uint16")
    for path in ("8h/a.tif", "8h/b.tif", "t0057600/c.tif", "SEM/end/d.tif", "45 s [new]/e.tif"):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(made / path, image)
    tifffile.imwrite(made / "8h" / "z.tif", image, imagej=True, resolution=(50, 50), metadata={"unit": "nm"})
    Image.fromarray((image > 500).astype("uint8")).save(made / "8h" / "a.png")
    with mrcfile.new(made / "series.mrc", data=np.stack([image] * 3).astype("int16")) as file:
        file.voxel_size = 2.0
    (made / "series.rawtlt").write_text("-60\n0\n60\n")
    (made / "notes.txt").write_text("hello")
    return made


def entries(text):
    return {entry.path: entry for entry in parse_batch_yaml(text).files}


def test_a_draft_says_what_names_and_metadata_say(folder):
    found = entries(draft_batch_yaml(folder))

    assert {path: (entry.modality, entry.aliquot, entry.uncalibrated) for path, entry in found.items()} == {
        "8h/*.tif": ("hrtem", "t0028800", True),
        "8h/z.tif": ("hrtem", "t0028800", False),
        "8h/a.png": ("labels", "t0028800", False),
        "t0057600/c.tif": ("hrtem", "t0057600", True),
        "SEM/end/d.tif": ("sem", "end", True),
        "45 s [[]new]/e.tif": ("hrtem", "t0000045", True),
        "series.mrc": ("tilt_series", None, False),
    }


def test_a_draft_is_accepted_as_it_is(home, folder):
    assert write_draft(folder) == folder / "batch.yaml"
    taken = accept_batch(home, folder)

    assert taken.manifest.batch == "pd-growth-1"
    assert [file.path for file in taken.refused] == ["notes.txt"]
    assert len(taken.manifest.files) == 8


def test_a_draft_names_what_it_leaves_out_and_the_sizes_found(folder):
    text = draft_batch_yaml(folder)

    assert "# left out: notes.txt (" in text
    assert "# pixel_size_nm: 0.02, from the files themselves" in text
    assert "instead pixel_size_nm:" in text


def test_nothing_is_ever_overwritten(folder):
    (folder / "batch.yaml").write_text("mine")

    with pytest.raises(Refusal, match=r"without batch.yaml"):
        write_draft(folder)
    assert (folder / "batch.yaml").read_text() == "mine"


def test_drafting_writes_nothing(folder):
    before = survey(folder)
    draft_batch_yaml(folder)

    assert survey(folder) == before


@pytest.mark.parametrize(("batch", "expected"), [("pd-9", "pd-9"), (None, "pd-growth-1")])
def test_the_batch_is_named_after_its_folder_unless_said(folder, batch, expected):
    assert parse_batch_yaml(draft_batch_yaml(folder, batch)).batch == expected


def test_a_bad_batch_id_is_refused(folder):
    with pytest.raises(Refusal, match="batch id"):
        draft_batch_yaml(folder, "Pd 9")


def test_a_folder_without_anything_readable_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(Refusal, match=r"notes.txt"):
        draft_batch_yaml(tmp_path)


def probe(path, entry):
    size_nm = 0.1 if len(path.name) % 2 else None
    return RawFacts(format="", kind="image", shape=(4, 3), dtype="", acquisition=Acquisition(pixel_size_nm=size_nm))


PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda part: part not in (".", "..")
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PARTS, PARTS), min_size=1, max_size=5, unique=True))
def test_whatever_the_names_a_draft_is_valid_and_declares_every_file_once(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("x") / "pd"
    for parent, name in names:
        (folder / parent).mkdir(parents=True, exist_ok=True)
        (folder / parent / f"{name}.tif").write_text("")
    try:
        text = draft_batch_yaml(folder, probe=probe)
    except Refusal as refusal:
        assert refusal.reason == "nothing_to_describe"  # noqa: PT017
        return
    spec = parse_batch_yaml(text)

    for file in survey(folder).files:
        if f"# left out: {file.path!r}" not in text and not file.is_hidden:
            assert spec.entry_for(file.path) is not None


def test_a_draft_names_every_pixel_size_of_an_entry(tmp_path, rng):
    image = rng.integers(0, 1000, (8, 8)).astype("uint16")
    for name, per_nm in (("a", 50), ("b", 50), ("c", 2)):
        resolution = (per_nm, per_nm)
        tifffile.imwrite(tmp_path / f"{name}.tif", image, imagej=True, resolution=resolution, metadata={"unit": "nm"})

    assert "# pixel_size_nm: 0.02 (2 of 3), 0.5 (1 of 3), from" in draft_batch_yaml(tmp_path)


def test_a_draft_takes_what_was_scanned_for_hrstem(tmp_path):
    (tmp_path / "a_1.ser").write_text("")
    facts = RawFacts(format="SER (STEM)", kind="image", shape=(8, 8), dtype="uint16")

    assert entries(draft_batch_yaml(tmp_path, probe=lambda path, entry: facts))["a_1.ser"].modality == "hrstem"


def test_labels_get_the_aliquot_of_their_image(tmp_path):
    for name in ("8h/a.tif", "9h/b.tif"):
        (tmp_path / name).parent.mkdir()
        tifffile.imwrite(tmp_path / name, np.arange(64, dtype=np.uint16).reshape(8, 8))
    (tmp_path / "labels").mkdir()
    tifffile.imwrite(tmp_path / "labels" / "a_mask.tif", np.eye(8, dtype=np.uint8))

    spec = parse_batch_yaml(draft_batch_yaml(tmp_path, "pd-1"))

    assert spec.aliquot_of(spec.entry_for("labels/a_mask.tif")) == "t0028800"


def test_a_label_without_a_name_of_its_own_is_that_of_the_only_image(tmp_path, rng):
    image = rng.integers(0, 255, (16, 24)).astype("uint8")
    tifffile.imwrite(tmp_path / "image.tif", image)
    tifffile.imwrite(tmp_path / "label.tif", (image > 200).astype("uint8"))
    entries = {entry.path: entry for entry in parse_batch_yaml(draft_batch_yaml(tmp_path)).files}

    assert (entries["label.tif"].modality, entries["label.tif"].label_of) == ("labels", "image.tif")


def test_a_reason_that_many_files_share_is_said_once_in_a_draft(tmp_path, rng):
    tifffile.imwrite(tmp_path / "image.tif", rng.integers(0, 255, (16, 24)).astype("uint8"))
    for name in ("a.json", "b.npz", "c.txt"):
        (tmp_path / name).write_text("words")
    text = draft_batch_yaml(tmp_path)

    assert "# left out: 3 files (in no format of images or coordinates that is known):" in text
    assert all(f"#   {name}" in text for name in ("a.json", "b.npz", "c.txt"))


@pytest.mark.parametrize(
    ("spacing", "line"),
    [("0.28", "length_unit: nm  #"), ("8.0", 'length_unit: "??? angstrom"  #')],
    ids=["nm", "voxels"],
)
def test_the_unit_of_coordinates_is_offered_and_a_voxel_is_no_number_to_be_left_unread(tmp_path, spacing, line):
    (tmp_path / "8h").mkdir()
    (tmp_path / "8h" / "a.xyz").write_text(f"2\n\nPd 0 0 0\nPd 0 0 {spacing}\n")
    text = draft_batch_yaml(tmp_path, "pd-1")
    offered = text.split("  # - path")[1]

    assert line in offered
    assert "aliquot: 8 h" in offered
    uncommented = text.replace("  # - path", "  - path").replace("  #   ", "    ")
    if "???" in line:
        with pytest.raises(Refusal, match="the length of one unit"):
            parse_batch_yaml(uncommented)
    else:
        (entry,) = parse_batch_yaml(uncommented).files
        assert (entry.path, entry.length_unit, entry.aliquot) == ("8h/a.xyz", "nm", "t0028800")


def test_a_draft_whose_entries_are_all_comments_says_what_to_do_with_them(tmp_path):
    (tmp_path / "a.xyz").write_text("2\n\nPd 0 0 0\nPd 0 0 8\n")

    with pytest.raises(Refusal, match="take the # off a line below it"):
        parse_batch_yaml(draft_batch_yaml(tmp_path, "pd-1"))


def test_a_file_of_the_wrong_ending_is_told_the_right_one(tmp_path):
    Image.fromarray(np.eye(8, dtype="uint8")).save(tmp_path / "a.tif", format="PNG")

    assert "Let the name end in .png" in why_left_out(tmp_path, "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_colours_are_seen_at_the_door_and_equal_ones_pass(name, mode, tmp_path, rng):
    levels = rng.integers(0, 99, (8, 8), dtype="uint8")
    for folder, green in (("coloured", levels + 50), ("grey", levels)):
        (tmp_path / folder).mkdir()
        picture = Image.fromarray(np.stack([levels, green, levels], axis=-1))
        picture.convert(mode).save(tmp_path / folder / name)
    entry = FileEntry(path=name, modality="hrtem")

    with pytest.raises(Refusal, match="red, green and blue differ"):
        probe_entry(tmp_path / "coloured" / name, entry)
    if mode == "RGB":
        assert probe_entry(tmp_path / "grey" / name, entry).shape == (8, 8)
