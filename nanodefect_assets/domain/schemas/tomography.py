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

DENOISED_TILTS = Table(
    name="denoised_tilts",
    meaning="What was taken from one image of a tilt series as noise.",
    columns=(
        text("tilt_series_id", "The series."),
        integer("tilt_index", "Number of the image in its file, from 0."),
        number("noise_gain", "Variance of the counts over their mean, judged from the series.", "counts"),
        number("noise_variance_at_zero", "Variance where the mean is zero, likewise.", "counts^2"),
        number("noise_sd", "Noise found on the scale on which it should be 1."),
        number(
            "removed_excess",
            "Largest power of what was removed in a band of frequencies, over that of the noise; above 1, the sample "
            "went with it.",
        ),
    ),
    key=("tilt_series_id", "tilt_index"),
)

ALIGNED_SERIES = Table(
    name="aligned_series",
    meaning="A tilt series as reconstructions take it, and how it came to that.",
    columns=(
        text("tilt_series_id", "The series; of two scans a tilt, that of the scans at 0 degrees."),
        text("second_series_id", "The series of the scans at 90 degrees.", null=True),
        SIMULATED,
        text(
            "source",
            "computed; given by a person; stated: batch.yaml says that it came aligned; found: it was found to be.",
        ),
        text("tilt_axis", "rows: along the rows' index, vertical; columns: horizontal."),
        number("axis_deg", "By how much the tilt axis is turned in the images.", "deg"),
        number("axis_offset_px", "Median place of the tilt axis off the images' centre, across the axis.", "px"),
        integer("n_tilts", "Images of the series."),
        integer("n_used", "Images that reconstructions take."),
        integer("n_rounds", "Rounds in which images were matched to reprojections."),
        flag("is_converged", "Whether the images came to rest; missing where nothing was matched.", null=True),
        number("last_move_px", "How far images moved in the last round, root mean square.", "px", null=True),
        number("stray_px", "How far images were found to lie off, root mean square, a common move aside.", "px"),
        number("factor_sd", "Spread of the intensity factors."),
        number("scan_correlation_before", "Mean correlation of both scans of a tilt, as they came.", null=True),
        number("scan_correlation_after", "The same with drift and jitter mended.", null=True),
        number(
            "scan_half_correlation",
            "Mean Fourier shell correlation of the volumes from the scans at 0 and at 90 degrees, up to half the "
            "Nyquist frequency of a coarse grid.",
            null=True,
        ),
        number(
            "repeat_correlation",
            "Smallest correlation of two images of one tilt, the second taken later: what the beam left unchanged.",
            null=True,
        ),
        number(
            "before_after_correlation",
            "Correlation of the images that batch.yaml names as before and after the series.",
            null=True,
        ),
        flag("is_denoised", "Whether reconstructions take the denoised images."),
        number("raw_error", "|y - A x| / |y| of images y foretold from the other half, undenoised.", null=True),
        number("denoised_error", "The same foretold from denoised images.", null=True),
    ),
    key=("tilt_series_id",),
)

SCAN_DISTORTIONS = Table(
    name="scan_distortions",
    meaning="What the image of a standard sample shows of the scan coils that made a tilt series.",
    columns=(
        text("tilt_series_id", "The series; of two scans a tilt, that of the scans at 0 degrees."),
        text("standard_file_id", "The image of the standard, in files."),
        text("lattice", "square or hexagonal."),
        number("period_px", "Mean period of the lattice whose spots were measured.", "px"),
        number("stretch", "By how much a pixel along columns is longer than one along rows."),
        number("stretch_sigma", "Its standard error, from the noise of the image."),
        number("shear_deg", "By how much their angle misses 90 degrees.", "deg"),
        number("shear_sigma_deg", "Its standard error.", "deg"),
        number("edge_px", "How far this moves the left and right edges of the series' images.", "px"),
        number("edge_sigma_px", "Its standard error.", "px"),
        flag("is_mended", "Whether it was mended: if it moves the edges by more than twice the standard error."),
    ),
    key=("tilt_series_id",),
)

ALIGNMENTS = Table(
    name="alignments",
    meaning="Where one image of a tilt series lies, how bright it is, and from where it looks. Edited, it can be given "
    "back: nanodefect correct alignment.",
    columns=(
        text("tilt_series_id", "The series; of two scans a tilt, that of the scans at 0 degrees."),
        text("stage", "aligned: shifts and factors; refined: angles too, and shifts again."),
        integer("tilt_index", "Number of the image in its file, from 0."),
        number("tilt_deg", "Stage tilt.", "deg"),
        flag("is_used", "Whether reconstructions take it."),
        text("reason", "Why it is left out.", null=True),
        number("shift_row_px", "Where the sample's origin lies off the image's centre, along rows.", "px"),
        number("shift_col_px", "The same along columns.", "px"),
        number("factor", "By what the image is brighter than it should be."),
        number("background_counts", "Mean counts beside the sample, taken off first.", "counts"),
        number("phi_deg", "First Euler angle of the view: Rz(phi) Ry(theta) Rz(psi).", "deg"),
        number("theta_deg", "Second: the tilt.", "deg"),
        number("psi_deg", "Third.", "deg"),
        number("r_factor", "Sum of ||measured| - |projected|| over the sum of |measured|, coarse grid.", null=True),
    ),
    key=("tilt_series_id", "stage", "tilt_index"),
)

REFINEMENTS = Table(
    name="refinements",
    meaning="Whether the angles of a tilt series could be refined, and what a volume with refined angles is like.",
    columns=(
        text("tilt_series_id", "The series."),
        SIMULATED,
        flag("is_better", "Whether images are foretold better with refined angles; only then there is a volume."),
        text("reason", "Why the volume with nominal angles stands.", null=True),
        text("method", "gradient or trials."),
        integer("n_rounds", "Outer rounds."),
        number("change_deg", "Change of the angles, root mean square.", "deg", null=True),
        number("first_r_factor", "R-factor of the first round, with nominal angles, on the coarse grid.", null=True),
        number("last_r_factor", "R-factor of the last round.", null=True),
        number("nominal_error", "|y - A x| / |y| of images y foretold from the other half, nominal angles.", null=True),
        number("refined_error", "The same with refined angles.", null=True),
        number("voxel_size_angstrom", "Edge of a voxel; missing if declared uncalibrated.", "angstrom", null=True),
        number("r_factor", "R-factor of the volume with refined angles, full grid.", null=True),
        number("noise_r_factor", "What pixel noise alone would leave of it.", null=True),
        number("half_correlation", "Mean Fourier shell correlation of its halves, as in reconstructions.", null=True),
        number("half_resolution_px", "Period at which that correlation falls below 0.143.", "px", null=True),
    ),
    key=("tilt_series_id",),
)

REFINEMENT_ROUNDS = Table(
    name="refinement_rounds",
    meaning="Angles and misfit of one image in one round of their refinement.",
    columns=(
        text("tilt_series_id", "The series."),
        integer("round", "Number of the round, from 1."),
        integer("tilt_index", "Number of the image in its file, from 0."),
        number("phi_deg", "First Euler angle after the round.", "deg"),
        number("theta_deg", "Second.", "deg"),
        number("psi_deg", "Third.", "deg"),
        number("r_factor", "Misfit before the round's change, on the coarse grid."),
    ),
    key=("tilt_series_id", "round", "tilt_index"),
)
