"""Free parameters of simulated micrographs."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Material = Literal["Au", "Pd", "CdSe"]
"""What simulated particles are made of: fcc metals and wurtzite."""


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


class OpticsParams(BaseModel):
    """Free parameters of the objective lens in HRTEM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    energy_kev: float = Field(default=300.0, gt=0, le=3000, description="Kinetic energy of the electrons.")
    defocus_nm: float = Field(default=8.0, description="Defocus; positive is under focus, which makes atoms dark.")
    cs_mm: float = Field(default=0.0, description="Spherical aberration; near 0 where it is corrected.")
    focal_spread_nm: float = Field(
        default=3.0, ge=0, description="Standard deviation of the focus: temporal coherence."
    )
    convergence_mrad: float = Field(
        default=0.2, ge=0, description="Standard deviation of the illumination's angle: spatial coherence."
    )


class DetectorParams(BaseModel):
    """Free parameters of the dose and of the camera or scan that counts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dose_e_per_nm2: float = Field(default=40000.0, gt=0, description="Electrons that fall on an area of the sample.")
    mtf_at_nyquist: float = Field(
        default=1.0, gt=0, le=1, description="What the camera keeps of the finest contrast; 1 is a perfect one."
    )
    counts_per_electron: float = Field(default=1.0, gt=0, description="Gain.")
    readout_counts: float = Field(default=0.0, ge=0, description="Standard deviation of the readout noise.")
    offset_counts: float = Field(default=0.0, description="Counts of a pixel that no electron meets.")


class FieldParams(DetectorParams):
    """Free parameters of what lies in a simulated field, whatever the microscope."""

    n_rows: int = Field(default=512, ge=16, le=8192, description="Height of the micrograph, in pixels.")
    n_cols: int = Field(default=512, ge=16, le=8192, description="Width of the micrograph, in pixels.")
    pixel_size_nm: float = Field(default=0.05, gt=0, le=1, description="Edge of a pixel.")
    material: Material = Field(default="Au", description="What the particles are made of.")
    n_particles: int = Field(default=12, ge=0, le=10_000, description="Particles scattered over frame and margin.")
    median_diameter_nm: float = Field(
        default=4.0, gt=0.8, le=50, description="Median of the lognormal sizes (largest extent)."
    )
    sigma_diameter: float = Field(default=0.15, ge=0, le=2, description="Standard deviation of ln(size).")
    faulted_fraction: float = Field(
        default=0.4, ge=0, le=1, description="Share of the other particles with planar faults, seen or not."
    )
    multiply_twinned_fraction: float = Field(
        default=0.0, ge=0, le=1, description="Share of decahedra and icosahedra, of Au and Pd."
    )
    aligned_fraction: float = Field(
        default=0.5, ge=0, le=1, description="Share of particles near a low-index zone axis; the others lie at random."
    )
    zone_spread_deg: float = Field(
        default=1.5, ge=0, le=45, description="Standard deviation of the tilts of aligned particles off their zone."
    )
    edge_on_fraction: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of particles laid near a close-packed row in their layers, along which planar faults show.",
    )
    zincblende_fraction: float = Field(
        default=0.0, ge=0, le=1, description="Share of particles of CdSe that are zincblende; the others are wurtzite."
    )
    overlapping_fraction: float = Field(
        default=0.1, ge=0, le=1, description="Share of particles that may lie over others."
    )
    min_gap_nm: float = Field(default=0.5, ge=0, description="Room kept free around the others.")
    thermal_rms_angstrom: float = Field(
        default=0.08, ge=0, le=1, description="Displacement of atoms along each axis, root mean square."
    )
    visible_tilt_deg: float = Field(
        default=3.0, gt=0, le=20, description="Tilt off the zone up to which columns and faults count as visible."
    )
    drift_rows_nm: float = Field(default=0.0, description="Drift of the sample during the exposure, along rows' index.")
    drift_cols_nm: float = Field(default=0.0, description="Drift of the sample during the exposure, along columns.")

    @model_validator(mode="after")
    def _check_material(self) -> "FieldParams":
        if self.material == "CdSe" and self.multiply_twinned_fraction:
            raise ValueError("Expected multiply_twinned_fraction=0 for CdSe, which makes no such particles.")
        if self.material != "CdSe" and self.zincblende_fraction:
            raise ValueError(f"Expected zincblende_fraction=0 for {self.material}, which is a metal.")
        return self


class HrtemFieldParams(FieldParams, OpticsParams):
    """Free parameters of `hrtem_field`."""

    scattering: Literal["weak_phase", "phase_grating", "multislice"] = Field(
        default="phase_grating",
        description="How waves meet particles: weak_phase to first order, phase_grating in a few slices, multislice "
        "through abTEM (slow).",
    )
    carbon_thickness_nm: float = Field(default=3.0, ge=0, le=100, description="Thickness of the amorphous carbon film.")


class StemFieldParams(FieldParams):
    """Free parameters of `stem_field`, a linear model of high-angle annular dark field."""

    probe_sigma_nm: float = Field(default=0.04, gt=0, description="Standard deviation of the probe, with its source.")
    atomic_number_power: float = Field(default=1.7, gt=0, le=2, description="Power n of Z^n, an atom's brightness.")
    centre_fraction: float = Field(
        default=0.08,
        gt=0,
        le=1,
        description="Share of the electrons detected in the middle of a particle of median size, columns averaged.",
    )
    support_fraction: float = Field(
        default=0.02, ge=0, lt=1, description="Share of the electrons detected on bare support."
    )
    support_roughness: float = Field(default=0.15, ge=0, le=1, description="Relative variation of the support's mass.")


class MultisliceStemParams(BaseModel):
    """Free parameters of `multislice_dark_field`; by default those of the published series, finely enough sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    energy_kev: float = Field(default=200.0, gt=0, le=3000, description="Kinetic energy of the electrons.")
    convergence_mrad: float = Field(default=25.0, gt=0, le=100, description="Half angle of the probe.")
    inner_mrad: float = Field(default=41.0, gt=0, description="Inner half angle of the detector.")
    outer_mrad: float = Field(default=210.0, gt=0, description="Outer half angle of the detector.")
    sampling_angstrom: float = Field(
        default=0.04,
        gt=0,
        description="Grid of the waves; two thirds of its band must reach the detector's outer angle.",
    )
    source_sigma_angstrom: float = Field(default=0.3, ge=0, description="Standard deviation of the source's image.")
    interpolation: int = Field(
        default=4, ge=1, description="PRISM alone: every n-th beam of the probe, so that it fits in 1/n of the cell."
    )
    scanned_share: float = Field(
        default=0.6, gt=0, le=1, description="PRISM alone: edge of the square scanned, over the particle's diameter."
    )

    @model_validator(mode="after")
    def _check_angles(self) -> "MultisliceStemParams":
        if not self.inner_mrad < self.outer_mrad:
            raise ValueError(f"Expected inner_mrad below outer_mrad. Got {self.inner_mrad} and {self.outer_mrad}.")
        return self


