"""What rosettasciio gets wrong, or would do to a hostile file, in Velox, Berkeley and HyperSpy files."""

import time

import h5py
import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames, read_image

PLACES = {"velox.emd": "Data/Image/0123/Data", "berkeley.emd": "data/image/data", "a.hspy": "Experiments/image/data"}


def _store_anew(path, name, **layout):
    """Write the pixels of a file again, in one piece or in the chunks of `layout`."""
    with h5py.File(path, "r+") as file:
        pixels = file[PLACES[name]][()]
        del file[PLACES[name]]
        file.create_dataset(PLACES[name], data=pixels, **layout)
    return path


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("layout", [{}, {"chunks": True}, {"chunks": True, "compression": "gzip"}])
@pytest.mark.parametrize("frames", [1, 3])
def test_pixels_are_the_same_however_they_are_stored(name, layout, frames, write, stack):
    path = _store_anew(write(name, frames=frames), name, **layout)

    np.testing.assert_array_equal(list(read_frames(path)), stack[:frames])


def test_a_velox_file_with_spectra_is_read_for_its_image(write, stack):
    path = write("velox.emd")
    with h5py.File(path, "r+") as file:
        file["Data/SpectrumImage/4567/Data"] = np.zeros((4, 4))
        file["Data/SpectrumStream/89/Data"] = np.zeros((9, 1))

    np.testing.assert_array_equal(read_image(path), stack[0])


def test_a_velox_record_that_is_broken_is_refused(write):
    path = write("velox.emd")
    with h5py.File(path, "r+") as file:
        file["Data/Image/0123/Metadata"][:5] = np.frombuffer(b"[[[[[", np.uint8)[:, np.newaxis]

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == "damaged_file"


@pytest.mark.parametrize(
    ("names", "turn"), [("yx", False), ("xy", True), (("row", "col"), False)], ids=["y x", "x y", "others"]
)
@pytest.mark.parametrize("first", [0, 1])
def test_names_of_berkeley_axes_tell_rows_from_columns(names, turn, first, write, stack):
    path = write("berkeley.emd")
    with h5py.File(path, "r+") as file:
        group = file["data/image"]
        for index, name in enumerate(names):
            group[f"dim{index + 1}"].attrs["name"] = name
        if first == 0:
            group.move("dim1", "dim0")
            group.move("dim2", "dim1")

    np.testing.assert_array_equal(read_image(path), stack[0].T if turn else stack[0])


@pytest.mark.parametrize("first", [0, 1])
def test_uneven_tilts_of_a_berkeley_series_are_read_one_by_one(first, write, stack):
    path, angles_deg = write("berkeley.emd", frames=3), (-60.0, -10.0, 65.5)
    with h5py.File(path, "r+") as file:
        group = file["data/image"]
        group["dim1"][:] = angles_deg
        group["dim1"].attrs.update({"name": "alpha", "units": "[deg]"})
        for index in range(1, 4) if first == 0 else ():
            group.move(f"dim{index}", f"dim{index - 1}")

    assert probe_file(path).tilt_angles_deg == angles_deg
    np.testing.assert_array_equal(list(read_frames(path)), stack)


def test_groups_in_which_every_one_holds_the_next_twice_do_not_hang(write):
    path = write("a.hspy")
    with h5py.File(path, "r+") as file:
        group = file["Experiments/image/metadata"]
        for _ in range(60):
            below = group.create_group("a")
            group["b"] = below
            group = below
    start = time.perf_counter()
    with pytest.raises(Refusal) as refused:
        probe_file(path)

    assert refused.value.reason == "damaged_file"
    assert time.perf_counter() - start < 5


def test_a_soft_link_in_a_hyperspy_file_is_refused(write):
    path = write("a.hspy")
    with h5py.File(path, "r+") as file:
        file["Experiments/image/metadata/again"] = h5py.SoftLink("/Experiments")

    with pytest.raises(Refusal, match="one place each"):
        probe_file(path)


@pytest.mark.parametrize(
    ("name", "place", "shape", "dtype"),
    [
        ("velox.emd", "Data/Image/0123/Metadata", (2**30, 1), "u1"),
        ("berkeley.emd", "data/image/dim1", (2**30,), "f8"),
        ("a.hspy", "Experiments/image/metadata/note", (2**20, 2**10), "S8"),
    ],
)
def test_bombs_in_what_is_read_beside_the_pixels_are_refused(name, place, shape, dtype, write):
    path = write(name)
    with h5py.File(path, "r+") as file:
        if place in file:
            del file[place]
        file.create_dataset(place, shape, dtype, chunks=(2**20, *shape[1:2]), compression="gzip")

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == "decompression_bomb"
