"""What people put right after a batch was accepted: entries that are added and never edited, and what follows."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nanodefect_assets.domain.globs import matches
from nanodefect_assets.domain.lengths import LARGEST_PIXEL_NM, SMALLEST_PIXEL_NM, angstrom_per_unit
from nanodefect_assets.domain.manifest import Manifest, ManifestFile, MapPlace
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.refusal import Refusal, shortened

CorrectionKind = Literal["veto", "restore", "calibration", "mask", "alignment", "retract", "reinstate", "rename"]
"""What an entry does.

veto, restore: a file is left out, or taken in again. calibration: another pixel size. mask: a mask drawn by hand
stands in for the segmenter's. alignment: a table stands in for the computed shifts, factors and angles of a tilt
series. retract, reinstate: the whole batch is left out, or taken in again. rename: it goes on under another id.
"""

CORRECTION_KINDS: tuple[str, ...] = get_args(CorrectionKind)
_OF_FILES = ("veto", "restore", "calibration", "mask", "alignment")
_WITH_FILE = ("mask", "alignment")
_WITH_VALUE = ("calibration", *_WITH_FILE, "rename")


class Correction(BaseModel):
    """One entry.

    A later entry about the same thing takes the place of an earlier one: `restore` of `veto`, `reinstate` of `retract`,
    another `calibration` or `mask` of the one before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1, description="Number within the batch.")
    kind: CorrectionKind
    target: str | None = Field(default=None, description="Path or pattern below the batch's folder, for files.")
    value: str | None = Field(
        default=None,
        description="calibration: pixel size in nm; mask, alignment: file kept with the correction; rename: new id.",
    )
    reason: str = Field(min_length=3)
    author: str = Field(min_length=1)
    made_at: datetime
    source_sha256: str | None = Field(default=None, description="SHA-256 of the file that the entry came in.")
    source_entry: int | None = Field(default=None, description="Number of the entry in that file, from 0.")

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if (self.kind in _OF_FILES) != (self.target is not None):
            raise ValueError(f"Expected a target for {_OF_FILES} and for nothing else. Got {self.kind}.")
        if (self.kind in _WITH_VALUE) != (self.value is not None):
            raise ValueError(f"Expected a value for {_WITH_VALUE} and for nothing else. Got {self.kind}.")
        if self.kind == "calibration" and self.pixel_size_nm is None:
            raise ValueError(f"Expected a pixel size in nm, above 0 and of a microscope. Got {self.value!r}.")
        return self

    @property
    def has_file(self) -> bool:
        """Whether a file is kept with the entry, which its value names."""
        return self.kind in _WITH_FILE

    @property
    def pixel_size_nm(self) -> float | None:
        """Pixel size of a `calibration`, in nanometres; None for what is none."""
        try:
            number = float(self.value or "")
        except ValueError:
            return None
        return number if SMALLEST_PIXEL_NM <= number <= LARGEST_PIXEL_NM else None

    def among(self, files: Iterable[ManifestFile]) -> tuple[ManifestFile, ...]:
        """Return the files that the entry is about: the one of that very path, else those that fit it as a pattern."""
        return () if self.target is None else files_named(files, self.target)


def files_named(files: Iterable[ManifestFile], target: str) -> tuple[ManifestFile, ...]:
    """Return the file of the path `target`; without one, those that fit it as a pattern."""
    files = tuple(files)
    named = tuple(file for file in files if file.path == target)
    return named or tuple(file for file in files if matches(target, file.path))


class CorrectionLine(BaseModel):
    """One entry of a file of corrections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: CorrectionKind
    target: str | None = None
    value: str | None = None
    mask: str | None = Field(default=None, description="For mask: name of the image beside the file of corrections.")
    table: str | None = Field(default=None, description="For alignment: name of the table beside that file.")
    reason: str = Field(min_length=3)
    author: str | None = Field(default=None, min_length=1)


class CorrectionSheet(BaseModel):
    """A file of corrections, dropped into the landing folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str
    author: str = Field(min_length=1)
    corrections: tuple[CorrectionLine, ...] = Field(min_length=1, max_length=10_000)


def check_pixel_size(value: str) -> None:
    """Refuse what is no pixel size in nanometres.

    Raises
    ------
    Refusal
        If it is no number, or none of a microscope; a length with its unit is told in nanometres.
    """
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not SMALLEST_PIXEL_NM <= number <= LARGEST_PIXEL_NM:
        raise Refusal(
            "bad_pixel_size",
            expected=f"a pixel size in nm, as a number from {SMALLEST_PIXEL_NM:g} to {LARGEST_PIXEL_NM:g}",
            got=repr(shortened(value, 40)),
            advice=_in_nm(value),
        )


def _in_nm(value: str) -> str:
    """Say how a length with its unit is written as a number of nanometres."""
    try:
        length_nm = angstrom_per_unit(value) / 10
    except Refusal:  # no length at all
        return "Write it without a unit, such as 0.0214."
    return f"Write it without a unit: {length_nm:.6g}."


def new_id_of(corrections: Iterable[Correction]) -> str | None:
    """Return the id under which a batch goes on; None if it was not renamed."""
    return next((correction.value for correction in corrections if correction.kind == "rename"), None)


_WANTED = {"mask": "one micrograph, alone in its file,", "alignment": "one tilt series, that of first scans of a pair,"}


