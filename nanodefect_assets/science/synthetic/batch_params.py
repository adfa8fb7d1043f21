"""Free parameters of simulated batches: what `nanodefect simulate` writes."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nanodefect_assets.domain.keys import aliquot_key
from nanodefect_assets.science.synthetic.params import Material

SimulatedKind = Literal["hrtem", "hrstem", "tilt_series", "coordinates"]
"""What a simulated batch holds."""


def _check_range(limits: tuple[float, float]) -> tuple[float, float]:
    if not 0 < limits[0] <= limits[1]:
        raise ValueError(f"Expected a range of positive numbers, the lower one first. Got {limits}.")
    return limits


def check_times(times: tuple[str, ...]) -> tuple[str, ...]:
    """Return growth times if each is there once."""
    if len({aliquot_key(time) for time in times}) != len(times):
        raise ValueError(f"Expected each growth time once. Got {', '.join(times)}.")
    return times


Range = Annotated[tuple[float, float], AfterValidator(_check_range)]


class SimulateParams(BaseModel):
    """Free parameters of `simulate_batches`. Of a range, every micrograph draws its own value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    materials: tuple[Material, ...] = Field(
        default=get_args(Material), min_length=1, description="A batch is written for each."
    )
    kinds: tuple[SimulatedKind, ...] = Field(
        default=("hrtem", "hrstem"), min_length=1, description="What each batch holds."
    )
    growth_times: Annotated[tuple[str, ...], AfterValidator(check_times)] = Field(
        default=(), description="Aliquots such as 8 h, in order; without any, the product at the end."
    )
    n_micrographs: int = Field(default=4, ge=1, le=10_000, description="Micrographs of each kind in each aliquot.")
    n_solids: int = Field(
        default=1, ge=1, le=1000, description="Particles seen as tilt series, or given as coordinates, in each aliquot."
    )
    n_tilt_series: int | None = Field(
        default=None, ge=1, le=1000, description="Tilt series in each aliquot, if not as many as coordinates."
    )
    n_pixels: int = Field(default=512, ge=64, le=8192, description="Rows and columns of a micrograph.")
    n_particles: int = Field(default=10, ge=1, le=1000, description="Particles scattered over a micrograph.")
    n_tilts: int = Field(default=49, ge=2, le=1000, description="Tilts of a series.")
    pixel_size_nm: Range = Field(default=(0.03, 0.06), description="Edges of pixels, of micrographs.")
    dose_e_per_nm2: Range = Field(default=(2e4, 1e5), description="Doses of micrographs; a tilt has the published one.")
    defocus_nm: Range = Field(default=(4.0, 12.0), description="Defoci of HRTEM micrographs, under focus.")
    carbon_thickness_nm: Range = Field(default=(3.0, 3.0), description="Carbon films of HRTEM micrographs.")
    diameter_nm: Range = Field(
        default=(3.5, 4.5), description="Median sizes; they grow from the lower to the upper over the aliquots."
    )
    faulted_fraction: float = Field(default=0.4, ge=0, le=1, description="Share of particles with planar faults.")
    multiply_twinned_fraction: float = Field(
        default=0.2, ge=0, le=1, description="Share of decahedra and icosahedra; none in CdSe."
    )
    scattering: Literal["weak_phase", "phase_grating", "multislice"] = Field(
        default="phase_grating", description="How HRTEM is computed; multislice takes seconds for every particle."
    )
    seed: int = Field(default=2021, ge=0, description="The same seed writes the same bytes.")
    prefix: str = Field(
        default="sim", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="First part of the batches' ids."
    )
