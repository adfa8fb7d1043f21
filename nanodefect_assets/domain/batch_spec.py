"""What people say of a batch in its batch.yaml."""

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from nanodefect_assets.domain.anchors import check_anchor
from nanodefect_assets.domain.globs import check_relative, is_pattern, matches, same_form
from nanodefect_assets.domain.keys import END, aliquot_key, check_batch_key
from nanodefect_assets.domain.lengths import LARGEST_PIXEL_NM, SMALLEST_PIXEL_NM, angstrom_per_unit
from nanodefect_assets.domain.manifest import Acquisition, Chirality, Condition, FileModality, Lattice
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.synthesis_conditions import ConditionsSpec, SpecPart
from nanodefect_assets.domain.tile_map import GridSpec, StageSense

IMAGE_MODALITIES: tuple[FileModality, ...] = ("hrtem", "hrstem", "sem", "tilt_series")
"""Modalities whose files need a calibration."""

_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "tilt_angles_deg": ("tilt_series",),
    "tilt_angles_file": ("tilt_series",),
    "second_scan_of": ("tilt_series",),
    "aligned": ("tilt_series",),
    "standard": ("tilt_series",),
    "image_before": ("tilt_series",),
    "image_after": ("tilt_series",),
    "lattice": ("standard",),
    "length_unit": ("coordinates",),
    "label_of": ("labels",),
    "particle_values": ("labels",),
    "uncalibrated": IMAGE_MODALITIES,
    "positions": MODALITIES,
    "position_override_reason": MODALITIES,
    "grid": MODALITIES,
    "map": MODALITIES,
    "stage": MODALITIES,
}

