"""Free parameters of population statistics."""

from pydantic import BaseModel, ConfigDict, Field


class SizeParams(BaseModel):
    """Free parameters of `summarise_sizes` and `histogram_sizes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_particles_for_fit: int = Field(
        default=5, ge=2, description="A lognormal distribution is fitted to no fewer particles."
    )
    max_bins: int = Field(default=60, ge=1, le=1000, description="Most bins of a histogram; wider ones are taken.")
    n_resamples: int = Field(
        default=1000,
        ge=100,
        le=100_000,
        description="Times that the files are drawn again for the errors of median, spread and fit.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of these draws; batch and aliquot change the stream.")
