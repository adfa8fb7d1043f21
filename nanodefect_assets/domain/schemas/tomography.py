"""Tables of reconstructed volumes."""

from nanodefect_assets.domain.schemas.columns import SIMULATED
from nanodefect_assets.domain.tables import Table, flag, integer, number, text

RECONSTRUCTIONS = Table(
    name="reconstructions",
    meaning="The volume that was reconstructed from one tilt series, and how well it explains the images.",
    columns=(
        text("tilt_series_id", "The series."),
        SIMULATED,
        text("method", "fasta, sirt or fbp."),
        text("projector", "What projected."),
        integer("n_z", "Voxels along the beam at zero tilt.", "px"),
        integer("n_y", "Voxels along the images' rows.", "px"),
        integer("n_x", "Voxels along the images' columns.", "px"),
        number("voxel_size_angstrom", "Edge of a voxel; missing if declared uncalibrated.", "angstrom", null=True),
        integer("n_tilts", "Images of the series."),
        integer("n_iterations", "Iterations at the finest grid."),
        flag("is_converged", "Whether it ended by its tolerance."),
        number("r_factor", "Sum of ||measured| - |projected|| over the sum of |measured|, over all images."),
        number("noise_r_factor", "What pixel noise alone would leave of it; detail as fine as pixels adds to it."),
        number(
            "half_correlation",
            "Mean Fourier shell correlation of the volumes from even and odd images, up to half the Nyquist frequency, "
            "without the missing wedge.",
            null=True,
        ),
        number("half_resolution_px", "Period at which that correlation falls below 0.143.", "px", null=True),
        number("mass_error", "Sum of the volume over the median sum of an image, less 1."),
        number("adjoint_error", "Relative error of the projector's adjoint, in its self-test."),
        number("view_error", "Relative error of the projector against known projections, in its self-test."),
    ),
    key=("tilt_series_id",),
)

RECONSTRUCTED_TILTS = Table(
    name="reconstructed_tilts",
    meaning="How well a reconstructed volume explains one image of its tilt series.",
    columns=(
        text("tilt_series_id", "The series."),
        integer("tilt_index", "Number of the image in its file, from 0."),
        number("tilt_deg", "Stage tilt.", "deg"),
        number("r_factor", "Sum of ||measured| - |projected|| over the sum of |measured|."),
        number("noise_r_factor", "What pixel noise alone would leave of it."),
    ),
    key=("tilt_series_id", "tilt_index"),
)
