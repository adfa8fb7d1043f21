import numpy as np
import pytest
import zarr

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.patches import PatchSource
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.patch_sets import PatchSetReader, PatchSetWriter
from nanodefect_assets.stores.simulated_fields import SimulatedFields

RECIPE = Recipe(name="percentile", params={"clip": 1.0})
SOURCE = PatchSource(material="Au", dose_e_per_nm2=4e4)


def patches(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, 16, 16), dtype=np.float32), rng.integers(0, 2, (n, 16, 16), dtype=np.uint8)


def write(folder, **given):
    writer = PatchSetWriter(folder, patch_px=16, class_names=("support", "particle"), normalisation=RECIPE)
    for name, (side, images, classes) in given.items():
        writer.add(side, name, images, classes, pixel_size_nm=None if name == "b" else 0.05, source=SOURCE)
    return writer.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "patches.zarr"


def test_what_is_written_bit_by_bit_is_read_whole_and_in_blocks(folder):
    first, second = patches(5, 1), patches(14, 2)
    fingerprints = write(folder, a=("train", *first), b=("train", *second), c=("test", *patches(1, 3)))

    reader = PatchSetReader(folder)
    train = reader.read("train")

    assert np.array_equal(train.images, np.concatenate([first[0], second[0]]))
    assert np.array_equal(train.classes, np.concatenate([first[1], second[1]]))
    assert train.group.tolist() == [0] * 5 + [1] * 14
    assert np.isnan(train.pixel_size_nm).tolist() == [False] * 5 + [True] * 14
    assert (train.sources, train.normalisation) == ((SOURCE, SOURCE), RECIPE)
    assert train.fingerprint == fingerprints["train"] == reader.fingerprint("train")
    assert np.array_equal(np.concatenate([block.images for block in reader.blocks("train")]), train.images)
    assert [reader.n_patches(side) for side in ("train", "validation", "test")] == [19, 0, 1]


def test_a_micrograph_cannot_be_put_on_two_sides(folder):
    writer = PatchSetWriter(folder, patch_px=16, class_names=("support", "particle"), normalisation=RECIPE)
    writer.add("train", "a", *patches(1), pixel_size_nm=None, source=SOURCE)

    with pytest.raises(ValueError, match="in train already"):
        writer.add("test", "a", *patches(1), pixel_size_nm=None, source=SOURCE)


def test_the_same_pixels_on_two_sides_are_found_under_whatever_name(folder):
    write(folder, a=("train", *patches(9, 1)), c=("test", *patches(9, 1)), d=("validation", *patches(3, 2)))

    assert PatchSetReader(folder).shared_patches() == ["c of test and a of train"]


def test_a_class_that_no_pixel_has_is_named(folder):
    images, classes = patches(2)
    write(folder, a=("train", images, np.zeros_like(classes)), c=("test", images, classes))

    reader = PatchSetReader(folder)

    assert reader.missing_classes("train") == ["particle"]
    assert reader.missing_classes("test") == []


def test_damaged_patches_are_not_trained_on(folder):
    write(folder, a=("train", *patches(3)))
    zarr.open_group(folder, mode="r+")["train/classes"][1] = 0

    with pytest.raises(Refusal, match="training_set again"):
        PatchSetReader(folder).read("train")


def test_another_version_is_refused(folder):
    write(folder, a=("train", *patches(1)))
    zarr.open_group(folder, mode="r+").attrs["version"] = 2

    with pytest.raises(ValueError, match="version 1"):
        PatchSetReader(folder)


# Simulated fields that are kept


@pytest.fixture
def kept(home):
    fields = SimulatedFields(home)
    path = fields.path_of({"seed": 1})
    counts = np.arange(12, dtype=np.float32).reshape(3, 4)
    micrograph = Micrograph(
        micrograph_id="a/end/a", counts=counts, pixel_size_nm=0.05, modality="hrtem", is_simulated=True
    )
    fields.keep(path, LabelledMicrograph(micrograph=micrograph, labels=(counts > 4).astype(np.int32)))
    return fields, path


def test_a_kept_field_comes_back(kept):
    fields, path = kept

    found = fields.read(path, "a/end/b")

    assert found.micrograph.micrograph_id == "a/end/b"
    assert np.array_equal(found.labels, found.micrograph.counts > 4)
    assert found.micrograph.is_simulated
    assert fields.read(fields.path_of({"seed": 2}), "a/end/b") is None


def test_a_damaged_field_is_as_good_as_none(kept):
    fields, path = kept
    content = path.read_bytes()

    for damaged in (content[:100], b"", content[:60] + b"\xff\xff\xff" + content[63:]):
        path.write_bytes(damaged)
        assert fields.read(path, "a/end/b") is None


def test_fields_go_a_month_after_their_last_use(kept):
    fields, path = kept
    used_s = path.stat().st_mtime

    assert fields.remove_unused(now_s=used_s + 20 * 86400) == 0
    assert fields.remove_unused(now_s=used_s + 40 * 86400) == 1
    assert not path.exists()
