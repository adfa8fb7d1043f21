"""Free parameters of denoising, alignment and the refinement of angles."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

TiltAxis = Literal["auto", "rows", "columns"]
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
    fewest_tilts: int = Field(
        default=20,
        ge=3,
        description="Series of fewer tilts stay as detected: so few do not foretell one another well enough to judge.",
    )
    strength: float = Field(
        default=1.0, gt=0, le=5, description="Noise that the denoiser is told of, as a multiple of what was measured."
    )


class AlignmentParams(BaseModel):
    """Free parameters of `align_series`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tilt_axis: TiltAxis = Field(
        default="auto",
        description="Axis of the images that the stage tilts about. rows: along the rows' index, vertical; columns: "
        "horizontal; auto: that about which reprojections fit the images better.",
    )
    is_tilt_reversed: bool = Field(
        default=False,
        description="Whether a positive tilt turns the other way: left-handed about the axis. Taken wrongly, the "
        "volume is a mirror image.",
    )
    background: Literal["empty", "none"] = Field(
        default="empty",
        description="empty: the mean of what lies beside the sample is taken from each image; none: nothing, for a "
        "film that fills the frame.",
    )
    coarse: Literal["auto", "common_line", "neighbours"] = Field(
        default="auto",
        description="common_line: sums along the axis and centres of mass, for a particle that stands alone; "
        "neighbours: correlation with the next tilt, for a sample that leaves the field; auto: common_line where three "
        "images of four have room beside the sample.",
    )
    max_axis_deg: float = Field(
        default=3.0,
        ge=0,
        le=20,
        description="By how much the tilt axis may be turned in the image, or off the stated one; 0 looks for none.",
    )
    axis_deg: float | None = Field(
        default=None,
        ge=-45,
        le=45,
        description="By how much the tilt axis is turned in the image, from columns towards rows, if that is known; "
        "else it is looked for. A series that came aligned is not turned.",
    )
    n_rounds: int = Field(default=12, ge=0, le=200, description="Rounds of matching to reprojections, at most.")
    n_iterations: int = Field(default=30, ge=1, le=1000, description="Iterations of each round's reconstruction.")
    tolerance_px: float = Field(
        default=0.02, gt=0, description="Matching ends when no image but one in twenty moves by more."
    )
    max_edge_px: int = Field(
        default=64, ge=16, le=4096, description="Images are matched at the finest grid that is no wider than this."
    )
    max_shift_share: float = Field(
        default=0.25, gt=0, le=1, description="Images that seem shifted by more of their width are left out."
    )
    doubtful_stray_px: float = Field(
        default=1.0,
        ge=0,
        description="A series whose images lie off by less, root mean square and a common move aside, may have come "
        "aligned: it is taken as it is unless its images foretell one another better as aligned here.",
    )
    doubtful_factor_sd: float = Field(
        default=0.1, ge=0, description="The same for the spread of the intensity factors: both must be smaller."
    )


class RefinementParams(BaseModel):
    """Free parameters of `refine_angles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: RefinementMethod = Field(
        default="gradient",
        description="gradient: damped Gauss-Newton steps; trials: random trials whose amplitude falls, as published.",
    )
    fewest_tilts: int = Field(
        default=25, ge=3, description="Angles of series of fewer tilts stay nominal: so few do not pin one another."
    )
    n_rounds: int = Field(default=12, ge=1, le=500, description="Outer rounds, each with a reconstruction of its own.")
    n_iterations: int = Field(default=30, ge=1, le=1000, description="Iterations of each round's reconstruction.")
    amplitude_deg: float = Field(
        default=0.5,
        gt=0,
        le=10,
        description="How well angles are known, and their largest change in one round; of trials, in the first.",
    )
    most_wandered: float = Field(
        default=3.0,
        gt=0,
        description="Refined angles are not taken if they went further from the nominal ones, root mean square, than "
        "this times the amplitude: then something else is wrong, such as the axis.",
    )
    n_trials: int = Field(default=6, ge=1, le=200, description="Random trials of each tilt and round.")
    max_edge_px: int = Field(
        default=64, ge=16, le=4096, description="Angles are refined at the finest grid that is no wider than this."
    )

    @classmethod
    def thesis(cls) -> Self:
        """Return the published settings: ten rounds of trials within half a degree, falling linearly."""
        return cls(method="trials", n_rounds=10, n_iterations=50)
