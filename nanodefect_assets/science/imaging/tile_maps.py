"""Tables of the tiles of maps: where each lies, and which particles of the tables several of them show."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.schemas import MAP_TILES
from nanodefect_assets.science.imaging.duplicates import find_duplicates
from nanodefect_assets.science.imaging.map_area import map_inclusion_weights, own_areas_px
from nanodefect_assets.science.imaging.map_positions import Located, any_overlap, locate_tiles, number_parts
from nanodefect_assets.science.imaging.overlaps import find_overlaps
from nanodefect_assets.science.imaging.params import DuplicateParams, OverlapParams

Particle = tuple[str, int]
"""Micrograph and label."""
_MAP = ["map_id", "modality", "pixel_size_nm"]
"""Tiles that differ in one of these are not compared."""
_LEAST_ALIKE = 0.25
"""Of the overlaps that can tell; fewer are chance."""
_CORNER = ["corner_row_px", "corner_col_px"]
_SHAPE = ["n_rows", "n_cols"]


class Arrays(Protocol):
    """Arrays by the names of their micrographs, read when they are asked for."""

    def read(self, item: str, /) -> np.ndarray:
        """Return the array of a micrograph."""
        ...


@dataclass(frozen=True, kw_only=True)
class MapFit:
    """Whether the overlaps of maps show the same.

    Attributes
    ----------
    n_pairs : Counter of (str, bool)
        By map, and whether they lie side by side rather than above one another: pairs of tiles that overlap by their
        positions.
    n_judged : Counter of (str, bool)
        Pairs of them whose overlap is large enough, and shows enough, to tell.
    n_alike : Counter of (str, bool)
        Pairs of them in which both tiles show the same.
    """

    n_pairs: Counter[tuple[str, bool]] = field(default_factory=Counter)
    n_judged: Counter[tuple[str, bool]] = field(default_factory=Counter)
    n_alike: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def unlike_maps(self) -> list[str]:
        """Return the maps whose tiles overlap by their positions, but in one direction hardly ever show the same.

        One direction tells: where x of the stage goes the wrong way, tiles above one another fit nevertheless. A few
        of the others look alike by chance.
        """
        return sorted({at[0] for at, n_judged in self.n_judged.items() if self.n_alike[at] < _LEAST_ALIKE * n_judged})

    def count(self, name: str, located: Located) -> None:
        """Add the pairs of a map."""
        rows, cols = abs(located.overlaps.offsets_px).T
        where = [(name, side_by_side) for side_by_side in (cols > rows).tolist()]
        self.n_pairs.update(where)
        for counts, chosen in ((self.n_judged, located.is_judged), (self.n_alike, located.is_used)):
            counts.update(at for at, is_chosen in zip(where, chosen.tolist(), strict=True) if is_chosen)


class _Read:
    """Tiles of a map by their number."""

    def __init__(self, items: Sequence[str], arrays: Arrays) -> None:
        self._items, self._arrays = items, arrays

    def __getitem__(self, at: int) -> np.ndarray:
        return self._arrays.read(self._items[at])


def placed_tiles(micrographs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `MICROGRAPHS` that have a place in a map and a pixel size."""
    return micrographs.dropna(subset=["map_id", "map_x_nm", "map_y_nm", "pixel_size_nm"])


def locate_maps(tiles: pd.DataFrame, images: Arrays, on_step: OnStep = ignore_progress) -> tuple[pd.DataFrame, MapFit]:
    """Find where the tiles of maps lie, from their positions and from what they show.

    Parameters
    ----------
    tiles : DataFrame
        Rows of `MICROGRAPHS` as `placed_tiles` chooses them.

    Returns
    -------
    tuple of DataFrame and MapFit
        Rows of `MAP_TILES`; and how well the maps fit.
    """
    fit, laid_out = MapFit(), [pd.DataFrame(columns=list(MAP_TILES.names))]
    for (name, _, size_nm), of_map in tiles.groupby(_MAP):
        shapes = of_map[_SHAPE].to_numpy(dtype=int)
        stage = of_map[["map_y_nm", "map_x_nm"]].to_numpy(dtype=float) / float(size_nm) - shapes / 2
        read = _Read(of_map["micrograph_id"].tolist(), images)
        located = locate_tiles(read, stage, shapes, OverlapParams(), on_step)
        fit.count(str(name), located)
        laid_out.append(_lay_out(of_map, located, stage, shapes))
    return pd.concat(laid_out[1:] or laid_out, ignore_index=True), fit