def check_applies(correction: Correction, manifest: Manifest, earlier: Iterable[Correction] = ()) -> None:
    """Refuse an entry that is about nothing in the batch.

    Raises
    ------
    Refusal
        If no file fits its target, if a mask or an alignment is for other than one file, or if the batch was
        renamed.
    """
    if (new_id := new_id_of(earlier)) is not None:
        raise Refusal(
            "batch_was_renamed",
            expected=f"a batch that was not renamed, not {manifest.batch}",
            got=f"{manifest.batch}, which goes on as {new_id}",
            advice=f"Correct {new_id}.",
        )
    if correction.target is None:
        return
    fitting = list(correction.among(manifest.files))
    if correction.kind == "calibration":
        _check_has_pixels(correction, fitting)
        fitting = [file for file in fitting if file.modality in (*MODALITIES, "tilt_series", "comparison")]
    if correction.kind == "mask":
        fitting = [file for file in fitting if file.modality in MODALITIES and _is_single_image(file)]
    if correction.kind == "alignment":
        fitting = [file for file in fitting if file.modality == "tilt_series" and file.second_scan_of is None]
    if not fitting or (correction.has_file and len(fitting) != 1):
        raise Refusal(
            "no_such_file",
            expected=f"{_WANTED.get(correction.kind, 'accepted files')} of {manifest.batch}",
            got=f"{len(fitting)} that fit {correction.target!r}",
            advice="Paths are those below the batch's folder; see: SELECT path FROM files.",
        )


def _check_has_pixels(correction: Correction, fitting: Sequence[ManifestFile]) -> None:
    """Refuse a pixel size for coordinates: their unit is said when they are dropped."""
    atoms = [file.path for file in fitting if file.modality == "coordinates"]
    if atoms and len(atoms) == len(fitting):
        raise Refusal(
            "no_pixels",
            expected="images or tilt series, which have pixels",
            got=f"the coordinates {shortened(', '.join(atoms), 120)}",
            advice="Write its length_unit in batch.yaml, nm or such as '0.3434 angstrom', and drop the batch again.",
        )


def _is_single_image(file: ManifestFile) -> bool:
    return file.shape is not None and len(file.shape) == 2


def in_force(corrections: Iterable[Correction]) -> frozenset[int]:
    """Return the numbers of the entries that no later entry has replaced."""
    last: dict[tuple[str, str | None], int] = {}
    for correction in sorted(corrections, key=lambda entry: entry.number):
        last[_subject(correction)] = correction.number
    return frozenset(last.values())


def _subject(correction: Correction) -> tuple[str, str | None]:
    """Return what an entry decides about: two entries of one subject cannot both hold."""
    subjects = {"veto": "presence", "restore": "presence", "retract": "batch", "reinstate": "batch", "rename": "batch"}
    return subjects.get(correction.kind, correction.kind), correction.target


def changes_nothing(correction: Correction, manifest: Manifest, earlier: Iterable[Correction]) -> Correction | None:
    """Return the entry that an entry only says again; None if it changes something, also of files still to come.

    That is the last entry about the same target, if it is of the same kind and all files stay as they are.
    """
    earlier = sorted(earlier, key=lambda entry: entry.number)
    same = [entry for entry in earlier if _subject(entry) == _subject(correction)]
    if not same or same[-1].kind != correction.kind:
        return None
    before, after = (apply_corrections(manifest, entries) for entries in (earlier, [*earlier, correction]))
    return same[-1] if _without_reasons(before) == _without_reasons(after) else None


def _without_reasons(manifest: Manifest) -> list[ManifestFile]:
    return [file.model_copy(update={"calibration_reason": None}) for file in manifest.files]


def apply_corrections(manifest: Manifest, corrections: Iterable[Correction]) -> Manifest:
    """Return the manifest as people have put it right.

    A batch that was retracted or renamed has no files; a file that was vetoed is left out, and so are its labels.
    """
    files = manifest.files
    is_out = False
    vetoed: set[str] = set()
    for correction in sorted(corrections, key=lambda entry: entry.number):
        about = {file.path for file in correction.among(files)}
        if correction.kind in ("retract", "reinstate", "rename"):
            is_out = correction.kind != "reinstate"
        elif correction.kind == "veto":
            vetoed |= about
        elif correction.kind == "restore":
            vetoed -= about
        else:
            files = tuple(_corrected(file, correction) if file.path in about else file for file in files)
    if is_out:
        return manifest.model_copy(update={"files": ()})
    kept = tuple(file for file in files if file.path not in vetoed and file.label_of not in vetoed)
    return manifest.model_copy(update={"files": kept})


def _corrected(file: ManifestFile, correction: Correction) -> ManifestFile:
    if correction.kind == "mask":
        return file.model_copy(update={"drawn_mask": correction.value})
    if correction.kind == "alignment":
        return file.model_copy(update={"given_alignment": correction.value})
    acquisition = file.acquisition.model_copy(update={"pixel_size_nm": correction.pixel_size_nm})
    return file.model_copy(
        update={
            "acquisition": acquisition,
            "map_place": _rescaled(file, correction.pixel_size_nm),
            "calibration_source": "correction",
            "calibration_reason": f"{correction.reason} ({correction.author})",
        }
    )


def _rescaled(file: ManifestFile, pixel_size_nm: float | None) -> MapPlace | None:
    """Return the place of a file with another pixel size: a grid is laid out in pixels, a stage is not."""
    place, before_nm = file.map_place, file.acquisition.pixel_size_nm
    if place is None or place.source != "grid" or before_nm is None or pixel_size_nm is None:
        return place
    factor = pixel_size_nm / before_nm
    return place.model_copy(update={"x_nm": place.x_nm * factor, "y_nm": place.y_nm * factor})
