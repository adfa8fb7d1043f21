"""Whether frames are a tilt series, and at which angles."""

from dataclasses import dataclass

import numpy as np

from nanodefect_assets.domain.refusal import Refusal

_SMALLEST_RANGE_DEG = 1.0
_LARGEST_DEG = 180.0


@dataclass(frozen=True, kw_only=True)
class StatedTilts:
    """Stage tilts of frames, and where they are stated."""

    angles_deg: tuple[float, ...]
    source: str


@dataclass(frozen=True, kw_only=True)
class ChosenTilts:
    """Angles of a tilt series; or, for frames at one tilt, that tilt; or nothing."""

    angles_deg: tuple[float, ...] | None = None
    single_deg: float | None = None
    notes: tuple[str, ...] = ()


def choose_tilts(
    n_frames: int, *, beside: StatedTilts | None, own: tuple[float, ...] | None, own_source: str
) -> ChosenTilts:
    """Choose between the angles in the file beside an image file and those in its own metadata.

    The file beside it was put there by a person and goes first, if it has one angle for every frame. If it has not, the
    file's own angles are taken and a note says so; without any of its own the file is refused, because angles
    that are off by one frame ruin a reconstruction without a sign.
    """
    if own is not None and len(own) != n_frames:
        own = None
    if beside is not None and len(beside.angles_deg) == n_frames:
        return _judged(beside.angles_deg, f"tilt angles from {beside.source}")
    if beside is None:
        return _judged(own, f"tilt angles from the {own_source}") if own is not None else ChosenTilts()
    if own is not None and _is_series(own):
        note = f"{beside.source} has {len(beside.angles_deg)} angles for {n_frames} frames and was not used"
        return ChosenTilts(angles_deg=own, notes=(f"tilt angles from the {own_source}", note))
    raise Refusal(
        "tilt_angle_count",
        expected=f"{n_frames} tilt angles, one for every frame",
        got=f"{len(beside.angles_deg)} in {beside.source}",
        advice="Add the missing angles, remove the frames without one, or take the file of angles away.",
    )


def check_angles(angles_deg: tuple[float, ...], source: str) -> StatedTilts:
    """Return angles that a stage can have, or refuse them."""
    values = np.asarray(angles_deg, dtype=float)
    if not np.all(np.abs(values) <= _LARGEST_DEG):
        raise Refusal(
            "bad_tilt_angles",
            expected=f"tilt angles from -{_LARGEST_DEG:g} to {_LARGEST_DEG:g} degrees",
            got=f"{values[~(np.abs(values) <= _LARGEST_DEG)][0]} in {source}",
            advice=f"Mend {source}: one angle in degrees on each line.",
        )
    return StatedTilts(angles_deg=tuple(values.tolist()), source=source)


def _is_series(angles_deg: tuple[float, ...]) -> bool:
    return len(angles_deg) > 1 and max(angles_deg) - min(angles_deg) >= _SMALLEST_RANGE_DEG


def _judged(angles_deg: tuple[float, ...], note: str) -> ChosenTilts:
    """Tell a tilt series from frames that were taken at one tilt."""
    if _is_series(angles_deg):
        return ChosenTilts(angles_deg=angles_deg, notes=(note,))
    return ChosenTilts(single_deg=float(np.mean(angles_deg)), notes=(note.replace("angles", "angle"),))
