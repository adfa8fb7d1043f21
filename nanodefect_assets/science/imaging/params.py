"""Free parameters of the shared image filters, and of parting particles and counting them once."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class DespikeParams(BaseModel):
    """Free parameters of `remove_spikes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_standard_deviations: float = Field(
        default=5.0,
        gt=0,
        description="A pixel is replaced if it lies further than this many standard deviations from its 3 x 3 median.",
    )
    max_invalid_fraction: float = Field(
        default=0.1, ge=0, lt=1, description="A micrograph with a larger share of pixels without a number is refused."
    )


class OverlapParams(BaseModel):
    """Free parameters of `find_overlaps`, `refine_offset` and `solve_positions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_overlap_px: int = Field(
        default=16, ge=4, description="Tiles whose overlap is narrower than this are not compared, in pixels."
    )
    max_shift_px: float = Field(
        default=40.0, gt=0, description="Farthest that a pair may be moved from where the stage has it, in pixels."
    )
    min_correlation: float = Field(
        default=0.2, gt=0, lt=1, description="Correlation of the overlap from which on a refined offset is believed."
    )
    upsample_factor: int = Field(default=10, ge=1, description="An offset is found to one part in this of a pixel.")
    stage_error_px: float = Field(default=20.0, gt=0, description="Standard deviation of the stage, in pixels.")
    offset_error_px: float = Field(
        default=0.2, gt=0, description="Standard deviation of a refined offset that is believed, in pixels."
    )
    max_residual_px: float = Field(
        default=2.0, gt=0, description="Offsets that contradict the others by more than this are left out, in pixels."
    )


class DuplicateParams(BaseModel):
    """Free parameters of `find_duplicates`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance_px: int = Field(
        default=3, ge=0, description="How far the outlines of one object may differ between two tiles, in pixels."
    )
    min_covered: float = Field(
        default=0.5, ge=0, lt=1, description="Share of an object that the one of the other tile must cover."
    )
    min_joined: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="Share covered from which on two objects are of one cluster, though neither stands for the other.",
    )


class InstanceParams(BaseModel):
    """Free parameters of `separate_particles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(default=0.5, gt=0, lt=1, description="Probability above which a pixel is particle.")
    neck_ratio: float = Field(
        default=0.8,
        gt=0,
        lt=1,
        description="Two parts are two particles where the neck between them is narrower than this fraction of the "
        "smaller of the two.",
    )
    min_width_px: float = Field(
        default=4.0, ge=0, description="Parts narrower than this are no particles of their own."
    )
    min_width_nm: float = Field(
        default=0.5, ge=0, description="The same where the micrograph is calibrated; both hold."
    )
    valley_weight: float = Field(
        default=1.0,
        ge=0,
        le=4,
        description="How much a low probability counts as a narrow neck: the power to which it is taken; 0: not.",
    )
    valley_smoothing_px: float = Field(
        default=3.0, ge=0, le=20, description="Standard deviation of the blur of the probability before its valleys."
    )

    def smallest_width_px(self, pixel_size_nm: float | None) -> float:
        """Return the least width of a part in pixels, of a micrograph with this scale in nm; None for none."""
        if pixel_size_nm is None:
            return self.min_width_px
        return max(self.min_width_px, self.min_width_nm / pixel_size_nm)


class NormaliseParams(BaseModel):
    """Free parameters of `normalise`: how counts become what a network sees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["percentile", "min_max", "group_maximum"] = Field(
        default="percentile",
        description="percentile: each micrograph from a low to a high percentile. min_max: each from its smallest to "
        "its largest count. group_maximum: by the largest count of all training micrographs.",
    )
    low_percentile: float = Field(default=1.0, ge=0, lt=50, description="Count that becomes 0, by percentile.")
    high_percentile: float = Field(default=99.0, gt=50, le=100, description="Count that becomes 1, by percentile.")
    clip: float = Field(default=1.0, ge=0, description="How far beyond 0 and 1 counts may go, by percentile.")
    median_px: int = Field(default=1, ge=1, le=15, description="Window of a median filter before that; 1 for none.")
    common_pixel_size_nm: float | None = Field(
        default=None,
        gt=0,
        description="Micrographs of known scale are resampled to this pixel size first. None: never.",
    )

    @classmethod
    def thesis(cls, chapter: Literal[3, 4] = 3) -> Self:
        """Return the published way: chapter 3 with the authors' code, chapter 4 by the group maximum."""
        return cls(method="min_max" if chapter == 3 else "group_maximum", median_px=3)
