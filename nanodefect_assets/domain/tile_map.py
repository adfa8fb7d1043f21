"""Where a tile lies in a map of many: from stage positions and the stage's sense, or from its place in a grid."""

import math
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from nanodefect_assets.domain.manifest import Acquisition, MapPlace, PositionSource
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.synthesis_conditions import SpecPart

POSITION_TOLERANCE_NM = 100.0
"""How far two statements of a stage position may differ, beside their rounding: the last digit of Zeiss's stages."""

_MAPS_TILE = re.compile(r"tile_(\d{2,6})-(\d{2,6})-\d+_\d", re.IGNORECASE)
"""Name of a tile of FEI Maps, such as ``Tile_001-002-000000_0-000.tif``: row, column, layer."""


class GridSpec(SpecPart):
    """A grid of tiles as FEI Maps names them, where no stage position is known."""

    overlap: Annotated[float, Field(ge=0, lt=0.9, allow_inf_nan=False)] = Field(
        description="Share of a tile's width and height by which neighbours overlap, as it was set in Maps."
    )


class StageSense(SpecPart):
    """Which way the stage's axes go in the image as it is seen."""

    x: Literal["right", "left"] = Field(default="right", description="Where x grows.")
    y: Literal["up", "down"] = Field(default="up", description="Where y grows.")
    rotation_deg: Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)] = Field(
        default=0.0, description="Angle by which both are then turned, counter-clockwise as seen."
    )

    def in_map(self, x_nm: float, y_nm: float) -> tuple[float, float]:
        """Return a stage position in the map's axes: x to the right along columns, y down along rows, in nm."""
        right = x_nm if self.x == "right" else -x_nm
        up = y_nm if self.y == "up" else -y_nm
        turn = math.radians(self.rotation_deg)
        return right * math.cos(turn) - up * math.sin(turn), -(right * math.sin(turn) + up * math.cos(turn))


def place_on_stage(acquisition: Acquisition, sense: StageSense, name: str, source: PositionSource) -> MapPlace | None:
    """Return where a tile lies by its stage position; None if that is not known."""
    if acquisition.stage_x_nm is None or acquisition.stage_y_nm is None:
        return None
    x_nm, y_nm = sense.in_map(acquisition.stage_x_nm, acquisition.stage_y_nm)
    return MapPlace(name=name, x_nm=x_nm, y_nm=y_nm, source=source)


def place_in_grid(path: str, shape: tuple[int, int], acquisition: Acquisition, grid: GridSpec, name: str) -> MapPlace:
    """Return where a tile lies by the row and column in its name.

    Parameters
    ----------
    path : str
        Path of the tile.
    shape : tuple of int
        Shape ``(row, col)`` of the image without its data bar, in pixels.

    Raises
    ------
    Refusal
        If the name has no row and column, or if there is no pixel size.
    """
    found = _MAPS_TILE.match(PurePosixPath(path).name)
    if found is None:
        raise Refusal(
            "no_grid_name",
            expected="a tile named by row and column, such as Tile_001-002-000000_0-000.tif",
            got=PurePosixPath(path).name,
            advice="Give the files of the map an entry of their own, or a table of positions.",
        )
    if acquisition.pixel_size_nm is None:
        raise Refusal(
            "grid_uncalibrated",
            expected="a pixel size, by which the grid is laid out",
            got="uncalibrated: true",
            advice="Give pixel_size_nm, or take the grid out.",
        )
    row, col = int(found[1]), int(found[2])
    step_nm = acquisition.pixel_size_nm * (1 - grid.overlap)
    return MapPlace(name=name, x_nm=col * shape[1] * step_nm, y_nm=row * shape[0] * step_nm, source="grid")
