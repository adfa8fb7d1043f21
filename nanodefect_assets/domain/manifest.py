"""What was accepted of a batch: the manifest of one revision."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.domain.keys import Place

FileModality = Literal["hrtem", "hrstem", "sem", "tilt_series", "standard", "coordinates", "labels"]
"""What a file of a batch holds."""

Lattice = Literal["square", "hexagonal"]
"""What a standard sample looks like along the beam: two equal periods at 90 or at 120 degrees."""

CalibrationSource = Literal["file", "batch.yaml", "override", "correction", "uncalibrated"]

PositionSource = Literal["file", "table", "override", "grid"]
"""Where the position of a tile comes from: its own metadata, a table, a table against them, or its name in a grid."""

FARTHEST_NM = 1e9
"""Largest coordinate that a stage can have: a metre."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Record):
    """One synthesis condition of a batch (``aliquot`` is None) or of one aliquot."""

    name: str
    value: float | None = None
    unit: str | None = None
    text_value: str | None = None
    aliquot: str | None = None


class Acquisition(_Record):
    """How an image was taken, as far as the file or batch.yaml tells; each value None where neither does.

    Numbers are in the units of their names. ``row_order`` is where the file's first row lies in the image as it was
    seen: readers turn ``bottom`` ones, because a flipped image inverts every handedness. The stage position is that of
    the centre of the image, in the stage's own axes.
    """

    pixel_size_nm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    voltage_kv: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    dose_e_per_nm2: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    exposure_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    magnification: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    stage_tilt_deg: float | None = Field(default=None, ge=-360, le=360, allow_inf_nan=False)
    tilt_axis_deg: float | None = Field(default=None, ge=-360, le=360, allow_inf_nan=False)
    stage_x_nm: float | None = Field(default=None, ge=-FARTHEST_NM, le=FARTHEST_NM, allow_inf_nan=False)
    stage_y_nm: float | None = Field(default=None, ge=-FARTHEST_NM, le=FARTHEST_NM, allow_inf_nan=False)
    row_order: Literal["top", "bottom"] = "top"


class MapPlace(_Record):
    """Where the centre of a tile lies in its map: x to the right along columns, y down along rows, in nanometres.

    Only differences between tiles of one map mean anything.
    """

    name: str = Field(description="Map within the aliquot: as batch.yaml names it, else the path of the entry.")
    x_nm: float = Field(allow_inf_nan=False)
    y_nm: float = Field(allow_inf_nan=False)
    source: PositionSource


class ManifestFile(_Record):
    """One accepted file."""

    path: str = Field(description="Path below the batch's folder, with forward slashes.")
    sha256: str
    size_bytes: int
    modality: FileModality
    aliquot: str
    is_simulated: bool = False
    shape: tuple[int, ...] | None = None
    acquisition: Acquisition = Acquisition()
    calibration_source: CalibrationSource = "uncalibrated"
    calibration_reason: str | None = None
    tilt_angles_deg: tuple[float, ...] | None = None
    second_scan_of: str | None = Field(
        default=None, description="For a tilt series scanned at 90 degrees: path of that of the scans at 0 degrees."
    )
    is_aligned: bool = Field(default=False, description="Whether a tilt series was aligned before it came.")
    standard: str | None = Field(
        default=None, description="For a tilt series: path of the image that shows what the scan coils do to a lattice."
    )
    lattice: Lattice | None = Field(default=None, description="For the image of a standard sample: its lattice.")
    image_before: str | None = Field(
        default=None, description="For a tilt series: path of an image of the sample taken before it."
    )
    image_after: str | None = Field(default=None, description="Of one taken after it, at the same tilt.")
    given_alignment: str | None = Field(
        default=None, description="Table that stands in for the computed alignment, kept with the corrections."
    )
    length_unit: str | None = None
    label_of: str | None = Field(default=None, description="For labels: path of the micrograph that they label.")
    particle_values: tuple[int, ...] | None = Field(
        default=None, description="For class labels: the values that are particle. None: every value but 0."
    )
    drawn_mask: str | None = Field(
        default=None, description="Mask drawn by hand that stands in for the segmenter's, kept with the corrections."
    )
    map_place: MapPlace | None = None
    since_revision: str


class RefusedFile(_Record):
    """One file that was not accepted, with the reason."""

    path: str
    reason: str
    expected: str
    got: str
    advice: str = ""


class Chirality(_Record):
    """What is known beforehand of a chiral batch."""

    expected_minority_share: float | None = Field(default=None, ge=0, le=0.5)
    true_enantiomers: bool | None = None
    anchors: tuple[str, ...] = ()
    one_particle_per_image: bool = False


class Manifest(_Record):
    """What was accepted of a batch, in one revision of it."""

    kind: Literal["manifest"] = "manifest"
    version: Literal[1] = 1
    batch: str
    revision: str
    fingerprint: str = Field(description="SHA-256 over batch.yaml and over the names and bytes of all files dropped.")
    material: str | None = None
    operator: str | None = None
    robot_run_id: str | None = None
    note: str | None = None
    chirality: Chirality | None = None
    conditions: tuple[Condition, ...] = ()
    aliquots: tuple[str, ...] = ()
    files: tuple[ManifestFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()

    def cells(self) -> tuple[Place, ...]:
        """Return the samples that exist: the aliquots with at least one accepted file."""
        aliquots = sorted({file.aliquot for file in self.files})
        return tuple(Place(batch=self.batch, aliquot=aliquot) for aliquot in aliquots)

    def files_of(self, aliquot: str) -> tuple[ManifestFile, ...]:
        """Return the accepted files of one aliquot, in the order of their paths."""
        return tuple(sorted((file for file in self.files if file.aliquot == aliquot), key=lambda file: file.path))
