"""Tables of statistics over the particles of an aliquot or a batch."""

from nanodefect_assets.domain.schemas.columns import ALIQUOT, BATCH, SIMULATED, UNIT
from nanodefect_assets.domain.tables import Table, flag, integer, number, text

SIZE_DISTRIBUTIONS = Table(
    name="size_distributions",
    meaning="Equivalent diameter of the particles of one aliquot, without those at an edge and weighted for them.",
    columns=(
        BATCH,
        ALIQUOT,
        text("modality", "hrtem, hrstem or sem; sizes seen in different ways are never mixed."),
        UNIT,
        flag("is_simulated", "Whether the row is of simulated micrographs; they are never mixed with measured ones."),
        integer("n_micrographs", "Micrographs in which particles were looked for."),
        integer("n_micrographs_with_particles", "Micrographs with particles that count."),
        integer(
            "n_files_with_particles",
            "Files with particles that count. Frames of one file may show one field of view: errors count them as one.",
        ),
        integer("n_particles", "Particles that count: not at an edge, and not below min_diameter."),
        integer("n_edge", "Particles left out because they touch an edge, and no tile of a map shows them whole."),
        integer(
            "n_below_min_diameter",
            "Particles left out because not every micrograph would have kept them: smaller than min_diameter. The "
            "lognormal fit and the histogram have them.",
        ),
        number(
            "min_diameter",
            "Smallest diameter that segmentation keeps, the largest of them where micrographs differ. Mean, spread, "
            "median and number density are of the particles above it, not corrected for smaller ones.",
            "length_unit",
        ),
        number(
            "number_density_per_um2",
            "Particles per area, weighted for those at an edge. Where tiles of a map overlap, particles and area "
            "count once: the area is that of the union of the tiles.",
            "1/um2",
            null=True,
        ),
        number(
            "number_density_per_um2_se",
            "Its standard error, clustered by file, empty ones too; a tile of a map with what is counted in it and the "
            "area that is its own.",
            "1/um2",
            null=True,
        ),
        number("mean_diameter", "Weighted mean equivalent diameter.", "length_unit", null=True),
        number(
            "mean_diameter_se",
            "Standard error of the mean, clustered by file; n_files_with_particles - 1 degrees of freedom. Like all "
            "errors of sizes, not known if fewer than two files have particles.",
            "length_unit",
            null=True,
        ),
        number(
            "mean_diameter_low",
            "Lower end of the 95 % confidence interval of the mean, Student's t on its logarithm.",
            "length_unit",
            null=True,
        ),
        number("mean_diameter_high", "Upper end of the 95 % confidence interval.", "length_unit", null=True),
        number("sd_diameter", "Weighted standard deviation between particles.", "length_unit", null=True),
        number("sd_diameter_se", "Its standard error, by drawing files again.", "length_unit", null=True),
        number("median_diameter", "Weighted median.", "length_unit", null=True),
        number("median_diameter_se", "Its standard error, by drawing files again.", "length_unit", null=True),
        number(
            "lognormal_median",
            "Median of the fitted lognormal distribution, corrected for the particles below min_diameter that "
            "segmentation drops; not known if no lognormal distribution explains how diameters fall off from there.",
            "length_unit",
            null=True,
        ),
        number("lognormal_median_se", "Its standard error, by drawing files again.", "length_unit", null=True),
        number("lognormal_sigma", "Standard deviation of ln(diameter) in the fitted distribution.", null=True),
        number("lognormal_sigma_se", "Its standard error, by drawing files again.", null=True),
        number(
            "lognormal_kept_fraction",
            "Share of the particles that segmentation keeps if the fitted distribution is right.",
            null=True,
        ),
        number(
            "lognormal_ks",
            "Largest distance between fitted and weighted empirical distribution, above the smallest diameter kept.",
            null=True,
        ),
    ),
    key=("synthesis_batch", "aliquot_time", "modality", "length_unit", "is_simulated"),
)

SIZE_HISTOGRAMS = Table(
    name="size_histograms",
    meaning="One bin of the histogram of equivalent diameters of one aliquot.",
    columns=(
        BATCH,
        ALIQUOT,
        text("modality", "hrtem, hrstem or sem; sizes seen in different ways are never mixed."),
        UNIT,
        flag("is_simulated", "Whether the row is of simulated micrographs."),
        number("bin_low", "Lower edge.", "length_unit"),
        number("bin_high", "Upper edge.", "length_unit"),
        integer("n_particles", "Particles in the bin."),
        number("fraction", "Share of the particles, weighted for those lost at the edges."),
    ),
    key=("synthesis_batch", "aliquot_time", "modality", "length_unit", "is_simulated", "bin_low"),
)

DEFECT_RATES = Table(
    name="defect_rates",
    meaning="Share of an aliquot's particles that are oriented, and of these that are faulted: counted and corrected.",
    columns=(
        BATCH,
        ALIQUOT,
        SIMULATED,
        text(
            "rate", "oriented: of single particles, those with columns; faulted: of these, those with a visible fault."
        ),
        integer("n_micrographs", "Micrographs with classified particles."),
        integer("n_particles", "Whole particles that were classified, of all classes."),
        integer(
            "n_left_out", "Particles left out: cut by the frame, or on micrographs unlike the training. No duplicates."
        ),
        number("raw", "Share as counted.", null=True),
        number("raw_low", "Lower end of its 95 % interval, clustered by micrograph.", null=True),
        number("raw_high", "Upper end.", null=True),
        number("corrected", "Share corrected for the classifier's confusion.", null=True),
        number("corrected_low", "Lower end of its 95 % interval; holds the uncertainty of the confusion.", null=True),
        number("corrected_high", "Upper end.", null=True),
        number("p_alike", "Probability that data like the calibration set fit its confusion no better.", null=True),
        number(
            "novel_fraction",
            "Share of the particles whose features are novel to the classifier; 0.05 by chance.",
            null=True,
        ),
        text("model_version", "Version of the classifier.", null=True),
        text("calibration_set", "Training set whose held-out regions gave the confusion: its SHA-256.", null=True),
        text("refused", "Why there is no rate; missing where there is one.", null=True),
    ),
    key=("synthesis_batch", "aliquot_time", "is_simulated", "rate"),
)

HANDEDNESS_FRACTIONS = Table(
    name="handedness_fractions",
    meaning="Share of the rarer hand among the particles of an aliquot, or of a whole batch, as the model calls them.",
    columns=(
        BATCH,
        text("aliquot_time", "Key of the aliquot; the whole batch if missing.", null=True),
        SIMULATED,
        integer("n_micrographs", "Micrographs with particles: the clusters of the interval."),
        integer("n_particles", "Particles, each counted once."),
        integer("n_minority", "Particles called other than the batch's majority."),
        number("minority_fraction", "Their share; not corrected for the model's own errors."),
        number("minority_fraction_se", "Standard error, clustered by micrograph; needs two.", null=True),
        number("minority_fraction_low", "Lower end of the 95 % interval.", null=True),
        number("minority_fraction_high", "Upper end of the 95 % interval.", null=True),
        integer(
            "n_unseen", "Of the particles, those of which a network was asked that did not learn from them.", null=True
        ),
        number("minority_fraction_unseen", "Share of these that it calls other than the majority.", null=True),
        integer("n_left", "Particles called left-handed; missing if no anchor names the hands.", null=True),
        number("left_fraction", "Their share.", null=True),
    ),
    key=("synthesis_batch", "aliquot_time", "is_simulated"),
)
