"""Which position of a tile holds: the one in its own metadata, in a table, or its place in a grid."""

from dataclasses import dataclass

from nanodefect_assets.domain.batch_spec import FileEntry
from nanodefect_assets.domain.manifest import Acquisition, MapPlace, PositionSource
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tile_map import POSITION_TOLERANCE_NM, place_in_grid, place_on_stage


@dataclass(frozen=True, kw_only=True)
class StatedPosition:
    """Stage position of a tile's centre as a table states it.

    Attributes
    ----------
    x_nm, y_nm : float
        Position, in nanometres.
    rounding_nm : float
        Half a unit of the last digit that the table gives.
    """

    x_nm: float
    y_nm: float
    rounding_nm: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Placed:
    """How an image was taken, with the stage position that holds, and its place in a map if it has one."""

    acquisition: Acquisition
    place: MapPlace | None


def place_tile(
    path: str, entry: FileEntry, facts: RawFacts, acquisition: Acquisition, stated: StatedPosition | None
) -> Placed:
    """Return where a file lies in its map.

    A table goes before the file's own metadata, for all tiles alike: the positions of one map must not come from two
    systems. The frames of a stack have no place, since one position cannot be that of each.

    Parameters
    ----------
    path, entry, facts : str, FileEntry, RawFacts
        The file, and what batch.yaml and the file say.
    acquisition : Acquisition
        What holds of it, with the stage position of its own metadata.
    stated : StatedPosition or None
        What a table says.

    Raises
    ------
    Refusal
        If table or grid disagree with the file and batch.yaml gives no reason why they hold.
    """
    if entry.modality not in MODALITIES or facts.kind != "image":
        return Placed(acquisition=acquisition, place=None)
    is_overridden = entry.position_override_reason is not None
    if entry.grid is not None:
        if acquisition.stage_x_nm is not None and not is_overridden:
            raise _grid_not_needed(acquisition)
        n_rows, n_cols = facts.shape
        place = place_in_grid(path, (n_rows, n_cols), acquisition, entry.grid, entry.map_name)
        return Placed(acquisition=acquisition, place=place)
    source: PositionSource = "file"
    if stated is not None:
        agrees = _agrees(acquisition, stated)
        if not agrees and not is_overridden:
            raise _conflict(acquisition, stated)
        source = "table" if agrees else "override"
        acquisition = acquisition.model_copy(update={"stage_x_nm": stated.x_nm, "stage_y_nm": stated.y_nm})
    return Placed(acquisition=acquisition, place=place_on_stage(acquisition, entry.stage, entry.map_name, source))


def _agrees(found: Acquisition, stated: StatedPosition) -> bool:
    if found.stage_x_nm is None or found.stage_y_nm is None:
        return True
    farthest_nm = max(abs(found.stage_x_nm - stated.x_nm), abs(found.stage_y_nm - stated.y_nm))
    return farthest_nm <= POSITION_TOLERANCE_NM + stated.rounding_nm


def _conflict(found: Acquisition, stated: StatedPosition) -> Refusal:
    return Refusal(
        "position_conflict",
        expected=f"table and metadata to agree within {POSITION_TOLERANCE_NM + stated.rounding_nm:g} nm",
        got=f"x {stated.x_nm:.9g} nm, y {stated.y_nm:.9g} nm in the table, x {found.stage_x_nm:.9g} nm, "
        f"y {found.stage_y_nm:.9g} nm in the file",
        advice="Take the table out of batch.yaml, or say in position_override_reason why it holds.",
    )


def _grid_not_needed(found: Acquisition) -> Refusal:
    return Refusal(
        "position_conflict",
        expected="a grid only where the files do not know their stage position",
        got=f"x {found.stage_x_nm:.9g} nm, y {found.stage_y_nm:.9g} nm in the file",
        advice="Take the grid out of batch.yaml, or say in position_override_reason why it holds.",
    )
