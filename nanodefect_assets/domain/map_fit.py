"""Which tiles of a map cannot stand in it together: positions of two systems, a grid of unequal tiles."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nanodefect_assets.domain.manifest import MapPlace
from nanodefect_assets.domain.refusal import Refusal

_STAGE = "the files' own metadata"


@dataclass(frozen=True, kw_only=True)
class MapTile:
    """A tile that has a place in a map.

    Attributes
    ----------
    place : MapPlace
        Where it lies.
    table : str or None
        Table of positions that its entry names.
    knows_stage : bool
        Whether its own metadata have a stage position.
    shape : tuple of int
        Shape ``(row, col)`` in pixels.
    pixel_size_nm : float or None
        Edge of a pixel; None if it is not known.
    """

    place: MapPlace
    table: str | None
    knows_stage: bool
    shape: tuple[int, ...]
    pixel_size_nm: float | None


def misfits(tiles: Mapping[str, MapTile]) -> dict[str, Refusal]:
    """Return why tiles of one map cannot be laid out together, by path; empty if they can.

    A table shares the system of the files' own metadata where one of its tiles has such a position too: the two were
    found to agree. Otherwise nobody knows how its origin and axes lie to those of another source, and all are refused.
    """
    system_of = {path: _system(tile, _anchored(tiles)) for path, tile in tiles.items()}
    systems = sorted(set(system_of.values()))
    if len(systems) > 1:
        return {path: _two_systems(systems, system) for path, system in system_of.items()}
    return _unequal({path: tile for path, tile in tiles.items() if tile.place.source == "grid"})


def _anchored(tiles: Mapping[str, MapTile]) -> set[str | None]:
    """Return the tables that agree with the metadata of a tile and are nowhere preferred against them."""
    against = {tile.table for tile in tiles.values() if tile.place.source == "override"}
    return {tile.table for tile in tiles.values() if tile.place.source == "table" and tile.knows_stage} - against


def _system(tile: MapTile, anchored: set[str | None]) -> str:
    if tile.place.source == "grid":
        return "rows and columns in the names"
    return _STAGE if tile.place.source == "file" or tile.table in anchored else f"the table {tile.table}"


def _two_systems(systems: Sequence[str], own: str) -> Refusal:
    others = " and ".join(system for system in systems if system != own)
    return Refusal(
        "two_position_systems",
        expected="positions of all tiles of a map from one source",
        got=f"this tile's from {own}, others' from {others}",
        advice="Give all tiles of the map one table, or take them apart with map: in batch.yaml.",
    )


def _unequal(tiles: Mapping[str, MapTile]) -> dict[str, Refusal]:
    """Refuse the tiles of a grid that are not like most: the step from one to the next is a share of their size."""
    layouts = {path: _layout(tile) for path, tile in tiles.items()}
    counts = Counter(layouts.values())
    if len(counts) < 2:
        return {}
    (usual, n_usual), *_ = counts.most_common(1)
    return {
        path: Refusal(
            "grid_of_unequal_tiles",
            expected=f"{usual}, as {n_usual} of {len(tiles)} tiles of the grid are",
            got=layout,
            advice="Give the map a table of positions, or this tile an entry without grid.",
        )
        for path, layout in layouts.items()
        if layout != usual
    }


def _layout(tile: MapTile) -> str:
    """Return what must be equal, as text: metadata of equal tiles may differ in the last digits of a float."""
    return f"{' x '.join(map(str, tile.shape))} pixels of {tile.pixel_size_nm:.6g} nm"
