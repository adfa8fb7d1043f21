"""Free parameters of tracing: from a volume, and from the projections, to atoms."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class TracingParams(BaseModel):
    """Free parameters of `trace_peaks`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_distance_angstrom: float = Field(
        default=1.6,
        gt=0,
        description="No two atoms are nearer to one another. Published: 2.2, for Pd; in amorphous Si some atoms are.",
    )
    coarsest_resolution_angstrom: float = Field(
        default=2.5,
        gt=0,
        description="Volumes whose two halves agree only down to coarser detail are not traced: atoms, a bond apart, "
        "are then not told from one another.",
    )
    blur_angstrom: float = Field(
        default=0.5, ge=0, description="Standard deviation of the Gaussian that the volume is blurred by first."
    )
    estimator: Literal["gaussian", "parabola"] = Field(
        default="parabola",
        description="How a maximum becomes a position. gaussian: fit of a Gaussian with background; parabola: through "
        "three voxels along each axis, better where noise is low or the fit goes on against the projections.",
    )
    neighbour_angstrom: float = Field(
        default=4.0, gt=0, description="Gaussians of atoms within this are taken away before one is fitted."
    )
    fit_radius_angstrom: float = Field(default=1.3, gt=0, description="Voxels within this of an atom are fitted.")
    n_rounds: int = Field(default=1, ge=0, le=20, description="Rounds that add what is left over, refine and merge.")
    n_fits: int = Field(default=4, ge=1, le=50, description="Fits of all atoms, one after the other, in each step.")
    min_share: float = Field(
        default=0.2, ge=0, lt=1, description="Weaker maxima than this share of the typical one are no candidates."
    )
    noise_margin: float = Field(
        default=0.75,
        ge=0,
        description="Maxima that rise less above the median than this, times the depth of the deepest minimum, are no "
        "candidates: noise is as deep as it is high.",
    )

    @classmethod
    def thesis(cls) -> Self:
        """Return the published steps I to IX; its threshold of 50 is a share of the typical maximum here."""
        return cls(min_distance_angstrom=2.2, blur_angstrom=0.0, estimator="gaussian", n_rounds=4, noise_margin=0.0)


class AtomFitParams(BaseModel):
    """Free parameters of `refine_atoms`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_iterations: int = Field(default=12, ge=1, le=200, description="Gauss-Newton steps of each round, at most.")
    n_rounds: int = Field(default=3, ge=1, le=20, description="Rounds that refine, merge and leave out, at most.")
    n_searches: int = Field(
        default=2, ge=0, le=20, description="Rounds that look for missing atoms in what the model leaves of the images."
    )
    tolerance_pm: float = Field(default=0.2, gt=0, description="Ends when half of the atoms move less.")
    fits_widths: bool = Field(default=False, description="Whether each atom has a width of its own.")
    fits_halo: bool = Field(
        default=True, description="Whether a share of every atom may lie in a wider halo, the same for all."
    )
    fits_tilts: bool = Field(
        default=True, description="Whether brightness and shift of each image are fitted too; its background always is."
    )
    fits_angles: bool = Field(
        default=False,
        description="Whether angles are fitted too, if those from half of the pixels foretell the other half better. "
        "They are right where the image model is: an atom's tails must be fitted too.",
    )
    fewest_tilts: int = Field(
        default=25, ge=3, description="Angles of series of fewer tilts stay: so few do not pin one another."
    )
    angle_sd_deg: float = Field(default=0.5, gt=0, le=10, description="To which angles are known beforehand.")
    n_angle_rounds: int = Field(default=3, ge=1, le=20, description="Rounds of fitting angles and atoms in turns.")
    n_samples: int = Field(
        default=8, ge=0, le=1000, description="Draws of noise from which the uncertainties come; 0 for no neighbours."
    )
    false_alarms: float = Field(
        default=0.05, gt=0, lt=1, description="How many atoms noise alone may make, in the whole volume, on average."
    )
    min_share: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Weaker atoms than this share of the median are none. Lower it for alloys of very unlike elements.",
    )
    merge_angstrom: float = Field(default=1.6, gt=0, description="Atoms that end nearer to one another are merged.")
