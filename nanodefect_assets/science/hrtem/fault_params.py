"""Free parameters of regions, their features and the forest that classifies them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FaultClass = Literal["stacking fault visible", "no stacking fault", "misoriented", "agglomeration", "background"]
"""What a region shows, in the order of the columns of every matrix and table."""

FeatureSet = Literal["thesis", "five", "rich", "local"]
"""thesis: the published five on pixels; five: the same five in nm and relative to the support's mean; rich: those, form
and lattice; local: the same as rich, but contrast and peaks are measured by the texture of the support."""


class RegionParams(BaseModel):
    """Free parameters of `find_regions`. Lengths in px hold always, lengths in nm where there is a scale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opening_radius_px: int = Field(
        default=1, ge=0, le=100, description="Radius of the opening that cuts necks and spurs; 0 for none."
    )
    opening_radius_nm: float | None = Field(
        default=0.15, ge=0, description="Replaces opening_radius_px where the micrograph is calibrated. None: never."
    )
    closing_radius_px: int = Field(
        default=5, ge=0, le=100, description="Radius of the closing that fills notches; 0 for none."
    )
    closing_radius_nm: float | None = Field(
        default=0.25, ge=0, description="Replaces closing_radius_px where the micrograph is calibrated. None: never."
    )
    fill_hull: bool = Field(default=True, description="Whether a region is the convex hull of what is left.")
    min_diameter_px: float = Field(default=16.0, ge=0, description="Smallest region, as the diameter of an equal disc.")
    min_diameter_nm: float = Field(default=1.0, ge=0, description="The same where there is a scale; both hold.")
    max_diameter_nm: float = Field(default=30.0, gt=0, description="Largest region; larger ones are no one particle.")
    min_box_px: int = Field(default=8, ge=1, description="Smallest height and width of a region's box.")
    max_box_px: int = Field(default=2048, ge=1, description="Largest height and width of a region's box.")
    min_part_fraction: float = Field(
        default=0.2, gt=0, le=1, description="Share of a label that a piece must hold to be a region of its own."
    )

    @model_validator(mode="after")
    def _check_limits(self) -> "RegionParams":
        if self.max_box_px < self.min_box_px:
            raise ValueError(f"Expected max_box_px of at least min_box_px. Got {self.max_box_px} < {self.min_box_px}.")
        return self

    @classmethod
    def thesis(cls) -> "RegionParams":
        """Return the published rules: 3 x 3 cross, disc of 5 pixels, hull, 200 pixels, boxes of 76 to 249 pixels."""
        return cls(
            opening_radius_nm=None,
            closing_radius_nm=None,
            min_diameter_px=(4 * 200 / 3.141592653589793) ** 0.5,
            min_diameter_nm=0.0,
            max_diameter_nm=1e6,
            min_box_px=76,
            max_box_px=249,
        )


class FeatureParams(BaseModel):
    """Free parameters of `region_features`: rings of spatial frequency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_frequency_per_nm: float = Field(
        default=8.0, gt=0, le=50, description="Centre of the outermost ring; no further than half the sampling rate."
    )
    ring_step_per_nm: float = Field(default=0.1, gt=0, description="Distance of the centres of rings.")
    ring_width_per_nm: float = Field(default=0.25, gt=0, description="Full width of a ring at half its height.")
    ring_edge_per_nm: float = Field(default=0.1, gt=0, description="Width over which an edge of a ring falls to zero.")
    lattice_per_nm: list[float] = Field(
        default=[2.2, 8.0], min_length=2, max_length=2, description="Frequencies among which peaks of a lattice lie."
    )
    n_peaks: int = Field(default=6, ge=2, le=20, description="Strongest pairs of peaks that are described.")


class ForestParams(BaseModel):
    """Free parameters of `fit_fault_forest`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: FeatureSet = Field(default="local", description="Features that the forest sees.")
    n_trees: int = Field(default=500, ge=1, le=5000, description="Trees of the forest.")
    min_samples_leaf: int = Field(default=1, ge=1, description="Regions in a leaf, at least.")
    max_depth: int | None = Field(default=None, ge=1, description="Greatest depth of a tree. None: no limit.")
    is_balanced: bool = Field(default=True, description="Whether every class has the same total weight.")
    calibration: Literal["sigmoid", "none"] = Field(
        default="sigmoid", description="How probabilities are mended on regions of other micrographs."
    )
    calibration_fraction: float = Field(default=0.2, ge=0.05, le=0.5, description="Share of micrographs for that.")
    test_fraction: float = Field(default=0.25, ge=0.05, le=0.5, description="Share of micrographs held out for scores.")

    @classmethod
    def thesis(cls) -> "ForestParams":
        """Return the published forest: five features, 500 trees, classes weighted as they come, not calibrated."""
        return cls(features="thesis", is_balanced=False, calibration="none")
