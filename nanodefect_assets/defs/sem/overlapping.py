"""Particles that two overlapping tiles of a map show: which of the two is not counted."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

from nanodefect_assets.science.imaging.params import DuplicateParams, OverlapParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.stores.arrays import ArraysReader

Particle = tuple[str, int]
"""Micrograph and label."""


class _Lazy(Sequence["np.ndarray"]):
    """Arrays that are read when they are asked for: a map may have more than memory holds."""

    def __init__(self, items: Sequence[str], read: "Callable[[str], np.ndarray]") -> None:
        self._items, self._read = items, read

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, at: int) -> "np.ndarray": ...

    @overload
    def __getitem__(self, at: slice) -> "Sequence[np.ndarray]": ...

    def __getitem__(self, at: int | slice) -> "np.ndarray | Sequence[np.ndarray]":
        return _Lazy(self._items[at], self._read) if isinstance(at, slice) else self._read(self._items[at])


def duplicates_of(
    micrographs: "pd.DataFrame", images: "ArraysReader", labels: "ArraysReader"
) -> dict[Particle, Particle]:
    """Return the particles that are not to be counted, and for each one that is counted in its stead.

    Parameters
    ----------
    micrographs : DataFrame
        Rows of `MICROGRAPHS`; only those with a place in a map and a pixel size are compared, map by map.
    """
    placed = micrographs.dropna(subset=["map_id", "map_x_nm", "map_y_nm", "pixel_size_nm"])
    found: dict[Particle, Particle] = {}
    for (_, size_nm), tiles in placed.groupby(["map_id", "pixel_size_nm"]):
        if len(tiles) > 1:
            found |= _duplicates_of_map(tiles, float(size_nm), images, labels)
    return found


def _duplicates_of_map(
    tiles: "pd.DataFrame", pixel_size_nm: float, images: "ArraysReader", labels: "ArraysReader"
) -> dict[Particle, Particle]:
    import numpy as np

    from nanodefect_assets.science.imaging.duplicates import find_duplicates
    from nanodefect_assets.science.imaging.map_positions import locate_tiles

    items = tiles["micrograph_id"].tolist()
    middles = tiles[["map_y_nm", "map_x_nm"]].to_numpy(dtype=float) / pixel_size_nm
    corners = middles - tiles[["n_rows", "n_cols"]].to_numpy(dtype=float) / 2
    located = locate_tiles(_Lazy(items, images.read), np.asarray(corners), OverlapParams())
    found = find_duplicates(_Lazy(items, labels.read), located.overlaps, DuplicateParams())
    return {(items[tile], label): (items[other], kept) for (tile, label), (other, kept) in found.items()}
