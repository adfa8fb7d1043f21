"""Free parameters of the shared image filters."""

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
