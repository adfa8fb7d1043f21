"""Free parameters of segmentation and measurement. Lengths in px hold always, lengths in nm where there is a scale."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nanodefect_assets.science.imaging.params import InstanceParams

ClassicalMethod = Literal["otsu_intensity", "otsu_local_std", "fourier", "fourier_annulus"]
"""Ways to find particles without a network."""


class LatticeParams(BaseModel):
    """Free parameters of `find_fringes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coherence: float = Field(
        default=0.85,
        gt=0.2,
        le=20,
        description="Fringes over which a lattice is averaged: standard deviation, in periods of the coarsest.",
    )
    energy_smoothing: float = Field(
        default=1.0, gt=0, le=20, description="Blur of the energy of fringes, in units of the length averaged over."
    )
    false_alarm: float = Field(
        default=1e-3, gt=0, lt=0.5, description="Share of featureless support that may pass for fringes."
    )
    seed_fraction: float = Field(
        default=0.8, gt=0, le=1, description="A part with fringes reaches down to this fraction of the threshold."
    )
    edge_fraction: float = Field(
        default=0.2, ge=0, lt=1, description="And down to this fraction of its own median energy."
    )
    n_spacings: int = Field(default=8, ge=1, le=50, description="Spacings of a known material that are looked for.")
    n_bands: int = Field(default=3, ge=1, le=20, description="Bands that are looked for in an unknown material.")
    highest_frequency: float = Field(
        default=0.42, gt=0, lt=0.5, description="Finest fringes, in cycles per pixel; beyond Nyquist's 0.5 are none."
    )


class AnnulusParams(BaseModel):
    """Free parameters of `filter_annulus`; the defaults are the published ones, for patches of 512 pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    annulus: Literal["removed", "kept"] = Field(
        default="removed", description="What becomes of the annulus of the Fourier transform."
    )
    annulus_inner_px: float = Field(default=50.0, ge=0, description="Inner radius, in pixels of the transform.")
    annulus_outer_px: float = Field(default=100.0, gt=0, description="Outer radius, in pixels of the transform.")
    annulus_smoothing_px: float = Field(
        default=2.0, ge=0, le=50, description="Standard deviation of the blur of the filtered image."
    )


class SegmentationParams(LatticeParams, AnnulusParams):
    """Free parameters of `segment_particles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["auto", "otsu_intensity", "otsu_local_std", "fourier", "fourier_annulus"] = Field(
        default="auto",
        description="How particles are told from support. auto: Otsu's threshold of the local standard deviation for "
        "hrtem, of the intensity otherwise. fourier: energy of lattice fringes. fourier_annulus: the published filter.",
    )
    polarity: Literal["auto", "bright", "dark"] = Field(
        default="auto",
        description="Whether particles have more or less of that quantity than their support. "
        "auto: more for the local standard deviation; for intensity, the outermost class that does not run "
        "around the frame; if neither does, as with support there and vacuum in its holes, the smaller one.",
    )
    n_classes: int = Field(
        default=2,
        ge=2,
        le=5,
        description="Classes in which Otsu parts the image; particles are the brightest or darkest. More than 2 for "
        "small, very bright particles on a support over vacuum.",
    )
    smoothing_px: float = Field(
        default=1.0, ge=0, le=50, description="Standard deviation of the Gaussian blur before Otsu on intensity."
    )
    window_px: int = Field(
        default=41, ge=3, le=1001, description="Window of the local standard deviation; an even one is made odd."
    )
    window_nm: float | None = Field(
        default=1.0,
        gt=0,
        description="Replaces window_px where the micrograph is calibrated; about four lattice fringes. None: never.",
    )
    opening_radius_px: int = Field(
        default=1, ge=0, le=100, description="Radius of the opening that cuts thin bridges and specks; 0 for none."
    )
    max_hole_fraction: float = Field(
        default=0.25,
        ge=0,
        description="Holes up to this fraction of the area of the particle around them are filled; 0 fills none.",
    )
    min_diameter_px: float = Field(
        default=8.0, ge=0, description="Smallest particle kept, as the diameter of an equal disc."
    )
    min_diameter_nm: float = Field(
        default=1.0, ge=0, description="The same where the micrograph is calibrated; both hold."
    )

    @classmethod
    def thesis(cls) -> "SegmentationParams":
        """Return the published Fourier filter: an annulus, a blur, a threshold and no clean-up."""
        return cls(
            method="fourier_annulus", opening_radius_px=0, max_hole_fraction=0, min_diameter_px=0, min_diameter_nm=0
        )

    def smallest_diameter_px(self, pixel_size_nm: float | None) -> float:
        """Return the smallest equivalent diameter kept in a micrograph, in pixels; its scale in nm, None for none."""
        if pixel_size_nm is None:
            return self.min_diameter_px
        return max(self.min_diameter_px, self.min_diameter_nm / pixel_size_nm)


class TilingParams(BaseModel):
    """Free parameters of `class_probabilities`: how an image is cut up for a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile_px: int = Field(
        default=1408, ge=16, le=16384, description="Largest edge of a tile; smaller ones may fit better."
    )
    overlap_px: int = Field(default=64, ge=1, le=4096, description="Pixels that neighbouring tiles share.")
    margin_px: int = Field(
        default=0, ge=0, le=2048, description="Outermost pixels of a tile that are not used, for want of surroundings."
    )
    multiple_px: int = Field(
        default=32, ge=1, le=1024, description="Edges of tiles are multiples of this, as pooling networks need them."
    )
    batch: int = Field(default=1, ge=1, le=1024, description="Tiles given to the network at a time.")

    @model_validator(mode="after")
    def _check_overlap(self) -> "TilingParams":
        if self.overlap_px <= 2 * self.margin_px:
            raise ValueError(
                f"Expected overlap_px above twice margin_px={self.margin_px}, so that tiles can be blended. "
                f"Got {self.overlap_px}."
            )
        return self


class NetworkParams(TilingParams, InstanceParams):
    """Free parameters of `segment_by_network`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_transforms: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Turns and mirror images of each tile that are averaged; more take so much longer.",
    )


class GateParams(BaseModel):
    """What becomes of a micrograph that is unlike the training of the model in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segmenter: Literal["auto", "network", "classical"] = Field(
        default="auto",
        description="auto: the model in use for the modalities that it was trained on, a classical method for others. "
        "network: the model in use for all. classical: never a model.",
    )
    tuned_method: Literal["none", "otsu_intensity", "otsu_local_std", "fourier"] = Field(
        default="none",
        description="Unless none: find the particles of all micrographs by this method, with the parameters that "
        "hrtem/classical_segmenters tuned last; goes before segmenter and method.",
    )
    when_unlike: Literal["flag", "withhold", "classical"] = Field(
        default="flag",
        description="What becomes of a micrograph unlike the model's training. flag: segmented, and marked in the "
        "table masks. withhold: set aside. classical: segmented by the classical method.",
    )
    uncalibrated_is_unlike: bool = Field(
        default=True, description="Whether a micrograph without a pixel size counts as unlike the training."
    )
    gate_false_alarm: float = Field(
        default=0.01,
        gt=0,
        le=0.5,
        description="Share of micrographs like the training that may be taken for unlike it, by spectrum and grey "
        "levels.",
    )


class ParticleParams(BaseModel):
    """Free parameters of `measure_particles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_area_px: int = Field(default=1, ge=1, description="Labels of fewer pixels are not measured.")

    @property
    def smallest_diameter_px(self) -> float:
        """The smallest equivalent diameter measured, in pixels."""
        return math.sqrt(4 * self.min_area_px / math.pi)
