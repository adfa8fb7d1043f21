"""Tables of particles in micrographs: masks, measures, faults, and what they are learnt from."""

from nanodefect_assets.domain.schemas.columns import MICROGRAPH, SIMULATED
from nanodefect_assets.domain.tables import Table, flag, integer, number, text

MASKS = Table(
    name="masks",
    meaning="The segmentation of one micrograph.",
    columns=(
        MICROGRAPH,
        SIMULATED,
        text("segmenter_name", "Method or registered model that made the mask; drawn if a person drew it."),
        text("segmenter_version", "Version of the registered model; missing for a method without one.", null=True),
        text("mlflow_run_id", "MLflow run that trained the segmenter; missing for a method without one.", null=True),
        text(
            "polarity",
            "bright if particles are brighter in the segmented quantity than their support, else dark.",
            null=True,
        ),
        number("threshold", "Threshold on the segmented quantity.", null=True),
        integer("n_particles", "Particles found."),
        number("covered_fraction", "Share of the micrograph that particles cover."),
        number(
            "mean_uncertainty",
            "Mean over the pixels of the entropy of their class probabilities, over its largest value; networks only.",
            null=True,
        ),
        text(
            "unlike_training",
            "What sets the micrograph apart from the images that the model was trained on; missing if nothing does.",
            null=True,
        ),
        number(
            "p_like_training",
            "Share of micrographs like the training that lie at least as far out, by spectrum and grey levels.",
            null=True,
        ),
    ),
    key=("micrograph_id",),
)

MASK_SCORES = Table(
    name="mask_scores",
    meaning="A mask against the expert labels of the batch, as counts; ratios are in the view mask_quality.",
    columns=(
        MICROGRAPH,
        SIMULATED,
        text("label_file_id", "File of the labels."),
        integer("n_true_positive", "Particle in both.", "px"),
        integer("n_false_positive", "Particle in the mask alone.", "px"),
        integer("n_false_negative", "Particle in the labels alone.", "px"),
        integer("n_true_negative", "Particle in neither.", "px"),
    ),
    key=("micrograph_id", "label_file_id"),
)

_LENGTHS = (
    ("equivalent_diameter", "Diameter of the disc of equal area."),
    ("perimeter", "Perimeter, corrected for the pixel grid (Crofton, four directions)."),
    ("feret_max", "Longest caliper distance of the convex hull."),
    ("feret_min", "Shortest caliper distance of the convex hull."),
    ("major_axis", "Major axis of the ellipse of equal second moments."),
    ("minor_axis", "Minor axis of the ellipse of equal second moments."),
)

PARTICLES = Table(
    name="particles",
    meaning="One particle of one micrograph. Lengths are there in px always, in nm where the micrograph is calibrated.",
    columns=(
        text("particle_id", "<micrograph_id>#<label>, unique within a generation."),
        MICROGRAPH,
        text("modality", "hrtem, hrstem or sem."),
        integer("label", "Number of the particle in the label image."),
        SIMULATED,
        number("centroid_row_px", "Centroid, along rows.", "px"),
        number("centroid_col_px", "Centroid, along columns.", "px"),
        integer("bbox_row_min_px", "First row of the bounding box.", "px"),
        integer("bbox_col_min_px", "First column of the bounding box.", "px"),
        integer("bbox_row_max_px", "Row after the last of the bounding box.", "px"),
        integer("bbox_col_max_px", "Column after the last of the bounding box.", "px"),
        integer("area_px", "Area.", "px"),
        number("area_nm2", "Area.", "nm2", null=True),
        *(number(f"{name}_px", meaning, "px") for name, meaning in _LENGTHS),
        *(number(f"{name}_nm", meaning, "nm", null=True) for name, meaning in _LENGTHS),
        number("circularity", "4 pi area / perimeter^2, at most 1."),
        number("aspect_ratio", "Major over minor axis.", null=True),
        number("orientation_deg", "Major axis against x (along rows), counter-clockwise as seen, -90 to 90.", "deg"),
        number("solidity", "Area over area of the convex hull."),
        flag("touches_edge", "Whether the particle touches the edge of the micrograph; its size is then not known."),
        number(
            "inclusion_weight",
            "1 / probability that a particle of this bounding box lies whole inside the frame (Miles-Lantuejoul); "
            "0 where it touches the edge or is a duplicate. In a map: whole in at least one tile.",
        ),
        text(
            "duplicate_of",
            "Particle of another tile of the map that is counted in its stead; missing if this one counts.",
            null=True,
        ),
        number("mean_counts", "Mean intensity.", "counts"),
        number("sd_counts", "Standard deviation of the intensity.", "counts"),
    ),
    key=("particle_id",),
)

