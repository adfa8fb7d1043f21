import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.labels import check_drawn, read_label_image, read_particle_classes

LABELS = np.array([[0, 0, 1, 1], [0, 2, 2, 0], [3, 0, 0, 255]], dtype=np.uint8)


@pytest.mark.parametrize(
    "labels",
    [LABELS > 0, LABELS, (LABELS > 0).astype(np.uint8) * 255, LABELS.astype(np.uint16) * 200],
    ids=["bool", "classes", "mask", "instances"],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_numbers_come_as_they_are(labels, suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        Image.fromarray(labels).save(path)
    else:
        tifffile.imwrite(path, labels, compression="zlib")
    read = read_label_image(path)

    assert read.dtype.kind == "i"
    np.testing.assert_array_equal(read, labels.astype(int))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_palette_gives_its_indices(suffix, tmp_path):
    picture = Image.fromarray(LABELS, mode=None).convert("L")
    picture.putpalette([value for index in range(256) for value in ((index * 90) % 256, 255 - index, index)])
    picture.save(tmp_path / f"a.{suffix}")

    np.testing.assert_array_equal(read_label_image(tmp_path / f"a.{suffix}"), LABELS)


def test_colours_are_numbered_in_their_order_and_black_is_none(tmp_path):
    colours = np.array([[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]], np.uint8)
    numbers = np.array([[0, 1, 2], [3, 3, 0]])
    Image.fromarray(colours[numbers]).save(tmp_path / "a.png")

    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), numbers)


@given(n_colours=st.integers(2, 64), seed=st.integers(0, 2**32 - 1))
def test_a_picture_of_few_colours_keeps_which_pixels_are_alike(n_colours, seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    colours = np.column_stack([rng.permutation(256)[:n_colours], rng.integers(0, 256, (n_colours, 2))])
    numbers = rng.integers(0, n_colours, (8, 8))
    path = tmp_path_factory.getbasetemp() / "colours.png"
    Image.fromarray(colours[numbers].astype(np.uint8)).save(path)
    read = read_label_image(path)

    assert read.max() == len(np.unique(numbers)) - 1
    np.testing.assert_array_equal(read[:, :, None, None] == read, numbers[:, :, None, None] == numbers)


def test_grey_pictures_in_colour_keep_their_values(tmp_path):
    Image.fromarray(np.stack([LABELS] * 3, axis=-1)).save(tmp_path / "a.png")

    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), LABELS)


def test_photographs_are_no_labels(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(tmp_path / "a.png")

    with pytest.raises(Refusal, match="64 colours"):
        read_label_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (LABELS / 3, "not_a_label_image"),
        (LABELS.astype(np.int32) - 5, "not_a_label_image"),
        (np.full((4, 4), np.nan), "not_a_label_image"),
        (np.zeros((3, 4, 5), np.uint8), "not_a_label_image"),
    ],
)
def test_values_that_number_nothing_are_refused(values, reason, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")

    with pytest.raises(Refusal) as refused:
        read_label_image(tmp_path / "a.tif")
    assert (refused.value.reason, refused.value.file) == (reason, "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_damaged_labels_are_refused(suffix, share, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (64, 64)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    with pytest.raises(Refusal):
        read_label_image(path)


def test_a_real_label_of_an_expert_is_read(real_data):
    labels = read_label_image(real_data / "hrtem_au_patch" / "label.png")

    assert labels.shape == (512, 512)
    assert 0.02 < (labels > 0).mean() < 0.5


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", ["micrograph,particle,class", "Image,Label,Class", "file, particle_id, class_name"])
def test_a_table_of_classes_by_particle(separator, names, tmp_path):
    rows = [names, "8h/a.tif,1,faulted", "8h/a.tif,2, perfect", "8h/b.tif,7,faulted"]
    (tmp_path / "a.csv").write_text("\n".join(row.replace(",", separator) for row in rows), encoding="utf-8-sig")
    table = read_particle_classes(tmp_path / "a.csv")

    pd.testing.assert_frame_equal(
        table,
        pd.DataFrame(
            {
                "micrograph": ["8h/a.tif", "8h/a.tif", "8h/b.tif"],
                "class_name": ["faulted", "perfect", "faulted"],
                "label": [1, 2, 7],
            }
        ),
    )


def test_a_table_of_classes_by_place(tmp_path):
    (tmp_path / "a.csv").write_text("micrograph,row,col,class\na.tif,10.5,20,left\nb.tif,3,4,right\n")
    table = read_particle_classes(tmp_path / "a.csv")

    assert table[["row_px", "col_px"]].to_numpy().tolist() == [[10.5, 20.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("micrograph,class\na.tif,left\n", "missing_column"),
        ("micrograph,row,class\na.tif,1,left\n", "missing_column"),
        ("micrograph,file,particle,class\na.tif,a.tif,1,left\n", "missing_column"),
        ("micrograph,particle,class\na.tif,one,left\n", "bad_place"),
        ("micrograph,particle,class\na.tif,1.5,left\n", "bad_place"),
        ("micrograph,particle,class\na.tif,-1,left\n", "bad_place"),
        ("micrograph,row,col,class\na.tif,inf,1,left\n", "bad_place"),
        ("micrograph,particle,class\na.tif,1,\n", "incomplete_row"),
        ("micrograph,particle,class\n,1,left\n", "incomplete_row"),
        ("", "empty_file"),
        ("\0\0\0\0", "missing_column"),
    ],
)
def test_tables_that_name_no_particles_are_refused(text, reason, tmp_path):
    (tmp_path / "a.csv").write_text(text)

    with pytest.raises(Refusal) as refused:
        read_particle_classes(tmp_path / "a.csv")
    assert refused.value.reason == reason


@pytest.mark.parametrize("n_values", [1, 32, 1600])
def test_masks_of_few_values_or_of_whole_particles_are_masks(n_values):
    numbers = 1 + np.arange(1600).reshape(40, 40) % n_values
    spots = np.zeros((120, 120), dtype=np.int64)
    spots[::3, ::3] = numbers

    check_drawn(spots)


@pytest.mark.parametrize("smoothing_px", [0, 0.7])
def test_grey_levels_are_no_mask(rng, smoothing_px):
    micrograph = gaussian_filter(rng.normal(500, 100, (96, 96)), smoothing_px).astype(np.int64)

    with pytest.raises(Refusal) as refused:
        check_drawn(micrograph, "a.png")
    assert (refused.value.reason, refused.value.file) == ("not_a_mask", "a.png")
