"""Odd files and tables as colleagues send them, through the landing folder: taken in right or refused with a reason."""

import struct

import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.intake import accept_batch

YAML = "batch: odd\nfiles: [{path: '**/a*', modality: hrtem, pixel_size_nm: 0.5}]\n"
TILES = "batch: odd\nfiles: [{path: '*.tif', modality: sem, pixel_size_nm: 2, positions: t.csv}]\n"
IMAGE = (np.arange(32 * 40, dtype=np.uint8).reshape(32, 40) * 37) % 251


def enlarged(factor):
    return np.kron(IMAGE, np.ones((factor, factor), dtype=np.uint8))


def pyramid(folder):
    with tifffile.TiffWriter(folder / "a.tif", bigtiff=True) as writer:
        writer.write(enlarged(8), subifds=1, tile=(64, 64))
        writer.write(enlarged(4), subfiletype=1)


def two_sizes(folder):
    with tifffile.TiffWriter(folder / "a.tif") as writer:
        writer.write(enlarged(8))
        writer.write(enlarged(4))


def mrc_of_mode(mode):
    def write(folder):
        mrcfile.write(folder / "a.mrc", IMAGE.astype(np.int16))
        raw = bytearray((folder / "a.mrc").read_bytes())
        struct.pack_into("<i", raw, 12, mode)
        (folder / "a.mrc").write_bytes(raw)

    return write


def tif(name="a.tif", pixels: np.ndarray = IMAGE, **how):
    def write(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(folder / name, pixels, **how)

    return write


def turned_jpeg(folder):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(IMAGE).save(folder / "a.jpg", exif=exif)


def take_in(home, write, text=YAML):
    folder = home.landing / "odd"
    folder.mkdir()
    write(folder)
    (folder / "batch.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return accept_batch(home, folder).manifest


@pytest.mark.parametrize(
    ("write", "shape"),
    [
        (pyramid, (256, 320)),
        (tif(compression="zlib", predictor=True), (32, 40)),
        (tif(photometric="miniswhite"), (32, 40)),
        (tif(pixels=IMAGE > 100), (32, 40)),
        (tif(pixels=IMAGE.astype(float)), (32, 40)),
        (tif("a.tif/a.tif"), (32, 40)),
        (tif("a%20b #1.tif"), (32, 40)),
        (lambda folder: Image.fromarray(IMAGE).convert("P").save(folder / "a.png"), (32, 40)),
    ],
)
def test_what_is_odd_but_clear_is_taken_in(home, write, shape):
    (file,) = take_in(home, write).files

    assert file.shape == shape


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (two_sizes, "of different shapes"),
        (tif(pixels=IMAGE.astype(np.complex64)), "a Fourier transform or a wave"),
        (tif(extratags=[(274, "H", 1, 3, True)]), "Orientation 3"),
        (turned_jpeg, "Exif orientation 6"),
        (mrc_of_mode(101), "mode 101"),
        (mrc_of_mode(16), "bytes of pixels"),
        (mrc_of_mode(-5), "mode -5"),
        (lambda folder: (folder / "a.tif").touch(), "a file with bytes"),
        (lambda folder: (folder / "a.tif").mkdir(), "none in the folder"),
        (tif("a\n\x1b[2J.tif"), r"first, a\\n\\x1b\[2J.tif: "),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(home, write, expected):
    with pytest.raises(Refusal, match=expected):
        take_in(home, write)


@pytest.mark.parametrize("text", [YAML.replace("\n", "\r\n"), "\ufeff" + YAML, YAML.replace(": odd", ":\todd")])
def test_ends_of_lines_and_byte_order_marks_of_other_systems_do_not_matter(home, text):
    assert len(take_in(home, tif(), text).files) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (YAML.encode("utf-16"), "save it as UTF-8"),
        (b"", "got nothing"),
        (b"batch: odd\nfiles:\n\t- {path: a.tif, modality: hrtem}\n", "spaces, not tabs"),
        (YAML.replace("0.5", "0x10").encode(), "'0x10'"),
        (YAML.replace("0.5", "1:30").encode(), "'1:30'"),
        (YAML.replace("0.5", "0.5 nm").encode(), "'0.5 nm'"),
        (b"batch: other\n" + YAML.encode(), "expected 'batch' once"),
    ],
)
def test_a_batch_yaml_that_can_be_misread_is_refused(home, text, expected):
    with pytest.raises(Refusal, match=expected):
        take_in(home, tif(), text)


@pytest.mark.parametrize(
    "table",
    [
        "\ufefffile,x_um,y_um\r\na.tif,1,2.5\r\n",
        "file;x_um;y_um\na.tif;1,0000;2,5\n",
        "file,x_um,y_um\ra.tif,1,2.5\r",
        "File name, Stage X (µm), Stage Y (µm)\na.tif, 1, 2.5\n",
        "file\tx_nm\ty_nm\na.tif\t1000\t2500\n",
    ],
)
def test_tables_of_positions_as_programs_write_them_are_read(home, table):
    def write(folder):
        tif()(folder)
        (folder / "t.csv").write_bytes(table.encode())

    (file,) = take_in(home, write, TILES).files
    assert file.map_place is not None
    assert (file.map_place.x_nm, file.map_place.y_nm) == pytest.approx((1000, -2500))


def test_an_empty_table_of_positions_is_refused(home):
    with pytest.raises(Refusal, match="an empty file"):
        take_in(home, lambda folder: (tif()(folder), (folder / "t.csv").write_bytes(b"\xef\xbb\xbf")), TILES)
