"""Free parameters of simulated fields for training: ranges, of which every field draws its own value."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from nanodefect_assets.science.synthetic.params import Material


def _check_span(span: list[float]) -> list[float]:
    if len(span) != 2 or not span[0] <= span[1]:
        raise ValueError(f"Expected two numbers, the lower one first. Got {span}.")
    return span


def _check_materials(materials: list[str]) -> list[str]:
    if unknown := sorted(set(materials) - set(get_args(Material))):
        raise ValueError(f"Expected materials among {', '.join(get_args(Material))}. Got {', '.join(unknown)}.")
    return materials


def _check_positive_span(span: list[float]) -> list[float]:
    if not _check_span(span)[0] > 0:
        raise ValueError(f"Expected numbers above 0. Got {span}.")
    return span


Span = Annotated[list[float], AfterValidator(_check_span)]
PositiveSpan = Annotated[list[float], AfterValidator(_check_positive_span)]


class TrainingFieldParams(BaseModel):
    """Free parameters of `draw_field`. Lists of two numbers are the ends of a range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    materials: Annotated[list[str], AfterValidator(_check_materials)] = Field(
        default=["Au", "Pd", "CdSe"], min_length=1, description="Materials of simulated fields, in turn."
    )
    field_px: int = Field(default=512, ge=64, le=4096, description="Rows and columns of a field.")
    pixel_size_nm: PositiveSpan = Field(default=[0.02, 0.075], description="Edges of pixels, evenly in the logarithm.")
    dose_e_per_nm2: PositiveSpan = Field(default=[5e3, 2e5], description="Doses, evenly in the logarithm.")
    defocus_nm: Span = Field(default=[-30.0, 60.0], description="Defoci; under focus is positive.")
    focal_spread_nm: PositiveSpan = Field(default=[2.0, 5.0], description="Temporal coherence.")
    carbon_thickness_nm: PositiveSpan = Field(default=[1.0, 10.0], description="Thickness of the carbon film.")
    diameter_nm: PositiveSpan = Field(default=[2.0, 8.0], description="Median sizes, evenly in the logarithm.")
    covered_fraction: PositiveSpan = Field(default=[0.05, 0.4], description="Share of the field that particles fill.")
    mtf_at_nyquist: PositiveSpan = Field(default=[0.25, 0.9], description="What the camera keeps of finest contrast.")
    aligned_fraction: PositiveSpan = Field(default=[0.2, 0.8], description="Share of particles near a zone axis.")
    drift_nm: Span = Field(default=[0.0, 0.06], description="Drift during the exposure.")
    scattering: Literal["weak_phase", "phase_grating", "multislice"] = Field(
        default="phase_grating", description="How waves meet particles; multislice takes seconds for each of them."
    )
    field_seed: int = Field(
        default=2023,
        ge=0,
        description="The same seed makes the same fields; those of the default are none that a shipped model has seen.",
    )

    @model_validator(mode="after")
    def _check_lattice_shows(self) -> "TrainingFieldParams":
        if self.pixel_size_nm[1] > _COARSEST_PIXEL_NM:
            raise ValueError(
                f"Expected pixels of at most {_COARSEST_PIXEL_NM} nm, so that lattices show. Got {self.pixel_size_nm}."
            )
        for name in ("covered_fraction", "mtf_at_nyquist", "aligned_fraction"):
            if getattr(self, name)[1] > 1:
                raise ValueError(f"Expected {name} up to 1. Got {getattr(self, name)}.")
        return self


_COARSEST_PIXEL_NM = 0.11
"""Half of 0.2246 nm, the distance of {111} planes of Pd, the closest-packed planes of these materials."""
