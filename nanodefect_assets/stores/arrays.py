"""Images and volumes as Zarr, one array an item."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec

FORMAT_VERSION = 1
_LARGEST_CHUNK = 2048
"""Edge of a chunk, in elements: 16 MB of float32, a unit that inference can tile over."""


def _compressor() -> BloscCodec:
    """Zstandard behind a bit shuffle: counts are whole numbers, whose high bits are alike."""
    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


class ArraysWriter:
    """A folder of arrays of one kind, each named by its item."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._group = zarr.create_group(folder, attributes={"kind": f"nanodefect/{kind}", "version": FORMAT_VERSION})
        self._n = 0

    def add(self, item: str, array: np.ndarray, **attributes: str | float | bool | None) -> None:
        """Write the array of one item, with its attributes."""
        self._group.create_array(
            f"{self._n:06d}",
            data=np.ascontiguousarray(array),
            chunks=tuple(min(edge, _LARGEST_CHUNK) for edge in array.shape),
            compressors=_compressor(),
            attributes={"item": item, "order": self._n, **attributes},
        )
        self._n += 1

    def create(
        self, item: str, shape: tuple[int, ...], dtype: np.dtype, **attributes: str | float | bool | None
    ) -> zarr.Array:
        """Return a new array of one item, to be filled image by image along its first axis."""
        array = self._group.create_array(
            f"{self._n:06d}",
            shape=shape,
            dtype=dtype,
            chunks=(1, *(min(edge, _LARGEST_CHUNK) for edge in shape[1:])),
            compressors=_compressor(),
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
        arrays = sorted((array for _, array in group.arrays()), key=lambda array: int(str(array.attrs["order"])))
        self._arrays = {str(array.attrs["item"]): array for array in arrays}

    def __len__(self) -> int:
        return len(self._arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __contains__(self, item: str) -> bool:
        return item in self._arrays

    def attributes(self, item: str) -> dict[str, object]:
        """Return the attributes of one item."""
        return dict(self._arrays[item].attrs)

    def read(self, item: str) -> np.ndarray:
        """Return the array of one item."""
        return np.asarray(self._arrays[item][...])

    def read_part(self, item: str, index: int) -> np.ndarray:
        """Return one image of the array of one item, along its first axis."""
        return np.asarray(self._arrays[item][index])
