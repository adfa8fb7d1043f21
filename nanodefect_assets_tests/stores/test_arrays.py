from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter

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
