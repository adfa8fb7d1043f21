"""Images and volumes as Zarr, one array an item."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
    """An array of one chunk, compressed as it lies in its file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    content: bytes


def pack_array(array: np.ndarray) -> np.ndarray | PackedArray:
    """Return `array` as `ArraysWriter.add` writes it at once; several threads may pack. One of many chunks stays.

    Zarr's own way of writing takes 3 ms of one thread for an array of any size, which counts beside the compression.
    """
    if array.size == 0 or array.ndim == 0 or _chunks(array.shape) != array.shape or array.dtype.byteorder == ">":
        return array
    content = Blosc(_CODEC, _LEVEL, SHUFFLE).encode(np.ascontiguousarray(array))
    return PackedArray(shape=array.shape, dtype=array.dtype, content=bytes(content))


@cache
def _header_text(shape: tuple[int, ...], dtype: np.dtype) -> str:
    """Return the header that Zarr writes for an array of one chunk."""
    array = zarr.create_array(
        MemoryStore(),
        shape=shape,
        dtype=dtype,
        chunks=shape,
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
        name = _SEPARATOR.join(["c", *("0" for _ in packed.shape)])
        (folder / name).write_bytes(packed.content)
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
        for path, header in ordered:
            item = str(header["attributes"]["item"])
            self._attributes[item], self._paths[item] = header["attributes"], path

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
        return tuple(self._array(item).shape)

    def read(self, item: str) -> np.ndarray:
        """Return the array of one item."""
        return np.asarray(self._array(item)[...])

    def read_part(self, item: str, index: int) -> np.ndarray:
        """Return one image of the array of one item, along its first axis."""
        return np.asarray(self._array(item)[index])