MAP_TILES = Table(
    name="map_tiles",
    meaning="A tile of a map in its place, by its position and by what neighbouring tiles show.",
    columns=(
        MICROGRAPH,
        SIMULATED,
        text("map_id", "Map that it is a tile of."),
        text("modality", "hrtem, hrstem or sem."),
        number("pixel_size_nm", "Edge of a pixel.", "nm/px"),
        integer("n_rows", "Rows of the tile.", "px"),
        integer("n_cols", "Columns of the tile.", "px"),
        integer("part", "Number of the part of the map, from 0: tiles that overlaps join. Only these are compared."),
        number("corner_row_px", "Upper left corner, down from where the map's first tile was said to be.", "px"),
        number("corner_col_px", "Upper left corner, to the right of it.", "px"),
        number("corrected_px", "How far that is from where its position put it.", "px"),
        integer("own_area_px", "Pixels that no tile shows whose centre is nearer; their sum is the map's area.", "px"),
    ),
    key=("micrograph_id",),
)

TRAINING_MICROGRAPHS = Table(
    name="training_micrographs",
    meaning="A micrograph of the training set: no particle on it is unseen by a segmenter trained on that set.",
    columns=(
        MICROGRAPH,
        SIMULATED,
        text("side", "train, validation or test; missing if left out between two blocks of slices.", null=True),
        text("label_file_id", "File of the labels; missing for a field simulated for training.", null=True),
        text("material", "What the particles are made of.", null=True),
        text("modality", "hrtem, hrstem or sem."),
        number("pixel_size_nm", "Edge of a pixel of the micrograph; missing if not known.", "nm/px", null=True),
        number("dose_e_per_nm2", "Electron dose.", "e/nm2", null=True),
        integer("n_patches", "Patches with particles that were cut from it."),
        integer("n_labelled", "Pixels of these that have a class.", "px"),
        integer("n_particle", "Pixels of these of a class other than the support.", "px"),
    ),
    key=("micrograph_id",),
)

TRAINING_REGIONS = Table(
    name="training_regions",
    meaning="A region that fault classifiers are trained, calibrated or judged on, and what it is said to show.",
    columns=(
        text("region_id", "The region: of a particle, <micrograph_id>#<label>; of support, one of its own."),
        MICROGRAPH,
        SIMULATED,
        text("side", "train, calibration or test; each micrograph is on one side."),
        text("class_name", "What shows along the beam: one of five classes."),
        text("label_file_id", "File of the expert's class; missing for a simulated field.", null=True),
        text("material", "What the particles are made of.", null=True),
        number("pixel_size_nm", "Edge of a pixel.", "nm/px"),
        number("dose_e_per_nm2", "Electron dose.", "e/nm2", null=True),
        number("misorientation_deg", "Angle between beam and nearest zone axis, where planted.", "deg", null=True),
        number("fault_tilt_deg", "Angle between beam and nearest row in a fault's plane; 90: none.", "deg", null=True),
    ),
    key=("region_id",),
)

FAULT_SCORES = Table(
    name="fault_scores",
    meaning="A fault classifier on held-out regions, as counts: so many of a true class were found as another.",
    columns=(
        text("mlflow_run_id", "MLflow run that trained it."),
        text("feature_set", "thesis, five, rich or local."),
        text("true_class", "Class that the region is said to show."),
        text("found_class", "Class that it was given."),
        integer("n_regions", "Held-out regions."),
    ),
    key=("mlflow_run_id", "true_class", "found_class"),
)

PARTICLE_CLASSES = Table(
    name="particle_classes",
    meaning="What a region of a micrograph shows, by the fault classifier in use. Join particles on particle_id.",
    columns=(
        text("region_id", "The region; the particle's own identifier unless it is a part cut off its label."),
        text("particle_id", "Particle that the region is or was cut from."),
        MICROGRAPH,
        SIMULATED,
        text("kind", "particle, or part of a label that a neck tied to it."),
        text("agglomerate_id", "Shared by regions whose labels touch; missing if it touches none.", null=True),
        flag("touches_edge", "Whether the frame cuts the region."),
        text("class_name", "Most probable class."),
        number("p_fault_visible", "Probability that a stacking fault is visible."),
        number("p_no_fault", "Probability of columns without a visible fault."),
        number("p_misoriented", "Probability that no columns show."),
        number("p_agglomeration", "Probability of several particles."),
        number("p_background", "Probability that there is no particle."),
        text("model_name", "Classifier."),
        text("model_version", "Its version in the registry, or shipped."),
        text("unlike_training", "What sets the micrograph apart from the training; missing for nothing.", null=True),
        number(
            "p_like_training",
            "Share of regions like the training that lie at least as far out in features; novel up to 0.05.",
            null=True,
        ),
        text("duplicate_of", "Particle of another tile of a map that is counted in its stead.", null=True),
    ),
    key=("region_id",),
)

LABEL_AUDIT = Table(
    name="label_audit",
    meaning="A label of a training region, and how much classifiers that did not see its micrograph doubt it.",
    columns=(
        text("region_id", "The region."),
        MICROGRAPH,
        SIMULATED,
        text("class_name", "Class that it is said to show."),
        text("suggested_class", "Most probable class."),
        number("margin", "Probability of its class less the largest of another; -1 is certain disagreement."),
        flag("is_issue", "Whether another class is more probable than it usually is for regions that carry it."),
        integer("doubt_rank", "From 1, the most doubtful first."),
    ),
    key=("region_id",),
)
