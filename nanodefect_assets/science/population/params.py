"""Free parameters of population statistics."""

from pydantic import BaseModel, ConfigDict, Field


class SizeParams(BaseModel):
    """Free parameters of `summarise_sizes` and `histogram_sizes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_particles_for_fit: int = Field(
        default=5, ge=2, description="A lognormal distribution is fitted to no fewer particles."
    )
    max_bins: int = Field(default=60, ge=1, le=1000, description="Most bins of a histogram; wider ones are taken.")
