"""Damaged and hostile files: always a refusal with a reason, never another exception, never much memory or time."""

import os
import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames, read_image

NAMES = [
    "a.tif",
    "a.mrc",
    "a.dm3",
    "a.dm4",
    "velox.emd",
    "berkeley.emd",
    "a.hspy",
    "a_1.ser",
    "a.png",
    "a.jpg",
    "a.xyz",
]
MUTATIONS = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(b"")),
    st.tuples(st.just("put"), st.floats(0, 1), st.binary(min_size=1, max_size=16)),
    st.tuples(st.just("put"), st.floats(0, 0.2), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f" + b"\xff" * 3])),
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 7).map(lambda bit: bytes([1 << bit]))),
)
"""What is done, where in the file, and with which bytes."""


def mutate(raw, mutations):
    content = bytearray(raw)
    for kind, where, value in mutations:
        at = min(int(where * len(content)), max(len(content) - 1, 0))
        if kind == "cut":
            del content[at:]
        elif kind == "put":
            content[at : at + len(value)] = value
        elif content:
            content[at] ^= value[0]
    return bytes(content)


def read_or_refuse(path):
    """Read a file to its end; return the reason if it is refused, in words."""
    try:
        if probe_file(path).kind != "coordinates":
            for _ in read_frames(path):
                pass
    except Refusal as refusal:
        said = {"file": refusal.file, "expected": refusal.expected, "got": refusal.got}
        return refusal.reason if all(said.values()) else f"a refusal without words: {said}"
    return "read"


def check_mutations(name, mutations, samples, folder):
    path = folder / name
    path.write_bytes(mutate((samples / name).read_bytes(), mutations))
    assert "without words" not in read_or_refuse(path)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(NAMES), mutations=st.lists(MUTATIONS, min_size=1, max_size=3))
def test_damaged_files_are_read_or_refused(name, mutations, samples, tmp_path_factory):
    check_mutations(name, mutations, samples, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutations=st.lists(MUTATIONS, min_size=1, max_size=4))
def test_many_damaged_files_are_read_or_refused(name, mutations, samples, tmp_path_factory):
    check_mutations(name, mutations, samples, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_of_real_instruments_are_read_or_refused(seed, native_formats, tmp_path):
    rng = np.random.default_rng(seed)
    small = [path for path in native_formats.rglob("*") if path.is_file() and path.stat().st_size < 800_000]
    images = [
        path for path in sorted(small) if path.suffix in (".dm3", ".dm4", ".mrc", ".emd", ".ser", ".tif", ".hspy")
    ]
    for path in images:
        raw = path.read_bytes()
        for _ in range(25):
            where = float(rng.uniform(0, rng.choice([1.0, 0.02])))
            kind = str(rng.choice(["cut", "put", "flip"]))
            damaged = tmp_path / f"damaged{path.suffix}"
            damaged.write_bytes(mutate(raw, [(kind, where, rng.bytes(1 if kind == "flip" else 8))]))
            assert "without words" not in read_or_refuse(damaged)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a.jpg"])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_truncated_file_is_refused(name, share, samples, tmp_path):
    raw = (samples / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: max(1, int(share * len(raw)))])

    assert read_or_refuse(tmp_path / name) != "read"


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith((".dm3", ".dm4", ".emd", ".ser"))])
def test_half_a_file_is_told_to_be_cut_off(name, samples, tmp_path):
    raw = (samples / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: len(raw) // 2])

    assert read_or_refuse(tmp_path / name) == "truncated_file"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_the_ending_of_another_format_is_refused(name, samples, tmp_path):
    other = "b.tif" if name != "a.tif" else "b.mrc"
    (tmp_path / other).write_bytes((samples / name).read_bytes())

    assert read_or_refuse(tmp_path / other) in ("wrong_ending", "damaged_header")


@pytest.mark.parametrize(
    "suffix", [".tif", ".mrc", ".dm3", ".dm4", ".emd", ".hspy", ".ser", ".emi", ".png", ".jpg", ".xyz"]
)
@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 4096, b"text\n", b"\xff" * 4096])
def test_rubbish_is_refused(suffix, content, tmp_path):
    (tmp_path / f"a{suffix}").write_bytes(content)

    assert read_or_refuse(tmp_path / f"a{suffix}") != "read"


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "no_ending", "a.exe", "a.TIFF"])
def test_a_folder_and_a_missing_file_are_refused(name, tmp_path):
    assert read_or_refuse(tmp_path / name) == "missing_file"
    (tmp_path / name).mkdir()
    assert read_or_refuse(tmp_path / name) == "not_a_file"


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.tif")

    assert read_or_refuse(tmp_path / "a.tif") == "not_a_file"


