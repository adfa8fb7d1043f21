"""Particles that two overlapping tiles of a map show: which of the two is not counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nanodefect_assets.science.imaging.params import DuplicateParams, OverlapParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.science.imaging.map_positions import Located
    from nanodefect_assets.stores.arrays import ArraysReader

Particle = tuple[str, int]
"""Micrograph and label."""


class _Read:
    """Arrays that are read when they are asked for."""

    def __init__(self, items: Sequence[str], read: "Callable[[str], np.ndarray]") -> None:
        self._items, self._read = items, read

    def __getitem__(self, at: int) -> "np.ndarray":
        return self._read(self._items[at])


@dataclass(frozen=True, kw_only=True)
class SeenTwice:
    """What the overlaps of the tiles of maps tell.

    Attributes
    ----------
    duplicates : dict of particle to particle
        Particles that are not to be counted, and for each the one that is counted in its stead.
    n_pairs : dict of (str, bool) to int
        By map, and whether they lie side by side rather than above one another: pairs of tiles that overlap by their
        positions.
    n_alike : dict of (str, bool) to int
        Pairs of them in which both tiles show the same.
    """

    duplicates: Mapping[Particle, Particle]
    n_pairs: Mapping[tuple[str, bool], int]
    n_alike: Mapping[tuple[str, bool], int]

    def unlike_maps(self) -> list[str]:
        """Return the maps whose tiles overlap by their positions, but in one direction nowhere show the same.

        One direction tells: where x of the stage goes the wrong way, tiles above one another fit nevertheless.
        """
        return sorted({where[0] for where, n_pairs in self.n_pairs.items() if n_pairs and not self.n_alike.get(where)})


def find_seen_twice(micrographs: "pd.DataFrame", images: "ArraysReader", labels: "ArraysReader") -> SeenTwice:
    """Find the particles that several tiles of a map show.

    Parameters
    ----------
    micrographs : DataFrame
        Rows of `MICROGRAPHS`; only those with a place in a map and a pixel size are compared, map by map.
    """
    from nanodefect_assets.science.imaging.duplicates import find_duplicates

    placed = micrographs.dropna(subset=["map_id", "map_x_nm", "map_y_nm", "pixel_size_nm"])
    found: dict[Particle, Particle] = {}
    n_pairs, n_alike = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
    for (name, size_nm), tiles in placed.groupby(["map_id", "pixel_size_nm"]):
        items = tiles["micrograph_id"].tolist()
        located = _locate(tiles, float(size_nm), images)
        rows, cols = abs(located.overlaps.offsets_px).T
        where = [(str(name), side_by_side) for side_by_side in (cols > rows).tolist()]
        n_pairs.update(where)
        n_alike.update(at for at, is_used in zip(where, located.is_used.tolist(), strict=True) if is_used)
        twice = find_duplicates(_Read(items, labels.read), located.overlaps, DuplicateParams())
        found |= {(items[tile], label): (items[other], kept) for (tile, label), (other, kept) in twice.items()}
    return SeenTwice(duplicates=found, n_pairs=n_pairs, n_alike=n_alike)


def _locate(tiles: "pd.DataFrame", pixel_size_nm: float, images: "ArraysReader") -> "Located":
    from nanodefect_assets.science.imaging.map_positions import locate_tiles

    shapes = tiles[["n_rows", "n_cols"]].to_numpy(dtype=int)
    middles = tiles[["map_y_nm", "map_x_nm"]].to_numpy(dtype=float) / pixel_size_nm
    return locate_tiles(
        _Read(tiles["micrograph_id"].tolist(), images.read), middles - shapes / 2, shapes, OverlapParams()
    )
