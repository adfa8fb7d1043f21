"""What `nanodefect check` says of the maps of a batch: how their tiles lie, and whether overlaps show the same."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tile_map import StageSense
from nanodefect_assets.stores.intake_plan import Plan, PlannedFile

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.science.imaging.map_positions import Alike

_MOST_PAIRS = 12
"""At so many overlaps is looked: enough to tell a right sense of the stage from a wrong one, and soon done."""
_FEW = 0.8
"""If no more of them than this share show the same, the other senses of the stage are tried; overlaps may be empty."""


def describe_maps(folder: Path, plan: Plan) -> Iterator[str]:
    """Say of each map how many tiles know their place, how many pairs overlap, and whether they show the same there.

    A single image that knows its stage position is no map, unless batch.yaml says so.
    """
    for (aliquot, name), tiles in sorted(plan.maps().items()):
        placed = [file for file in tiles if file.map_place is not None]
        if len(placed) < 2 and not any(file.entry.map or file.entry.grid or file.entry.positions for file in tiles):
            continue
        yield f"map {name} of {aliquot}: {len(placed)} of {len(tiles)} images have a position"
        try:
            yield from (f"  {said}" for said in _overlaps(folder, placed))
        except Refusal as refusal:  # A tile whose pixels are damaged: the others are not to blame.
            yield f"  whether overlaps show the same could not be seen: {refusal}"


def _overlaps(folder: Path, placed: Sequence[PlannedFile]) -> Iterator[str]:
    """Speak of the tiles of the pixel size that most of them have."""
    sizes = Counter(file.agreed.acquisition.pixel_size_nm for file in placed)
    size_nm, _ = sizes.most_common(1)[0]
    if size_nm is None:
        yield "without a pixel size nothing is known of overlaps"
        return
    tiles = [file for file in placed if file.agreed.acquisition.pixel_size_nm == size_nm]
    if len(sizes) > 1:
        yield f"{len(tiles)} of them have {size_nm:.6g} nm/px; only these are compared"
    found = _look(folder, tiles, [_declared(file) for file in tiles], size_nm)
    yield _agreement(found)
    if found.n_pairs and found.n_parts > 1:
        yield f"the map falls into {found.n_parts} parts that do not touch"
    if found.n_alike:
        yield f"neighbours lie up to {found.largest_correction_px * size_nm:.3g} nm off their positions; corrected"
    if len(tiles) > 1 and found.n_alike <= _FEW * found.n_looked_at:
        yield from _doubts(folder, tiles, size_nm, found)


def _agreement(found: "Alike") -> str:
    """Say how many pairs overlap, and in how many of those that can tell both tiles show the same."""
    pairs = "1 pair overlaps" if found.n_pairs == 1 else f"{found.n_pairs} pairs overlap"
    if not found.n_pairs:
        return pairs
    looked = f", {found.n_looked_at} looked at" if found.n_looked_at < found.n_pairs else ""
    said = [f"both tiles show the same in {found.n_alike} of {found.n_judged} that could be judged"]
    if n_bare := found.n_looked_at - found.n_judged:
        said.append(f"{n_bare} {'overlap is' if n_bare == 1 else 'overlaps are'} too small or bare to tell")
    return "; ".join([pairs + looked, *said])


def _doubts(folder: Path, tiles: Sequence[PlannedFile], size_nm: float, found: "Alike") -> Iterator[str]:
    """Warn if another sense of the stage fits better, or if none does.

    A wrong sense leaves some pairs alike: tiles that lie above one another do so too where x goes the wrong way.
    """
    warning = "WARNING the tiles do not fit together where their positions put them."
    if any(file.map_place is not None and file.map_place.source == "grid" for file in tiles):
        if not found.n_alike and (found.n_judged or not found.n_pairs):
            yield f"{warning} Is the overlap in grid: the one that was set in Maps?"
        return
    tried = {sense: _look(folder, tiles, [_placed_by(file, sense) for file in tiles], size_nm) for sense in _senses()}
    best = max(tried, key=lambda sense: tried[sense].share)
    if tried[best].share > found.share and tried[best].n_alike > found.n_alike:
        fit = f"both tiles show the same in {tried[best].n_alike} of {tried[best].n_judged}"
        rotation = f", rotation_deg: {best.rotation_deg:g}" if best.rotation_deg else ""
        yield f"{warning} With stage: {{x: {best.x}, y: {best.y}{rotation}}} in batch.yaml, {fit}."
    elif not found.n_alike and (found.n_judged or not found.n_pairs):
        yield (
            f"{warning} No other sense of the stage fits either: do positions and pixel size belong to these images, "
            "and is the stage turned (stage: {rotation_deg: ...})? Particles in overlaps would be counted twice."
        )


def _senses() -> Iterator[StageSense]:
    for x, y, rotation_deg in product(("right", "left"), ("up", "down"), (0.0, 90.0)):
        yield StageSense.model_validate({"x": x, "y": y, "rotation_deg": rotation_deg})


def _declared(file: PlannedFile) -> tuple[float, float]:
    assert file.map_place is not None
    return file.map_place.x_nm, file.map_place.y_nm


def _placed_by(file: PlannedFile, sense: StageSense) -> tuple[float, float]:
    at = file.agreed.acquisition
    return sense.in_map(at.stage_x_nm or 0.0, at.stage_y_nm or 0.0)


def _look(folder: Path, tiles: Sequence[PlannedFile], centres_nm: list[tuple[float, float]], size_nm: float) -> "Alike":
    import numpy as np

    from nanodefect_assets.science.imaging.map_positions import count_alike
    from nanodefect_assets.science.imaging.overlaps import corners_px
    from nanodefect_assets.science.imaging.params import OverlapParams

    shapes = np.array([file.facts.shape for file in tiles])
    corners = corners_px(np.array(centres_nm), shapes, size_nm)
    return count_alike(_Images(folder, tiles), corners, shapes, OverlapParams(), most=_MOST_PAIRS)


class _Images:
    """Images that are read when they are looked at."""

    def __init__(self, folder: Path, files: Sequence[PlannedFile]) -> None:
        self._folder, self._files = folder, files

    def __getitem__(self, at: int) -> "np.ndarray":
        from nanodefect_assets.stores.raw.read import read_frames

        file = self._files[at]
        order = file.agreed.acquisition.row_order
        try:
            return next(iter(read_frames(self._folder / file.path, file.entry.modality, row_order=order)))
        except Refusal as refusal:
            raise refusal.about(file.path) from refusal
