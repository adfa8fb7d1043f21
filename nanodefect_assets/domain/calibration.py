"""What holds where a file's own metadata and batch.yaml both say how an image was taken."""

from dataclasses import dataclass

from nanodefect_assets.domain.batch_spec import IMAGE_MODALITIES, STATED, FileEntry
from nanodefect_assets.domain.manifest import Acquisition, CalibrationSource
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal

RELATIVE_TOLERANCE = 0.01
ANGLE_TOLERANCE_DEG = 0.5


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """What is taken to hold of a file.

    Attributes
    ----------
    acquisition : Acquisition
        How the image was taken.
    source : str
        Where the pixel size comes from.
    reason : str or None
        Why the file's own values were overridden or left out.
    tilt_angles_deg : tuple of float or None
        Stage tilt of each frame of a tilt series.
    """

    acquisition: Acquisition
    source: CalibrationSource
    reason: str | None = None
    tilt_angles_deg: tuple[float, ...] | None = None


def agree(entry: FileEntry, facts: RawFacts, stated_tilts_deg: tuple[float, ...] | None = None) -> Agreed:
    """Return what holds of a file: what it says itself, and what batch.yaml says where it is silent or overridden.

    Parameters
    ----------
    entry, facts : FileEntry, RawFacts
        What batch.yaml and the file say.
    stated_tilts_deg : tuple of float or None
        Tilt angles that batch.yaml gives, itself or in a file that it names.

    Raises
    ------
    Refusal
        If they disagree by more than 1 % (angles: half a degree), or batch.yaml calls a file uncalibrated that is not,
        and batch.yaml gives no reason to override the file; or if neither gives the pixel size of an image that is not
        declared uncalibrated.
    """
    if entry.calibration_override_reason is None:
        _check_agreement(entry, facts)
    numbers = {name: _pick(entry, facts, name) for name in STATED}
    source, reason = _pixel_size_source(entry, facts.acquisition.pixel_size_nm)
    if source == "uncalibrated":
        numbers["pixel_size_nm"] = None
        if entry.modality in IMAGE_MODALITIES and not entry.uncalibrated:
            raise _uncalibrated(facts)
    own = facts.acquisition.model_dump(include={"row_order", "stage_x_nm", "stage_y_nm"})
    return Agreed(
        acquisition=Acquisition.model_validate({**numbers, **own}),
        source=source,
        reason=reason,
        tilt_angles_deg=_agreed_tilts(entry, facts, stated_tilts_deg),
    )


def _pick(entry: FileEntry, facts: RawFacts, name: str) -> float | None:
    stated, found = getattr(entry, name), getattr(facts.acquisition, name)
    is_overridden = stated is not None and not _agree(name, stated, found)
    return stated if found is None or is_overridden else found


def _agree(name: str, stated: float | None, found: float | None) -> bool:
    if stated is None or found is None:
        return True
    if name.endswith("_deg"):
        return abs(stated - found) <= ANGLE_TOLERANCE_DEG
    return abs(stated - found) <= RELATIVE_TOLERANCE * abs(found)


def _check_agreement(entry: FileEntry, facts: RawFacts) -> None:
    conflicts = [
        (name, getattr(entry, name), getattr(facts.acquisition, name))
        for name in STATED
        if not _agree(name, getattr(entry, name), getattr(facts.acquisition, name))
    ]
    found_nm = facts.acquisition.pixel_size_nm
    if entry.uncalibrated and found_nm is not None and entry.modality in IMAGE_MODALITIES:
        raise Refusal(
            "calibration_conflict",
            expected="uncalibrated: true only for files that do not know their pixel size",
            got=f"{found_nm:.6g} nm/px in the file",
            advice="Take uncalibrated out of batch.yaml, or say in calibration_override_reason why the file is wrong.",
        )
    if conflicts:
        raise _conflict(
            "; ".join(f"{name} {stated:g} in batch.yaml, {found:g} in the file" for name, stated, found in conflicts)
        )


def _conflict(got: str) -> Refusal:
    return Refusal(
        "calibration_conflict",
        expected="batch.yaml and the file's own metadata to agree within 1 %",
        got=got,
        advice="Take the wrong value out of batch.yaml, or say in calibration_override_reason why it holds.",
    )


def _uncalibrated(facts: RawFacts) -> Refusal:
    return Refusal(
        "uncalibrated",
        expected="the pixel size, in the file or in batch.yaml",
        got=f"none in this {facts.format}",
        advice="Give pixel_size_nm in batch.yaml, or uncalibrated: true to measure in pixels.",
    )


def _pixel_size_source(entry: FileEntry, found_nm: float | None) -> tuple[CalibrationSource, str | None]:
    stated_nm, reason = entry.pixel_size_nm, entry.calibration_override_reason
    if entry.uncalibrated:
        return "uncalibrated", reason
    if found_nm is None:
        return ("uncalibrated", None) if stated_nm is None else ("batch.yaml", reason)
    return ("file", None) if _agree("pixel_size_nm", stated_nm, found_nm) else ("override", reason)


def _agreed_tilts(entry: FileEntry, facts: RawFacts, stated_deg: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if entry.modality != "tilt_series":
        return None
    found_deg = facts.tilt_angles_deg
    angles_deg = found_deg if stated_deg is None else stated_deg
    if angles_deg is None:
        raise Refusal(
            "no_tilt_angles",
            expected="the tilt of each frame, in the file, beside it or in batch.yaml",
            got="none",
            advice="Put a .rawtlt file of the same name beside it, or give tilt_angles_file or tilt_angles_deg.",
        )
    if len(angles_deg) != facts.n_frames:
        raise Refusal(
            "tilt_count", expected=f"{facts.n_frames} tilt angles, one a frame", got=f"{len(angles_deg)} tilt angles"
        )
    if stated_deg is not None and found_deg is not None and entry.calibration_override_reason is None:
        _check_tilts(stated_deg, found_deg)
    return angles_deg


def _check_tilts(stated_deg: tuple[float, ...], found_deg: tuple[float, ...]) -> None:
    apart = [at for at, pair in enumerate(zip(stated_deg, found_deg, strict=True)) if not _agree("tilt_deg", *pair)]
    if apart:
        at = apart[0]
        raise _conflict(f"frame {at}: {stated_deg[at]:g} deg in batch.yaml, {found_deg[at]:g} deg in the file")