RelativePath = Annotated[str, AfterValidator(check_relative)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PixelSizeNm = Annotated[float, Field(ge=SMALLEST_PIXEL_NM, le=LARGEST_PIXEL_NM, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
AliquotKey = Annotated[str, AfterValidator(aliquot_key)]


def _problem(loc: tuple[str | int, ...], expected: str, got: object) -> InitErrorDetails:
    error = PydanticCustomError("spec", "expected {expected}, got {got}", {"expected": expected, "got": str(got)})
    return InitErrorDetails(type=error, loc=loc, input=got)


def _raise(name: str, problems: list[InitErrorDetails]) -> None:
    if problems:
        raise ValidationError.from_exception_data(name, problems)


class FileEntry(SpecPart):
    """One file, or the files that fit a pattern, and what their own metadata lack."""

    path: RelativePath = Field(description="File or pattern below the batch's folder: 8h/*.tif, or ** for any folders.")
    modality: FileModality = Field(description="What the file holds.")
    aliquot: AliquotKey | None = Field(
        default=None, description="Growth time of its aliquot, such as 8 h or 45 s r2; end for the product."
    )
    simulated: bool | None = Field(default=None, description="Whether a computer made it; the batch's own if not said.")
    pixel_size_nm: PixelSizeNm | None = Field(default=None, description="Edge of a pixel, in nanometres.")
    uncalibrated: bool = Field(default=False, description="true: the pixel size is not known; sizes stay in pixels.")
    calibration_override_reason: str | None = Field(
        default=None, min_length=3, description="Why the values here hold although the file's own metadata disagree."
    )
    position_override_reason: str | None = Field(
        default=None,
        min_length=3,
        description="Why the table of positions or the grid holds although the files' own positions disagree.",
    )
    voltage_kv: Positive | None = Field(default=None, description="Acceleration voltage, in kilovolts.")
    dose_e_per_nm2: Positive | None = Field(default=None, description="Dose, in electrons per square nanometre.")
    exposure_s: Positive | None = Field(default=None, description="Exposure or dwell of a frame, in seconds.")
    magnification: Positive | None = Field(default=None, description="Magnification that the microscope states.")
    stage_tilt_deg: Angle | None = Field(default=None, description="Tilt of the stage, in degrees.")
    tilt_axis_deg: Angle | None = Field(
        default=None,
        description="Tilt axis in the image as it was seen, degrees from vertical, counterclockwise, as in SerialEM.",
    )
    tilt_angles_deg: tuple[Angle, ...] | None = Field(
        default=None, min_length=1, max_length=10_000, description="Tilt of each frame of a tilt series, in degrees."
    )
    tilt_angles_file: RelativePath | None = Field(default=None, description="Text file of these angles, one a line.")
    second_scan_of: RelativePath | None = Field(
        default=None,
        description="For the tilt series of second scans, turned by 90 degrees: the series of the first scans, at 0.",
    )
    aligned: bool = Field(
        default=False, description="true: the tilt series was aligned before it came; it is taken as it is."
    )
    standard: RelativePath | None = Field(
        default=None,
        description="For a tilt series: the image of a standard sample, by which the scan's stretch and shear are "
        "mended.",
    )
    lattice: Lattice | None = Field(
        default=None, description="For a standard: two equal periods at 90 degrees (square) or at 120 (hexagonal)."
    )
    image_before: RelativePath | None = Field(
        default=None, description="For a tilt series: an image of the sample before it, to be compared with the next."
    )
    image_after: RelativePath | None = Field(
        default=None, description="For a tilt series: an image of the sample after it, at the same tilt."
    )
    length_unit: str | None = Field(
        default=None, max_length=40, description="Unit of coordinates: angstrom, nm, or as 0.3434 angstrom."
    )
    positions: RelativePath | None = Field(
        default=None, description="Table (CSV, TSV) of the stage positions of the tiles of a map: file, x_um, y_um."
    )
    grid: GridSpec | None = Field(default=None, description="For FEI Maps tiles without positions: their overlap.")
    map: str | None = Field(
        default=None, min_length=1, max_length=200, description="Map that the tiles are of; else the entry's own."
    )
    stage: StageSense = Field(
        default_factory=StageSense, description="Which way the stage's axes go in the image: x right and y up."
    )
    row_order: Literal["top", "bottom"] | None = Field(
        default=None, description="Whether the file's first row is the top or the bottom of the image as it was seen."
    )
    label_of: RelativePath | None = Field(
        default=None, description="For labels: the micrograph that they label, where the names do not tell."
    )
    particle_values: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="For class labels: the values that are particle; without it, all but 0."
    )

    _line: int | None = PrivateAttr(default=None)

    @field_validator("length_unit")
    @classmethod
    def _check_length_unit(cls, text: str | None) -> str | None:
        if text is not None:
            angstrom_per_unit(text)
        return text

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [
            _problem((name,), f"{name} only for {' or '.join(modalities)}", f"modality {self.modality}")
            for name, modalities in _ONLY_FOR.items()
            if name in self.model_fields_set and getattr(self, name) and self.modality not in modalities
        ]
        if self.uncalibrated and self.pixel_size_nm is not None:
            problems.append(_problem(("uncalibrated",), "either a pixel size or uncalibrated: true", "both"))
        if self.tilt_angles_deg is not None and self.tilt_angles_file is not None:
            problems.append(_problem(("tilt_angles_file",), "tilt_angles_deg or tilt_angles_file", "both"))
        if self.second_scan_of is not None and is_pattern(self.path):
            got = f"the pattern {self.path}"
            problems.append(_problem(("second_scan_of",), "one series of second scans for one of first scans", got))
        if self.standard is not None and (self.aligned or self.second_scan_of is not None):
            got = "a series that came aligned" if self.aligned else "second scans"
            problems.append(_problem(("standard",), "standard with the series of first scans, as it was detected", got))
        if self.modality == "standard" and self.lattice is None:
            problems.append(_problem(("lattice",), "lattice: square or hexagonal, for a standard", "none"))
        if (self.image_before is None) != (self.image_after is None):
            problems.append(_problem(("image_after",), "image_before and image_after, or neither", "one alone"))
        if self.positions is not None and self.grid is not None:
            problems.append(_problem(("grid",), "positions or grid", "both"))
        if self.label_of is not None and is_pattern(self.path):
            problems.append(_problem(("label_of",), "one label file for one micrograph", f"the pattern {self.path}"))
        _raise("FileEntry", problems)
        return self

    @property
    def map_name(self) -> str:
        """Map that files of the entry are tiles of, within their aliquot."""
        return self.map or self.path

    @property
    def line(self) -> int | None:
        """Line of batch.yaml where the entry stands, where it was read from one."""
        return self._line

    def set_line(self, line: int) -> None:
        """Note the line of batch.yaml where the entry stands; the reader of batch.yaml does this."""
        self._line = line

    @property
    def where(self) -> str:
        """The entry as errors name it."""
        return f"{self.path!r}" + (f" (line {self._line})" if self._line else "")


STATED: tuple[str, ...] = tuple(
    name for name in Acquisition.model_fields if name not in ("row_order", "stage_x_nm", "stage_y_nm")
)
"""Numbers of an `Acquisition` that a file and batch.yaml can both state; positions come in a table of their own."""


class AliquotEntry(SpecPart):
    """One aliquot drawn from the batch."""

    time: AliquotKey = Field(description="Growth time: 45 s, 90 min, 8 h, 2 d; or end for the product.")
    replicate: int | None = Field(default=None, ge=1, le=99, description="Number among aliquots of one time, from 1.")
    conditions: ConditionsSpec = Field(default_factory=ConditionsSpec, description="Conditions of this aliquot alone.")

    @model_validator(mode="after")
    def _check_replicate(self) -> Self:
        if self.replicate is not None and (self.time == END or "-r" in self.time):
            _raise("AliquotEntry", [_problem(("replicate",), "a replicate beside a plain growth time", self.time)])
        return self

    @property
    def key(self) -> str:
        """Aliquot key, with its replicate."""
        return self.time if self.replicate in (None, 1) else f"{self.time}-r{self.replicate}"


class ChiralityEntry(SpecPart):
    """What is known beforehand of a chiral batch."""

    anchors: tuple[Annotated[str, AfterValidator(check_anchor)], ...] = Field(
        default=(), description="Particles whose hand is known: a.tif 120,340 right (row, column), or a.tif#3 left."
    )
    expected_minority_share: float | None = Field(
        default=None, ge=0, le=0.5, description="Share of the rarer hand that the synthesis should give, 0 to 0.5."
    )
    true_enantiomers: bool | None = Field(default=None, description="Whether the two hands are true mirror images.")
    one_particle_per_image: bool = Field(
        default=False, description="true: the sem images are ready-cut crops, zero around their particle."
    )


class BatchSpec(SpecPart):
    """A batch.yaml: what was made, how, and which files hold what.

    An entry of `files` that names a file exactly goes before patterns; where none does, exactly one pattern may fit.
    """

    batch: Annotated[str, AfterValidator(check_batch_key)] = Field(
        description="Id of the batch: lower-case letters, digits and hyphens; the same as its folder's name."
    )
    material: str | None = Field(default=None, max_length=200, description="What was made, such as Pd or Pd@Pt.")
    operator: str | None = Field(default=None, max_length=200, description="Who made it.")
    robot_run_id: str | None = Field(default=None, max_length=200, description="Run of the synthesis robot.")
    note: str | None = Field(default=None, max_length=10_000, description="Anything else.")
    simulated: bool = Field(default=False, description="Whether a computer made all of it.")
    conditions: ConditionsSpec = Field(default_factory=ConditionsSpec, description="Conditions of the whole batch.")
    aliquots: tuple[AliquotEntry, ...] = Field(
        default=(), description="Aliquots drawn; without it, those that the files name."
    )
    chirality: ChiralityEntry | None = Field(default=None, description="For chiral batches.")
    files: tuple[FileEntry, ...] = Field(min_length=1, max_length=20_000, description="Which files hold what.")

    @cached_property
    def _by_path(self) -> dict[str, list[FileEntry]]:
        by_path: dict[str, list[FileEntry]] = {}
        for entry in self.files:
            by_path.setdefault(same_form(entry.path), []).append(entry)
        return by_path

    @cached_property
    def _patterns(self) -> tuple[FileEntry, ...]:
        return tuple(entry for entry in self.files if is_pattern(entry.path))

    @field_validator("material", "operator", "robot_run_id", "note")
    @classmethod
    def _empty_is_nothing(cls, text: str | None) -> str | None:
        return (text or "").strip() or None

    @model_validator(mode="after")
    def _check_aliquots(self) -> Self:
        declared = [aliquot.key for aliquot in self.aliquots]
        problems = [
            _problem(("aliquots", at, "time"), "each aliquot once", f"{key} twice; number them with replicate")
            for at, key in enumerate(declared)
            if key in declared[:at]
        ]
        for at, entry in enumerate(self.files):
            key = self.aliquot_of(entry)
            if declared and key not in declared:
                got = f"{entry.aliquot or 'none'}; declared are {', '.join(declared)}"
                problems.append(_problem(("files", at, "aliquot"), "one of the aliquots declared above", got))
        _raise("BatchSpec", problems)
        return self

    @model_validator(mode="after")
    def _check_maps(self) -> Self:
        first_of: dict[tuple[str, str], FileEntry] = {}
        problems = []
        for at, entry in enumerate(self.files):
            if entry.map is not None:
                first = first_of.setdefault((entry.map, self.aliquot_of(entry)), entry)
                if (first.grid, first.stage) != (entry.grid, entry.stage):
                    problems.append(_problem(("files", at, "map"), "entries of one map with one grid and stage", "two"))
        _raise("BatchSpec", problems)
        return self

    @model_validator(mode="after")
    def _check_conditions(self) -> Self:
        self.condition_rows()
        return self

    def aliquot_of(self, entry: FileEntry) -> str:
        """Return the aliquot of an entry: the one it names, else the only one declared, else `END`."""
        if entry.aliquot is not None:
            return entry.aliquot
        return self.aliquots[0].key if len(self.aliquots) == 1 else END

    def aliquot_keys(self) -> tuple[str, ...]:
        """Return the aliquots declared, or those that the files name, by time."""
        keys = [aliquot.key for aliquot in self.aliquots] or [self.aliquot_of(entry) for entry in self.files]
        return tuple(sorted(set(keys)))

    def condition_rows(self) -> tuple[Condition, ...]:
        """Return the conditions of the batch and then those of its aliquots."""
        of_aliquots = (row for aliquot in self.aliquots for row in aliquot.conditions.rows(aliquot.key))
        return (*self.conditions.rows(), *of_aliquots)

    def manifest_chirality(self) -> Chirality | None:
        """Return what is known beforehand of a chiral batch, as the manifest has it."""
        return None if self.chirality is None else Chirality.model_validate(self.chirality.model_dump())

    def entry_for(self, path: str) -> FileEntry | None:
        """Return the entry that declares the file `path`, or None if none does.

        Raises
        ------
        Refusal
            If two entries declare it equally well.
        """
        exact = self._by_path.get(same_form(path), [])
        fitting = exact or [entry for entry in self._patterns if matches(entry.path, path)]
        if len(fitting) > 1:
            raise Refusal(
                "declared_twice",
                expected="one entry of batch.yaml for the file",
                got=" and ".join(entry.where for entry in fitting),
                file=path,
                advice="Make the patterns exclude one another, or name the file exactly in one entry: that goes first.",
            )
        return fitting[0] if fitting else None
