"""Images and volumes as Zarr, one array an item."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.blosc import SHUFFLE, Blosc
from zarr.codecs import BloscCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

FORMAT_VERSION = 1
_LARGEST_CHUNK = 2048
"""Edge of a chunk, in elements: 16 MB of float32, a unit that inference can tile over."""

_HEADER = "zarr.json"
_SEPARATOR = "."
"""Between the numbers of a chunk's file, which so lies beside the header: each folder more costs a sync."""

_CODEC, _LEVEL = "lz4", 1
"""Of float32 counts of 1400 x 900 in ms and by how much they shrink: lz4 0.7 and 3.9; zstd behind a bit shuffle 5.3 and
4.5; read again in 0.3 and 2.6. Labels shrink 170 times, floats with noise 1.3 times by either."""


def _compressor() -> BloscCodec:
    """Lz4 behind a byte shuffle: the exponents of counts are alike."""
    return BloscCodec(cname=_CODEC, clevel=_LEVEL, shuffle="shuffle")


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(edge, _LARGEST_CHUNK) for edge in shape)


@dataclass(frozen=True, kw_only=True)
class PackedArray:
    """An array whose chunks are compressed as they lie in their files; in the order of the last index first."""

    shape: tuple[int, ...]
    dtype: np.dtype
    contents: tuple[bytes, ...]


def pack_array(array: np.ndarray) -> np.ndarray | PackedArray:
    """Return `array` as `ArraysWriter.add` writes it at once; several threads may pack.

    Zarr's own way of writing takes 3 ms of one thread for an array of any size, which counts beside the compression,
    and twice as long as this for a large one.
    """
    if array.size == 0 or array.ndim == 0 or array.dtype.byteorder == ">":
        return array
    codec, chunk = Blosc(_CODEC, _LEVEL, SHUFFLE), _chunks(array.shape)
    contents = (codec.encode(_filled_up(array[window], chunk)) for _, window in _windows(array.shape))
    return PackedArray(shape=array.shape, dtype=array.dtype, contents=tuple(map(bytes, contents)))


