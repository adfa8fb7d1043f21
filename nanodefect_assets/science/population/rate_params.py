"""Free parameters of rates that are corrected for a classifier's confusion."""

from pydantic import BaseModel, ConfigDict, Field


class RateParams(BaseModel):
    """Free parameters of `corrected_rate`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_micrographs: int = Field(default=5, ge=3, description="Fewer micrographs with particles have no rate.")
    min_particles: int = Field(default=30, ge=5, description="Fewer classified particles have no rate.")
    min_calibration: int = Field(default=10, ge=1, description="Calibration regions that every class must have.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Share of intervals that should hold the rate.")
    min_p_alike: float = Field(
        default=0.001, ge=0, lt=1, description="Refused where counts that fit the confusion this badly are rarer."
    )
    novel_p: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="A region is novel if this share of regions like the training, or less, lies as far out.",
    )
    max_novel_fraction: float = Field(
        default=0.2, ge=0, le=1, description="Share of novel regions above which the calibration set is not believed."
    )