def test_a_file_of_no_known_ending_is_refused_with_what_is_known(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"PK")

    with pytest.raises(Refusal, match=r"\bdm4\b"):
        probe_file(tmp_path / "a.docx")


def test_an_unreadable_file_is_refused(samples, tmp_path, monkeypatch):
    """As root every file is readable, so the refusal of the system is played."""
    path = tmp_path / "a.tif"
    path.write_bytes((samples / "a.tif").read_bytes())
    monkeypatch.setattr(type(path), "open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")))

    assert read_or_refuse(path) == "unreadable_file"


@pytest.mark.parametrize("ending", ["A.TIF", "Ångström µ 日本.tif", "with  spaces .tif", "x" * 240 + ".tif"])
def test_odd_names_are_no_trouble(ending, samples, tmp_path):
    (tmp_path / ending).write_bytes((samples / "a.tif").read_bytes())

    assert read_or_refuse(tmp_path / ending) == "read"


def _png_bomb(path, n_rows, n_cols):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", n_cols, n_rows, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def _tiff_bomb(path, n_rows, n_cols):
    """Write a page of which one packed strip is shared by all rows."""
    tifffile.imwrite(path, np.zeros((1, 16), np.uint8), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["ImageLength"].overwrite(n_rows)
        tiff.pages[0].tags["ImageWidth"].overwrite(n_cols)


def _hdf5_bomb(path, n_rows, n_cols):
    with h5py.File(path, "w") as file:
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", shape=(n_rows, n_cols), dtype="u2", chunks=(1024, 1024), compression="gzip")
        for index in (1, 2):
            group[f"dim{index}"] = np.arange(2.0)


@pytest.mark.parametrize(("name", "write_bomb"), [("a.png", _png_bomb), ("a.tif", _tiff_bomb), ("a.emd", _hdf5_bomb)])
@pytest.mark.parametrize("size", [(16000, 16000), (60000, 60000)])
def test_decompression_bombs_are_refused_before_they_are_unpacked(name, write_bomb, size, tmp_path):
    write_bomb(tmp_path / name, *size)
    tracemalloc.start()
    reason = read_or_refuse(tmp_path / name)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert reason in ("decompression_bomb", "absurd_dimensions", "truncated_file")
    assert peak_bytes < 32 * 2**20


def test_pixels_in_another_file_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(108)))
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", (6, 9), "u2", external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)])
        group["dim1"], group["dim2"] = np.arange(6.0), np.arange(9.0)

    assert read_or_refuse(tmp_path / "a.emd") == "foreign_link"


def test_a_link_to_another_file_is_refused(samples, tmp_path):
    (tmp_path / "other.emd").write_bytes((samples / "berkeley.emd").read_bytes())
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file["data"] = h5py.ExternalLink("other.emd", "/data")

    assert read_or_refuse(tmp_path / "a.emd") == "foreign_link"


def test_groups_that_hold_one_another_do_not_hang(tmp_path):
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data")
        group["itself"] = group

    assert read_or_refuse(tmp_path / "a.emd") == "not_an_image"


def test_frames_that_share_their_bytes_are_not_more_than_the_file(tmp_path, stack):
    """A hundred pages that point at the same strip."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((100, 64, 64), np.uint8), photometric="minisblack", metadata=None)
    raw = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        for page in tiff.pages:
            page.tags["StripOffsets"].overwrite(8)
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[: len(raw) // 2])

    assert read_or_refuse(tmp_path / "a.tif") != "read"


def test_a_stack_needs_the_memory_of_a_frame(tmp_path):
    stack = np.random.default_rng(0).integers(0, 999, (64, 256, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    for _ in read_frames(tmp_path / "a.tif"):
        break
    tracemalloc.start()
    for _ in read_frames(tmp_path / "a.tif"):
        pass
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 0.3 * stack.nbytes


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.dm4", "a.hspy"])
def test_reading_an_image_leaves_the_file_as_it_was(name, write):
    path = write(name)
    before = path.read_bytes()
    read_image(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"notes of Tuesday\n", "It holds no image"),
        (b"2\ncomment\nAu 0 0 0\nAu 0 0 3\n", "end in .xyz or"),
        (b"# made by hand\ndata_Au\n_cell_length_a 4.08\n", "end in .xyz or"),
    ],
)
def test_text_called_an_image_is_sent_to_the_endings_of_coordinates_only_if_it_looks_like_them(
    content, advice, tmp_path
):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(Refusal, match=advice):
        probe_file(tmp_path / "a.tif")
