from pathlib import Path

import numpy as np
import pytest
import zarr

from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter, PackedArray, pack_array

REFERENCES = Path(__file__).parents[1] / "references"


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 3, 4), (2049, 3)])
def test_an_array_comes_back_bit_for_bit(tmp_path, rng, dtype, shape):
    array = (rng.random(shape) * 255).astype(dtype)
    ArraysWriter(tmp_path / "a.zarr", "micrographs").add("b/end/a.tif", array, pixel_size_nm=0.1)
    found = ArraysReader(tmp_path / "a.zarr", "micrographs").read("b/end/a.tif")

    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_not_a_number_and_infinity_survive(tmp_path):
    array = np.array([[np.nan, np.inf], [-np.inf, -0.0]], dtype=np.float32)
    ArraysWriter(tmp_path / "a.zarr", "micrographs").add("a", array)

    found = ArraysReader(tmp_path / "a.zarr", "micrographs").read("a")
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("view", [np.transpose, np.fliplr, lambda array: array[::2, 1:]])
def test_views_of_any_stride_are_written_as_they_look(tmp_path, rng, view):
    array = view(rng.random((6, 7)))
    ArraysWriter(tmp_path / "a.zarr", "micrographs").add("a", array)

    np.testing.assert_array_equal(ArraysReader(tmp_path / "a.zarr", "micrographs").read("a"), array)


def test_items_keep_their_order_names_and_attributes(tmp_path):
    writer = ArraysWriter(tmp_path / "a.zarr", "micrographs")
    names = [f"{name}/ü #%.tif" for name in "zaqm"] + [f"n{n}" for n in range(12)]
    for n, name in enumerate(names):
        writer.add(name, np.full((1, 2), n), pixel_size_nm=None if n % 2 else 0.25, is_simulated=bool(n % 2))
    reader = ArraysReader(tmp_path / "a.zarr", "micrographs")

    assert list(reader) == names
    assert (len(reader), names[3] in reader, "none" in reader) == (16, True, False)
    for n, name in enumerate(names):
        attributes = reader.attributes(name)
        assert attributes["item"] == name
        assert attributes["pixel_size_nm"] == (None if n % 2 else 0.25)
        assert attributes["is_simulated"] is bool(n % 2)
        assert reader.read(name).tolist() == [[n, n]]


def test_a_folder_without_arrays_is_a_folder_without_arrays(tmp_path):
    ArraysWriter(tmp_path / "a.zarr", "micrographs")

    assert list(ArraysReader(tmp_path / "a.zarr", "micrographs")) == []


def test_arrays_of_another_kind_are_refused(tmp_path):
    ArraysWriter(tmp_path / "a.zarr", "micrographs")
    with pytest.raises(ValueError, match="expected nanodefect/labels version 1"):
        ArraysReader(tmp_path / "a.zarr", "labels")


def test_arrays_of_a_version_to_come_are_refused(tmp_path):
    ArraysWriter(tmp_path / "a.zarr", "micrographs")
    header = tmp_path / "a.zarr" / "zarr.json"
    text = header.read_text()
    assert '"version": 1' in text
    header.write_text(text.replace('"version": 1', '"version": 2'))
    with pytest.raises(ValueError, match=r"got .*2"):
        ArraysReader(tmp_path / "a.zarr", "micrographs")


def test_arrays_of_version_1_are_still_read():
    reader = ArraysReader(REFERENCES / "generation-v1" / "micrographs.zarr", "micrographs")

    assert list(reader) == ["pd-1/end/a.tif"]
    assert reader.attributes("pd-1/end/a.tif")["pixel_size_nm"] == 0.25
    np.testing.assert_array_equal(reader.read("pd-1/end/a.tif"), np.arange(12, dtype=np.float32).reshape(3, 4))


@pytest.mark.parametrize("shape", [(30, 41), (2050, 5), (3, 2049), (1, 2, 2050)])
@pytest.mark.parametrize("dtype", ["bool", "uint16", "int64", "float32"])
def test_what_is_packed_is_what_zarr_would_write(tmp_path, rng, dtype, shape):
    array = (rng.random(shape) * 3 + 1).astype(dtype)
    packed = pack_array(array)
    assert isinstance(packed, PackedArray)
    ArraysWriter(tmp_path / "a.zarr", "micrographs").add("a", packed, pixel_size_nm=0.1)
    stored = zarr.open_array(tmp_path / "a.zarr" / "000000", mode="r")
    by_zarr = zarr.create_array(
        tmp_path / "b.zarr",
        data=array,
        chunks=tuple(min(edge, 2048) for edge in shape),
        compressors=stored.compressors,
        chunk_key_encoding={"name": "default", "separator": "."},
    )

    np.testing.assert_array_equal(stored[...], array)
    assert stored.metadata.to_dict() | {"attributes": {}} == by_zarr.metadata.to_dict()
    names = {path.name for path in (tmp_path / "b.zarr").glob("c.*")}
    assert names == {path.name for path in (tmp_path / "a.zarr/000000").glob("c.*")}
    for name in names:
        assert (tmp_path / "a.zarr/000000" / name).read_bytes() == (tmp_path / "b.zarr" / name).read_bytes()
    np.testing.assert_array_equal(ArraysReader(tmp_path / "a.zarr", "micrographs").read("a"), array)


@pytest.mark.parametrize("array", [np.float64(3.0), np.zeros((0, 3)), np.ones((2, 2), ">f4")])
def test_what_zarr_has_to_write_itself_is_left_to_it(array):
    assert pack_array(array) is array


def test_other_programs_find_the_arrays_by_zarr_alone(tmp_path):
    writer = ArraysWriter(tmp_path / "a.zarr", "labels")
    writer.add("small", np.arange(6).reshape(2, 3))
    writer.add("large", np.ones((2049, 2)))
    writer.create("series", (2, 3, 4), np.dtype("uint16"))[0] = 7

    names = {array.attrs["item"]: array.shape for _, array in zarr.open_group(tmp_path / "a.zarr", mode="r").arrays()}
    assert names == {"small": (2, 3), "large": (2049, 2), "series": (2, 3, 4)}


def test_a_chunk_that_is_gone_is_an_error_and_not_zeros(tmp_path):
    ArraysWriter(tmp_path / "a.zarr", "labels").add("large", np.ones((2049, 2)))
    (tmp_path / "a.zarr/000000/c.1.0").unlink()

    with pytest.raises(FileNotFoundError, match=r"c\.1\.0"):
        ArraysReader(tmp_path / "a.zarr", "labels").read("large")


def test_arrays_that_zarr_wrote_in_its_own_way_are_read_too(tmp_path, rng):
    array = rng.random((2049, 3)).astype(np.float32)
    ArraysWriter(tmp_path / "a.zarr", "micrographs")
    group = zarr.open_group(tmp_path / "a.zarr")
    group.create_array("000000", data=array, chunks=(2048, 3), attributes={"item": "a", "order": 0})

    np.testing.assert_array_equal(ArraysReader(tmp_path / "a.zarr", "micrographs").read("a"), array)