def _windows(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Yield the number of each chunk along every axis, and the part of the array that it holds."""
    chunk = _chunks(shape)
    for at in np.ndindex(*(-(-edge // part) for edge, part in zip(shape, chunk, strict=True))):
        yield at, tuple(slice(number * part, (number + 1) * part) for number, part in zip(at, chunk, strict=True))


def _filled_up(part: np.ndarray, chunk: tuple[int, ...]) -> np.ndarray:
    """Return a part of an array as a whole chunk: at its ends Zarr wants the rest filled."""
    if part.shape == chunk:
        return np.ascontiguousarray(part)
    whole = np.zeros(chunk, dtype=part.dtype)
    whole[tuple(map(slice, part.shape))] = part
    return whole


def _chunk_name(at: tuple[int, ...]) -> str:
    return _SEPARATOR.join(["c", *map(str, at)])


@cache
def _header_text(shape: tuple[int, ...], dtype: np.dtype) -> str:
    """Return the header that Zarr writes for an array."""
    array = zarr.create_array(
        MemoryStore(),
        shape=shape,
        dtype=dtype,
        chunks=_chunks(shape),
        compressors=_compressor(),
        chunk_key_encoding={"name": "default", "separator": _SEPARATOR},
    )
    return array.metadata.to_buffer_dict(default_buffer_prototype())[_HEADER].to_bytes().decode()


class ArraysWriter:
    """A folder of arrays of one kind, each named by its item."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._group = zarr.create_group(folder, attributes={"kind": f"nanodefect/{kind}", "version": FORMAT_VERSION})
        self._n = 0

    def add(self, item: str, array: np.ndarray | PackedArray, **attributes: str | float | bool | None) -> None:
        """Write the array of one item, with its attributes."""
        packed = array if isinstance(array, PackedArray) else pack_array(array)
        if isinstance(packed, PackedArray):
            self._write(packed, {"item": item, "order": self._n, **attributes})
        else:
            self._group.create_array(
                f"{self._n:06d}",
                data=np.ascontiguousarray(packed),
                chunks=_chunks(packed.shape),
                compressors=_compressor(),
                attributes={"item": item, "order": self._n, **attributes},
            )
        self._n += 1

    def _write(self, packed: PackedArray, attributes: dict[str, str | float | bool | None]) -> None:
        folder = self._folder / f"{self._n:06d}"
        folder.mkdir()
        for (at, _), content in zip(_windows(packed.shape), packed.contents, strict=True):
            (folder / _chunk_name(at)).write_bytes(content)
        header = json.loads(_header_text(packed.shape, packed.dtype)) | {"attributes": attributes}
        (folder / _HEADER).write_text(json.dumps(header, indent=1))

    def create(
        self, item: str, shape: tuple[int, ...], dtype: np.dtype, **attributes: str | float | bool | None
    ) -> zarr.Array:
        """Return a new array of one item, to be filled image by image along its first axis."""
        array = self._group.create_array(
            f"{self._n:06d}",
            shape=shape,
            dtype=dtype,
            chunks=(1, *_chunks(shape[1:])),
            compressors=_compressor(),
            chunk_key_encoding={"name": "default", "separator": _SEPARATOR},
            attributes={"item": item, "order": self._n, **attributes},
        )
        self._n += 1
        return array


class ArraysReader:
    """Arrays that `ArraysWriter` wrote."""

    def __init__(self, folder: Path, kind: str) -> None:
        group = zarr.open_group(folder, mode="r")
        found = group.attrs.get("kind"), group.attrs.get("version")
        if found != (f"nanodefect/{kind}", FORMAT_VERSION):
            raise ValueError(f"{folder}: expected nanodefect/{kind} version {FORMAT_VERSION}, got {found}.")
        headers = [(path, json.loads((path / _HEADER).read_bytes())) for path in folder.iterdir() if path.is_dir()]
        ordered = sorted(headers, key=lambda found: int(found[1]["attributes"]["order"]))
        self._attributes: dict[str, dict[str, object]] = {}
        self._paths: dict[str, Path] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._packed: dict[str, np.dtype] = {}
        for path, header in ordered:
            item = str(header["attributes"]["item"])
            self._attributes[item], self._paths[item] = header["attributes"], path
            self._shapes[item] = tuple(header["shape"])
            if (dtype := _packed_dtype(header)) is not None:
                self._packed[item] = dtype

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __contains__(self, item: str) -> bool:
        return item in self._paths

    def _array(self, item: str) -> zarr.Array:
        return zarr.open_array(self._paths[item], mode="r")

    def attributes(self, item: str) -> dict[str, object]:
        """Return the attributes of one item."""
        return dict(self._attributes[item])

    def pixel_size_nm(self, item: str) -> float | None:
        """Return the pixel size of one item, in nanometres; None if it is not known."""
        size_nm = self._attributes[item].get("pixel_size_nm")
        return float(size_nm) if isinstance(size_nm, int | float) else None

    def shape(self, item: str) -> tuple[int, ...]:
        """Return the shape of the array of one item."""
        return self._shapes[item]

    def read(self, item: str) -> np.ndarray:
        """Return the array of one item.

        Raises
        ------
        FileNotFoundError
            If the file of a chunk is gone.
        """
        dtype = self._packed.get(item)
        if dtype is None:
            return np.asarray(self._array(item)[...])
        found, codec = np.empty(self._shapes[item], dtype=dtype), Blosc()
        chunk = _chunks(found.shape)
        for at, window in _windows(found.shape):
            content = (self._paths[item] / _chunk_name(at)).read_bytes()
            if chunk == found.shape:
                codec.decode(content, out=found)
                break
            part = found[window]
            part[...] = np.frombuffer(codec.decode(content), dtype=dtype).reshape(chunk)[tuple(map(slice, part.shape))]
        return found

    def read_part(self, item: str, index: int) -> np.ndarray:
        """Return one image of the array of one item, along its first axis."""
        return np.asarray(self._array(item)[index])


def _packed_dtype(header: dict[str, Any]) -> np.dtype | None:
    """Return the type of an array that lies as `pack_array` has it, so that it can be read without Zarr; else None."""
    try:
        dtype = np.dtype(header["data_type"])
    except TypeError:
        return None
    shape = tuple(header["shape"])
    if 0 in shape or not shape:
        return None
    return dtype if header | {"attributes": {}} == json.loads(_header_text(shape, dtype)) | {"attributes": {}} else None