class TiltSeriesParams(BaseModel):
    """Free parameters of `tilt_series`; the published series has 49 tilts and 75 electrons a pixel and scan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_pixels: int = Field(default=256, ge=16, le=4096, description="Rows and columns of a frame.")
    pixel_size_angstrom: float = Field(default=0.35, gt=0, description="Edge of a pixel.")
    n_tilts: int = Field(default=49, ge=2, le=1000, description="Tilts, in equal steps.")
    first_tilt_deg: float = Field(default=64.0, ge=-90, le=90, description="First nominal tilt.")
    last_tilt_deg: float = Field(default=-61.0, ge=-90, le=90, description="Last nominal tilt.")
    probe_sigma_angstrom: float = Field(
        default=0.45, gt=0, description="Standard deviation of an atom's image: probe, source and thermal motion."
    )
    atomic_number_power: float = Field(default=1.7, gt=0, le=2, description="Power n of Z^n, an atom's brightness.")
    dose_e_per_px: float = Field(default=75.0, gt=0, description="Electrons on a pixel in one scan.")
    peak_fraction: float = Field(
        default=0.4, gt=0, le=1, description="Share of the electrons detected at the brightest pixel without tilt."
    )
    background_fraction: float = Field(
        default=0.03, ge=0, lt=1, description="Share of the electrons detected beside the particle, without tilt."
    )
    counts_per_electron: float = Field(default=1.0, gt=0, description="Gain of the detector.")
    shift_rms_px: float = Field(default=3.0, ge=0, description="Stray of the particle between tilts, root mean square.")
    tilt_error_rms_deg: float = Field(default=0.3, ge=0, description="Error of the nominal tilts, root mean square.")
    axis_error_rms_deg: float = Field(
        default=0.15, ge=0, description="Error of the other two Euler angles, root mean square."
    )
    factor_rms: float = Field(
        default=0.05, ge=0, lt=0.3, description="Spread of the tilts' intensity factors around 1."
    )
    scan_stretch: float = Field(
        default=0.005, gt=-0.2, lt=0.2, description="By how much a pixel is longer along columns than along rows."
    )
    scan_shear_deg: float = Field(default=0.2, gt=-20, lt=20, description="By how much these two miss a right angle.")
    drift_rms_px: float = Field(default=1.0, ge=0, description="Drift during one scan, root mean square along an axis.")


class AgreementParams(BaseModel):
    """Free parameters of `compare_simulators`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    materials: tuple[Material, ...] = Field(default=get_args(Material), description="Particles seen by HRTEM.")
    diameters_nm: tuple[float, ...] = Field(default=(2.0, 4.0, 6.0, 8.0), description="Their sizes: their thickness.")
    defoci_nm: tuple[float, ...] = Field(default=(4.0, 8.0, 12.0), description="Defoci, under focus.")
    dark_field_material: Material = Field(default="Au", description="Particle seen by dark field.")
    dark_field_diameter_nm: float = Field(default=2.5, ge=0, le=10, description="Its size; 0 for none.")
    dark_field: MultisliceStemParams = Field(
        default=MultisliceStemParams(outer_mrad=130.0, sampling_angstrom=0.06),
        description="Its probe and detector: low-angle dark field.",
    )
