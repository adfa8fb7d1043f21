"""Free parameters of regions simulated to train a fault classifier."""

from pydantic import Field

from nanodefect_assets.science.synthetic.training_params import PositiveSpan, Span, TrainingFieldParams


class RegionFieldParams(TrainingFieldParams):
    """Free parameters of `draw_region_field`: fields in which the lattices of particles show, from strong to faint.

    Measured lattices have a half to a third of the contrast that simulations promise [1]_, and no one cause is known.
    So what weakens it varies widely: carbon from ultrathin to common film, cameras and drift, focal spreads from
    field emission to thermal emission, doses that CdSe stands, and atoms displaced from 0.07 angstrom (metals at room
    temperature [2]_) to 0.2 (CdSe, and particles shaken by the beam). Foci reach as far to both sides of Gaussian
    focus as those of published micrographs of corrected microscopes do by the rings of their carbon, where lattices
    are half a nanometre out of place. Particles lie on any of their facets: along rows of their layers or another zone.

    References
    ----------
    .. [1] M. J. Hytch, W. M. Stobbs, Ultramicroscopy 53, 191 (1994), doi:10.1016/0304-3991(94)90034-5.
    .. [2] L.-M. Peng et al., Acta Cryst. A 52, 456 (1996), doi:10.1107/S010876739600089X.
    """

    field_px: int = Field(default=448, ge=64, le=4096, description="Rows and columns of a field.")
    pixel_size_nm: PositiveSpan = Field(default=[0.03, 0.055], description="Edges of pixels, evenly in the logarithm.")
    dose_e_per_nm2: PositiveSpan = Field(default=[5e3, 2e5], description="Doses, evenly in the logarithm.")
    defocus_nm: Span = Field(default=[-60.0, 60.0], description="Defoci; under focus is positive.")
    focal_spread_nm: PositiveSpan = Field(default=[2.0, 6.0], description="Temporal coherence.")
    carbon_thickness_nm: PositiveSpan = Field(default=[1.0, 30.0], description="Thickness of the carbon film.")
    diameter_nm: PositiveSpan = Field(default=[3.0, 5.0], description="Median sizes, evenly in the logarithm.")
    covered_fraction: PositiveSpan = Field(default=[0.2, 0.35], description="Share of the field that particles fill.")
    mtf_at_nyquist: PositiveSpan = Field(default=[0.15, 0.95], description="What the camera keeps of finest contrast.")
    aligned_fraction: PositiveSpan = Field(default=[0.4, 0.8], description="Share of the others near a zone axis.")
    drift_nm: Span = Field(default=[0.0, 0.04], description="Drift during the exposure.")
    thermal_rms_angstrom: Span = Field(
        default=[0.07, 0.2], description="Displacements of atoms along an axis, root mean square, of a field."
    )
    faulted_fraction: float = Field(default=0.65, ge=0, le=1, description="Share of particles with planar faults.")
    edge_on_fraction: float = Field(default=0.35, ge=0, le=1, description="Share of particles laid to show them.")
    zincblende_fraction: float = Field(default=0.3, ge=0, le=1, description="Share of CdSe that is zincblende.")
    overlap_fraction: float = Field(
        default=0.35, ge=0, le=1, description="Share of particles that may lie over others."
    )
    field_seed: int = Field(
        default=2022,
        ge=0,
        description="The same seed makes the same fields. 2021 made those of the forest that ships: it has seen them.",
    )
    unsure_tilt_deg: float = Field(
        default=0.0,
        ge=0,
        le=20,
        description="Regions tilted by up to this beyond what counts as visible are left out: experts pass over them.",
    )
    outline_error_nm: Span = Field(
        default=[-0.2, 0.4], description="By how much the outlines of a field are too wide; below 0 too narrow."
    )
    min_share: float = Field(
        default=0.1, gt=0, le=0.5, description="Share of a region that a second particle must fill to agglomerate it."
    )
    backgrounds_per_field: float = Field(default=1.0, ge=0, le=20, description="Samples of support of a field.")

    @classmethod
    def one_setting(cls) -> "RegionFieldParams":
        """Return CdSe as one microscope sees it at one setting, which is what the thesis's regions are.

        The thesis gives material, voltage and aberration correction. The pixel size is read from the lattice in its
        published examples (7.6 pixels for 0.351 nm); dose, focus, size and film are ours: it does not tell them.
        """
        return cls(
            materials=["CdSe"],
            pixel_size_nm=[0.045, 0.045],
            dose_e_per_nm2=[1e5, 1e5],
            defocus_nm=[8.0, 8.0],
            focal_spread_nm=[3.0, 3.0],
            carbon_thickness_nm=[2.0, 2.0],
            diameter_nm=[4.0, 4.0],
            mtf_at_nyquist=[0.8, 0.8],
            drift_nm=[0.0, 0.0],
            thermal_rms_angstrom=[0.08, 0.08],
            edge_on_fraction=0.5,
            aligned_fraction=[0.3, 0.5],
            outline_error_nm=[0.0, 0.0],
        )