def find_seen_twice(map_tiles: pd.DataFrame, labels: Arrays) -> dict[Particle, Particle]:
    """Return the particles that are not to be counted, and for each the one that is counted in its stead.

    Parameters
    ----------
    map_tiles : DataFrame
        Rows of `MAP_TILES`.
    labels : Arrays
        Label images.
    """
    found: dict[Particle, Particle] = {}
    for of_part in _parts(map_tiles):
        items = of_part["micrograph_id"].tolist()
        corners, shapes = of_part[_CORNER].to_numpy(dtype=float), of_part[_SHAPE].to_numpy(dtype=int)
        overlaps = find_overlaps(corners, shapes, any_overlap(OverlapParams()))
        twice = find_duplicates(_Read(items, labels), overlaps, DuplicateParams())
        found |= {(items[tile], label): (items[other], kept) for (tile, label), (other, kept) in twice.items()}
    return found


def count_once(
    particles: pd.DataFrame, map_tiles: pd.DataFrame, duplicates: Mapping[Particle, Particle]
) -> pd.DataFrame:
    """Return rows of `PARTICLES` that say which of them are seen better in another tile.

    These have no weight. What is counted is weighted for where, on the whole map, it would have been cut.
    """
    names = {key: f"{item}#{label}" for key, (item, label) in duplicates.items()}
    keys = zip(particles["micrograph_id"], particles["label"], strict=True)
    duplicate_of = pd.array([names.get(key) for key in keys], dtype="str")
    weights = particles["inclusion_weight"].to_numpy(dtype=float).copy()
    is_counted = (weights > 0) & duplicate_of.isna()
    weights[~is_counted] = 0.0
    heights, widths = (
        (particles[f"bbox_{side}_max_px"] - particles[f"bbox_{side}_min_px"]).to_numpy() for side in ("row", "col")
    )
    for of_part in _parts(map_tiles):
        here = is_counted & particles["micrograph_id"].isin(of_part["micrograph_id"]).to_numpy()
        corners, shapes = of_part[_CORNER].to_numpy(dtype=float), of_part[_SHAPE].to_numpy(dtype=int)
        weights[here] = map_inclusion_weights(heights[here], widths[here], corners, shapes)
    return particles.assign(duplicate_of=duplicate_of, inclusion_weight=weights)


def _parts(map_tiles: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Go through the parts of maps that have several tiles."""
    for _, of_part in map_tiles.groupby([*_MAP, "part"]):
        if len(of_part) > 1:
            yield of_part


def _lay_out(
    of_map: pd.DataFrame, located: Located, stage: np.ndarray, shapes: Int[np.ndarray, "tile 2"]
) -> pd.DataFrame:
    """Return the rows of `MAP_TILES` of one map."""
    overlaps = find_overlaps(located.corners_px, shapes, any_overlap(OverlapParams()))
    is_trusted = _is_trusted(overlaps.pairs, located)
    parts = number_parts(len(of_map), overlaps.pairs[is_trusted])
    within = overlaps.pairs[parts[overlaps.pairs[:, 0]] == parts[overlaps.pairs[:, 1]]]
    rows = of_map[["micrograph_id", "is_simulated", *_MAP, *_SHAPE]].assign(
        part=parts,
        **dict(zip(_CORNER, (located.corners_px - stage[0]).T, strict=True)),
        corrected_px=np.hypot(*(located.corners_px - stage).T),
        own_area_px=own_areas_px(located.corners_px, shapes, within),
    )
    return rows[list(MAP_TILES.names)]


def _is_trusted(pairs: Int[np.ndarray, "pair 2"], located: Located) -> Bool[np.ndarray, " pair"]:
    """Return which pairs of tiles show the same region of the specimen, as far as can be told.

    Those whose places follow from what tiles show, and those of which nothing else is known than their positions; but
    not where tiles show something else than their positions say.
    """
    seen = number_parts(len(located.corners_px), located.overlaps.pairs[located.is_used])
    unlike = located.overlaps.pairs[located.is_judged & ~located.is_used]
    apart = {frozenset(pair) for pair in seen[unlike].tolist()}
    joined = [frozenset(pair) for pair in seen[pairs].tolist()]
    return np.array([len(pair) == 1 or pair not in apart for pair in joined], dtype=bool)
