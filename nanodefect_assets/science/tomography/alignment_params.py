"""Free parameters of denoising, alignment and the refinement of angles."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Denoiser = Literal["bm3d", "nl_means"]
RefinementMethod = Literal["gradient", "trials"]


class DenoisingParams(BaseModel):
    """Free parameters of `denoise_image`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    denoiser: Denoiser = Field(
        default="bm3d",
        description="bm3d: block matching (its licence allows non-commercial use only); nl_means: non-local means.",
    )
    is_quick: bool = Field(default=False, description="Whether bm3d takes its profile of low complexity, 3 x as fast.")
    strength: float = Field(
        default=1.0, gt=0, le=5, description="Noise that the denoiser is told of, as a multiple of what was measured."
    )


class AlignmentParams(BaseModel):
    """Free parameters of `align_series`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tilt_axis: Literal["rows", "columns"] = Field(
        default="rows",
        description="Axis of the images that the stage tilts about. rows: along the rows' index, vertical; columns: "
        "horizontal.",
    )
    is_tilt_reversed: bool = Field(
        default=False, description="Whether a positive tilt turns the other way: left-handed about the axis."
    )
    background: Literal["empty", "none"] = Field(
        default="empty",
        description="empty: the mean of what lies beside the sample is taken from each image; none: nothing, for a "
        "film that fills the frame.",
    )
    coarse: Literal["common_line", "neighbours"] = Field(
        default="common_line",
        description="common_line: sums along the axis and centres of mass, for a particle that stands alone; "
        "neighbours: correlation with the next tilt, for a sample that leaves the field.",
    )
    max_axis_deg: float = Field(
        default=3.0, ge=0, le=20, description="By how much the tilt axis may be turned in the image; 0 looks for none."
    )
    n_rounds: int = Field(default=12, ge=0, le=200, description="Rounds of matching to reprojections, at most.")
    n_iterations: int = Field(default=30, ge=1, le=1000, description="Iterations of each round's reconstruction.")
    tolerance_px: float = Field(
        default=0.02, gt=0, description="Matching ends when no image but one in twenty moves by more."
    )
    max_edge_px: int = Field(
        default=64, ge=16, le=4096, description="Images are matched at the finest grid that is no wider than this."
    )
    max_shift_px: float = Field(default=64.0, gt=0, description="Images that seem shifted by more are set aside.")


class RefinementParams(BaseModel):
    """Free parameters of `refine_angles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: RefinementMethod = Field(
        default="gradient",
        description="gradient: damped Gauss-Newton steps; trials: random trials whose amplitude falls, as published.",
    )
    n_rounds: int = Field(default=12, ge=1, le=500, description="Outer rounds, each with a reconstruction of its own.")
    n_iterations: int = Field(default=30, ge=1, le=1000, description="Iterations of each round's reconstruction.")
    amplitude_deg: float = Field(
        default=0.5,
        gt=0,
        le=10,
        description="How well angles are known, and their largest change in one round; of trials, in the first.",
    )
    n_trials: int = Field(default=6, ge=1, le=200, description="Random trials of each tilt and round.")
    max_edge_px: int = Field(
        default=64, ge=16, le=4096, description="Angles are refined at the finest grid that is no wider than this."
    )

    @classmethod
    def thesis(cls) -> Self:
        """Return the published settings: ten rounds of trials within half a degree, falling linearly."""
        return cls(method="trials", n_rounds=10, n_iterations=50)
