"""Free parameters of segmentation and measurement. Lengths in px hold always, lengths in nm where there is a scale."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SegmentationParams(BaseModel):
    """Free parameters of `segment_particles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["auto", "otsu_intensity", "otsu_local_std"] = Field(
        default="auto",
        description="Quantity that is thresholded. auto: local standard deviation for hrtem, intensity otherwise.",
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

    def smallest_diameter_px(self, pixel_size_nm: float | None) -> float:
        """Return the smallest equivalent diameter kept in a micrograph, in pixels; its scale in nm, None for none."""
        if pixel_size_nm is None:
            return self.min_diameter_px
        return max(self.min_diameter_px, self.min_diameter_nm / pixel_size_nm)


class ParticleParams(BaseModel):
    """Free parameters of `measure_particles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_area_px: int = Field(default=1, ge=1, description="Labels of fewer pixels are not measured.")

    @property
    def smallest_diameter_px(self) -> float:
        """The smallest equivalent diameter measured, in pixels."""
        return math.sqrt(4 * self.min_area_px / math.pi)
