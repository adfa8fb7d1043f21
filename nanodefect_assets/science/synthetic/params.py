"""Free parameters of simulated micrographs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ParticleFieldParams(BaseModel):
    """Free parameters of `particle_field`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Literal["hrtem", "hrstem", "sem"] = Field(
        default="hrtem", description="hrtem: lattice fringes on a textured support. Else: bright particles."
    )
    n_rows: int = Field(default=512, ge=16, le=16384, description="Height of the micrograph, in pixels.")
    n_cols: int = Field(default=512, ge=16, le=16384, description="Width of the micrograph, in pixels.")
    pixel_size_nm: float = Field(default=0.05, gt=0, description="Edge of a pixel.")
    n_particles: int = Field(
        default=20,
        ge=0,
        description="Particles scattered over the frame and its margin; those wholly outside are lost.",
    )
    median_diameter_nm: float = Field(default=3.0, gt=0, description="Median of the lognormal diameters.")
    sigma_diameter: float = Field(default=0.15, ge=0, le=2, description="Standard deviation of ln(diameter).")
    faceted_fraction: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of particles that are pentagons or hexagons; the others are ellipses.",
    )
    min_axis_ratio: float = Field(default=0.8, gt=0, le=1, description="Smallest ratio of the axes of an ellipse.")
    min_gap_nm: float = Field(default=0.5, ge=0, description="Room kept free between two particles.")
    lattice_spacing_nm: float = Field(
        default=0.235, gt=0, description="Distance of fringes in hrtem; 0.235 nm is Au {111}."
    )
    fringe_contrast: float = Field(default=0.35, ge=0, le=1, description="Amplitude of the fringes in hrtem.")
    particle_contrast: float = Field(
        default=1.0,
        ge=0,
        description="Extra intensity in the middle of a particle in hrstem and sem, over the support's.",
    )
    support_contrast: float = Field(
        default=0.08, ge=0, le=1, description="Standard deviation of the support's texture."
    )
    dose_e_per_nm2: float = Field(
        default=40000.0, gt=0, description="Electrons detected per area of bare support; sets the Poisson noise."
    )
    hot_pixel_fraction: float = Field(default=1e-5, ge=0, lt=1, description="Share of pixels that are hot.")

    @model_validator(mode="after")
    def _check_sampling(self) -> "ParticleFieldParams":
        if self.modality == "hrtem" and self.lattice_spacing_nm < 2 * self.pixel_size_nm:
            raise ValueError(
                f"Expected pixels of at most half the lattice spacing of {self.lattice_spacing_nm} nm, so that fringes "
                f"show. Got pixel_size_nm={self.pixel_size_nm}."
            )
        return self
