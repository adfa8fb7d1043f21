"""Every table of the warehouse, declared once.

From these come the Parquet schema, the checks, the DuckDB tables with their comments and the README's data dictionary.
The loader puts `PROVENANCE` in front of every row: where it belongs and the generation that holds it.
"""

from nanodefect_assets.domain.tables import Column, Table, flag, integer, moment, number, text

_BATCH = text("synthesis_batch", "Key of the synthesis batch.")
_ALIQUOT = text("aliquot_time", "Key of the aliquot: t and the growth time in whole seconds, or end.")
_MICROGRAPH = text("micrograph_id", "The micrograph: <batch>/<aliquot>/<path below the batch>.")
_SIMULATED = flag("is_simulated", "Whether a computer made the image.")

PROVENANCE: tuple[Column, ...] = (
    text("sample", "<batch>/<aliquot> of the row; _ stands for all, and _/_<cell> for a cell of a study."),
    text("synthesis_batch", "Key of the synthesis batch.", null=True),
    text("aliquot_time", "Key of the aliquot: t and the growth time in whole seconds, or end.", null=True),
    text("generation", "Generation of the asset that holds the row; see generations."),
    text("run_size", "Size in which the asset was made: fast, study or full."),
    text("params_hash", "First 12 hexadecimal digits of the SHA-256 of the asset's parameters."),
    text("code_version", "Version of the asset's science."),
)


def provenance_of(table: Table) -> tuple[Column, ...]:
    """Return the columns that the loader puts in front of a table: those of `PROVENANCE` that it does not declare."""
    return tuple(column for column in PROVENANCE if column.name not in table.names)


BATCHES = Table(
    name="batches",
    meaning="One synthesis batch in its accepted revision.",
    columns=(
        _BATCH,
        text("revision", "Accepted revision of the batch, such as r0001."),
        text("material", "Material, as written in batch.yaml.", null=True),
        text("operator", "Who made the batch.", null=True),
        text("robot_run_id", "Run of the synthesis robot.", null=True),
        text("note", "Free text of batch.yaml.", null=True),
        flag("is_simulated", "Whether every file of the batch was made by a computer."),
        integer("n_aliquots", "Aliquots with accepted files."),
        integer("n_files", "Accepted files."),
        integer("n_refused", "Files of the batch that were refused."),
        integer("size_bytes", "Size of the accepted files together.", "B"),
    ),
    key=("synthesis_batch",),
)

ALIQUOTS = Table(
    name="aliquots",
    meaning="One aliquot of a batch.",
    columns=(
        _BATCH,
        _ALIQUOT,
        text("aliquot_label", "Growth time as written by people, such as 8 h."),
        integer("growth_time_s", "Growth time; unknown for the end of a synthesis.", "s", null=True),
        integer("replicate", "Number of the replicate at this time, from 1."),
        integer("n_files", "Accepted files."),
    ),
    key=("synthesis_batch", "aliquot_time"),
)

CONDITIONS = Table(
    name="conditions",
    meaning="One synthesis condition of a batch or an aliquot: temperature, a reagent's amount, a free field.",
    columns=(
        _BATCH,
        text("aliquot_time", "Aliquot that the condition is of; the whole batch if missing.", null=True),
        text("name", "Name of the condition, such as temperature or reagent/PVP."),
        number("value", "Value, where it is a number.", "see unit", null=True),
        text("unit", "Unit of the value, as written in batch.yaml.", null=True),
        text("text_value", "Value, where it is text.", null=True),
    ),
    key=("synthesis_batch", "aliquot_time", "name"),
)

FILES = Table(
    name="files",
    meaning="One accepted file of a batch, as the microscope or a colleague wrote it.",
    columns=(
        text("file_id", "<batch>/<aliquot>/<path below the batch>."),
        _BATCH,
        _ALIQUOT,
        text("path", "Path below the batch's folder."),
        text("sha256", "SHA-256 of the file's bytes."),
        integer("size_bytes", "Size.", "B"),
        text("modality", "hrtem, hrstem, sem, tilt_series, coordinates or labels."),
        text("label_of", "For labels: path of the micrograph that they label.", null=True),
        text("revision", "Revision of the batch in which the file arrived in these bytes."),
        flag("is_simulated", "Whether a computer made the file."),
    ),
    key=("file_id",),
)

REFUSED = Table(
    name="refused",
    meaning="One file, image or particle set aside, with the reason. Nothing is deleted.",
    columns=(
        text("asset", "Asset that refused it, as group/noun."),
        text("item", "File, micrograph or item refused."),
        text("reason", "Kind of trouble, such as truncated_file."),
        text("expected", "What was needed."),
        text("got", "What came."),
        text("advice", "What to do about it."),
    ),
    key=("asset", "item", "reason"),
)

MICROGRAPHS = Table(
    name="micrographs",
    meaning="One micrograph, calibrated and despiked.",
    columns=(
        _MICROGRAPH,
        text("file_id", "File that it was read from."),
        text("sha256", "SHA-256 of that file's bytes."),
        text("modality", "hrtem, hrstem or sem."),
        _SIMULATED,
        integer("n_rows", "Height.", "px"),
        integer("n_cols", "Width.", "px"),
        number("pixel_size_nm", "Edge of a pixel; missing if declared uncalibrated.", "nm/px", null=True),
        text("calibration_source", "file, batch.yaml, override, correction or uncalibrated."),
        text("calibration_reason", "Why the file's own calibration was overridden.", null=True),
        text("row_order", "top, or bottom if the file's first row is the bottom of the image; it was then turned."),
        number("voltage_kv", "Acceleration voltage.", "kV", null=True),
        number("dose_e_per_nm2", "Electron dose.", "e/nm2", null=True),
        number("exposure_s", "Exposure or dwell of the frame.", "s", null=True),
        number("magnification", "Magnification that the microscope states.", null=True),
        number("stage_tilt_deg", "Tilt of the stage.", "deg", null=True),
        number("stage_x_nm", "Stage position of the centre of the image, in the stage's own axes.", "nm", null=True),
        number("stage_y_nm", "Stage position of the centre of the image, in the stage's own axes.", "nm", null=True),
        text("map_id", "Map that the image is a tile of: <batch>/<aliquot>/<name in batch.yaml, or entry>.", null=True),
        number("map_x_nm", "Place of the image's centre in its map, to the right along columns.", "nm", null=True),
        number("map_y_nm", "Place of the image's centre in its map, down along rows.", "nm", null=True),
        text(
            "map_source",
            "file (its metadata), table (of positions), override (a table against the metadata) or grid (its name).",
            null=True,
        ),
        integer("n_despiked", "Pixels replaced because they stood out of their neighbourhood.", "px"),
        number("mean_counts", "Mean intensity.", "counts"),
        number("sd_counts", "Standard deviation of the intensity.", "counts"),
    ),
    key=("micrograph_id",),
)

MASKS = Table(
    name="masks",
    meaning="The segmentation of one micrograph.",
    columns=(
        _MICROGRAPH,
        _SIMULATED,
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
        _MICROGRAPH,
        _SIMULATED,
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

TRAINING_MICROGRAPHS = Table(
    name="training_micrographs",
    meaning="A micrograph of the training set: no particle on it is unseen by a segmenter trained on that set.",
    columns=(
        _MICROGRAPH,
        _SIMULATED,
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

PARTICLES = Table(
    name="particles",
    meaning="One particle of one micrograph. Lengths are there in px always, in nm where the micrograph is calibrated.",
    columns=(
        text("particle_id", "<micrograph_id>#<label>, unique within a generation."),
        _MICROGRAPH,
        text("modality", "hrtem, hrstem or sem."),
        integer("label", "Number of the particle in the label image."),
        _SIMULATED,
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
            "0 where it touches the edge.",
        ),
        number("mean_counts", "Mean intensity.", "counts"),
        number("sd_counts", "Standard deviation of the intensity.", "counts"),
    ),
    key=("particle_id",),
)

TRAINING_REGIONS = Table(
    name="training_regions",
    meaning="A region that fault classifiers are trained, calibrated or judged on, and what it is said to show.",
    columns=(
        text("region_id", "The region: of a particle, <micrograph_id>#<label>; of support, one of its own."),
        _MICROGRAPH,
        _SIMULATED,
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
        text("feature_set", "thesis, five or rich."),
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
        _MICROGRAPH,
        _SIMULATED,
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
    ),
    key=("region_id",),
)

DEFECT_RATES = Table(
    name="defect_rates",
    meaning="Share of an aliquot's particles that are oriented, and of these that are faulted: counted and corrected.",
    columns=(
        _BATCH,
        _ALIQUOT,
        _SIMULATED,
        text(
            "rate", "oriented: of single particles, those with columns; faulted: of these, those with a visible fault."
        ),
        integer("n_micrographs", "Micrographs with classified particles."),
        integer("n_particles", "Whole particles that were classified, of all classes."),
        integer("n_left_out", "Particles left out: cut by the frame, or on micrographs unlike the training."),
        number("raw", "Share as counted.", null=True),
        number("raw_low", "Lower end of its 95 % interval, clustered by micrograph.", null=True),
        number("raw_high", "Upper end.", null=True),
        number("corrected", "Share corrected for the classifier's confusion.", null=True),
        number("corrected_low", "Lower end of its 95 % interval; holds the uncertainty of the confusion.", null=True),
        number("corrected_high", "Upper end.", null=True),
        number("p_alike", "Probability that data like the calibration set fit its confusion no better.", null=True),
        text("model_version", "Version of the classifier.", null=True),
        text("calibration_set", "Training set whose held-out regions gave the confusion: its SHA-256.", null=True),
        text("refused", "Why there is no rate; missing where there is one.", null=True),
    ),
    key=("synthesis_batch", "aliquot_time", "is_simulated", "rate"),
)

LABEL_AUDIT = Table(
    name="label_audit",
    meaning="A label of a training region, and how much classifiers that did not see its micrograph doubt it.",
    columns=(
        text("region_id", "The region."),
        _MICROGRAPH,
        _SIMULATED,
        text("class_name", "Class that it is said to show."),
        text("suggested_class", "Most probable class."),
        number("margin", "Probability of its class less the largest of another; -1 is certain disagreement."),
        flag("is_issue", "Whether another class is more probable than it usually is for regions that carry it."),
        integer("doubt_rank", "From 1, the most doubtful first."),
    ),
    key=("region_id",),
)

TRAININGS = Table(
    name="trainings",
    meaning="One trained model. The best repeat is registered and has a version; only a champion is in use.",
    columns=(
        text("mlflow_run_id", "MLflow run that trained it."),
        text("task", "segmentation, fault_classification or handedness."),
        text("architecture", "How it is built, such as unet or forest."),
        integer("repeat", "Number of the repeat, from 0: the same data, other random numbers."),
        text("protocol", "own: the parameters of the run; thesis: the published ones."),
        text("model_name", "Name in the registry; missing if not registered.", null=True),
        text("model_version", "Version in the registry; missing if not registered.", null=True),
        text("training_fingerprint", "SHA-256 over the training set."),
        text("trained_on", "Part of the training side that it learnt from; missing for all of it.", null=True),
        _SIMULATED,
        integer("n_parameters", "Numbers learnt, or parameters tuned."),
        integer("n_epochs", "Epochs trained.", null=True),
        integer("best_epoch", "Epoch of the smallest validation loss, of which the weights are.", null=True),
        text("stopped", "epochs: all done; no_gain: patience at an end; budget: time used up.", null=True),
        number("validation_loss", "Loss on the validation side after the best epoch.", null=True),
        number("validation_dice", "Mean Dice over the classes but the support, validation side.", null=True),
        number("used_s", "Processor time of the training; on a GPU, time by the clock.", "s"),
        number("wall_s", "Time of the training by the clock.", "s"),
    ),
    key=("mlflow_run_id",),
)

MODEL_SCORES = Table(
    name="model_scores",
    meaning="A model on one micrograph that it was not trained on, for one class, as counts; ratios come last.",
    columns=(
        text("mlflow_run_id", "MLflow run that trained the model."),
        _MICROGRAPH,
        _SIMULATED,
        text("material", "What the particles are made of.", null=True),
        text("modality", "hrtem, hrstem or sem."),
        text("class_name", "Class that is counted against all others."),
        integer("n_true_positive", "Of the class and found so.", "px"),
        integer("n_false_positive", "Found so and of another class.", "px"),
        integer("n_false_negative", "Of the class and not found so.", "px"),
        integer("n_true_negative", "Neither.", "px"),
    ),
    key=("mlflow_run_id", "micrograph_id", "class_name"),
)

_METHOD = text("method", "Architecture of the network, or classical method such as fourier.")
_FINGERPRINT = text("training_fingerprint", "SHA-256 over the training set of which the test side judged.")
_PART = text("part", "Held-out micrographs that are scored together, in words: material, dose, pixel size.")


def _with_interval(name: str, meaning: str) -> tuple[Column, ...]:
    return (
        number(name, meaning, null=True),
        number(f"{name}_low", "Lower end of its 95 % interval over micrographs; missing for one.", null=True),
        number(f"{name}_high", "Upper end.", null=True),
    )


BENCHMARK_SCORES = Table(
    name="benchmark_scores",
    meaning="A segmenter on a part of the held-out micrographs; all segmenters on the same ones. Ratios of all pixels "
    "together, the mean over classes but the support.",
    columns=(
        _FINGERPRINT,
        _METHOD,
        text("trained_on", "all, or the part of the training side that it learnt from."),
        text("repeats", "best: the repeat that is registered; mean: the mean over all of them."),
        integer("n_repeats", "Trained repeats that were scored."),
        _PART,
        _SIMULATED,
        text("material", "Material of the part; missing for all.", null=True),
        number("dose_from_e_per_nm2", "Lowest dose of the part; missing if not parted by it.", "e/nm2", null=True),
        number("dose_to_e_per_nm2", "Dose that it stays below; missing if it has no end.", "e/nm2", null=True),
        number("pixel_from_nm", "Smallest pixel of the part; missing if not parted by it.", "nm/px", null=True),
        number("pixel_to_nm", "Pixel size that it stays below; missing if it has no end.", "nm/px", null=True),
        integer("n_micrographs", "Held-out micrographs of the part."),
        *_with_interval("dice", "2 TP / (2 TP + FP + FN)."),
        *_with_interval("iou", "TP / (TP + FP + FN)."),
        *_with_interval("precision", "TP / (TP + FP)."),
        *_with_interval("recall", "TP / (TP + FN)."),
        *_with_interval(
            "dice_behind", "By how much the Dice of the best registered segmenter of the part is larger, paired."
        ),
    ),
    key=("training_fingerprint", "method", "trained_on", "repeats", "part", "is_simulated"),
)

THRESHOLD_SCORES = Table(
    name="threshold_scores",
    meaning="A network on all held-out micrographs of a material, for one threshold on the probability of particle.",
    columns=(
        _FINGERPRINT,
        _METHOD,
        text("material", "What the particles are made of; not known for some.", null=True),
        _SIMULATED,
        number("threshold", "Pixels are taken whose probability is this or more."),
        integer("n_true_positive", "Taken, and particle.", "px"),
        integer("n_false_positive", "Taken, and support.", "px"),
        integer("n_false_negative", "Particle, and not taken.", "px"),
    ),
    key=("training_fingerprint", "method", "material", "is_simulated", "threshold"),
)

ARCHITECTURE_SCORES = Table(
    name="architecture_scores",
    meaning="An architecture of network over its repeats, on the held-out micrographs of one training set.",
    columns=(
        _FINGERPRINT,
        text("architecture", "How it is built."),
        _SIMULATED,
        text("protocol", "own: the parameters of the run; thesis: the published ones."),
        integer("n_repeats", "Repeats: the same data, other random numbers."),
        integer("n_micrographs", "Held-out micrographs."),
        number("dice", "Mean over repeats of the Dice of all pixels together."),
        number("dice_se", "Its standard error over repeats; missing for one.", null=True),
        number("iou", "Mean over repeats of the intersection over union."),
        number("iou_se", "Its standard error over repeats; missing for one.", null=True),
        integer("n_parameters", "Numbers learnt."),
        number("n_epochs", "Mean number of epochs trained.", null=True),
        number("used_s", "Mean processor time of a training; on a GPU, time by the clock.", "s"),
        number("wall_s", "Mean time of a training by the clock.", "s"),
        number("published_dice", "Published Dice, of other micrographs.", null=True),
        number("published_iou", "Published intersection over union, of other micrographs.", null=True),
    ),
    key=("training_fingerprint", "architecture", "is_simulated"),
)

CHAMPIONS = Table(
    name="champions",
    meaning="The model in use for a task, and why it is: the decision that put it there.",
    columns=(
        text("model_name", "Name in the registry."),
        text("model_version", "Version in the registry, or shipped for one that came with the package."),
        text("mlflow_run_id", "MLflow run that trained it; missing for a shipped one.", null=True),
        text("architecture", "How it is built."),
        flag("is_simulated", "Whether every image of its training was simulated."),
        text("training_fingerprint", "SHA-256 over its training set."),
        text("metric", "Score that decided.", null=True),
        text("compared_on", "Held-out data on which both were judged.", null=True),
        number("score", "Score of the model.", null=True),
        text("incumbent_version", "Model in use before.", null=True),
        number("incumbent_score", "Score of the model before, on the same micrographs.", null=True),
        number("difference_low", "95 % interval of the difference, paired by micrograph: lower end.", null=True),
        number("difference_high", "Upper end.", null=True),
        text("reason", "Why, in words."),
    ),
    key=("model_name",),
)

_UNIT = text("length_unit", "nm, or px for micrographs that were declared uncalibrated.")

SIZE_DISTRIBUTIONS = Table(
    name="size_distributions",
    meaning="Equivalent diameter of the particles of one aliquot, without those at an edge and weighted for them.",
    columns=(
        _BATCH,
        _ALIQUOT,
        text("modality", "hrtem, hrstem or sem; sizes seen in different ways are never mixed."),
        _UNIT,
        flag("is_simulated", "Whether the row is of simulated micrographs; they are never mixed with measured ones."),
        integer("n_micrographs", "Micrographs in which particles were looked for."),
        integer("n_micrographs_with_particles", "Micrographs with particles that count."),
        integer(
            "n_files_with_particles",
            "Files with particles that count. Frames of one file may show one field of view: errors count them as one.",
        ),
        integer("n_particles", "Particles that count: not at an edge, and not below min_diameter."),
        integer("n_edge", "Particles left out because they touch an edge."),
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
        number("number_density_per_um2", "Particles per area, weighted for those at an edge.", "1/um2", null=True),
        number(
            "number_density_per_um2_se",
            "Its standard error, clustered by file, empty ones too.",
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
        _BATCH,
        _ALIQUOT,
        text("modality", "hrtem, hrstem or sem; sizes seen in different ways are never mixed."),
        _UNIT,
        flag("is_simulated", "Whether the row is of simulated micrographs."),
        number("bin_low", "Lower edge.", "length_unit"),
        number("bin_high", "Upper edge.", "length_unit"),
        integer("n_particles", "Particles in the bin."),
        number("fraction", "Share of the particles, weighted for those lost at the edges."),
    ),
    key=("synthesis_batch", "aliquot_time", "modality", "length_unit", "is_simulated", "bin_low"),
)

TILT_SERIES = Table(
    name="tilt_series",
    meaning="One tilt series: images of one particle at many stage tilts.",
    columns=(
        text("tilt_series_id", "The series: <batch>/<aliquot>/<path below the batch>."),
        text("file_id", "File that it was read from."),
        text("sha256", "SHA-256 of that file's bytes."),
        _SIMULATED,
        integer("n_tilts", "Images of the series."),
        integer("n_rows", "Height.", "px"),
        integer("n_cols", "Width.", "px"),
        number("pixel_size_nm", "Edge of a pixel; missing if declared uncalibrated.", "nm/px", null=True),
        text("calibration_source", "file, batch.yaml, override, correction or uncalibrated."),
        number("min_tilt_deg", "Smallest tilt.", "deg"),
        number("max_tilt_deg", "Largest tilt.", "deg"),
        number("tilt_axis_deg", "Tilt axis in the image, as the file or batch.yaml states it.", "deg", null=True),
        number("voltage_kv", "Acceleration voltage.", "kV", null=True),
        number("dose_e_per_nm2", "Electron dose of one image.", "e/nm2", null=True),
        number("exposure_s", "Exposure or dwell of one image.", "s", null=True),
    ),
    key=("tilt_series_id",),
)

TILTS = Table(
    name="tilts",
    meaning="One image of a tilt series, in the order of the file.",
    columns=(
        text("tilt_series_id", "The series."),
        integer("tilt_index", "Number of the image in its file, from 0."),
        number("tilt_deg", "Stage tilt.", "deg"),
        number("mean_counts", "Mean intensity.", "counts"),
        number("sd_counts", "Standard deviation of the intensity.", "counts"),
    ),
    key=("tilt_series_id", "tilt_index"),
)

RECONSTRUCTIONS = Table(
    name="reconstructions",
    meaning="The volume that was reconstructed from one tilt series, and how well it explains the images.",
    columns=(
        text("tilt_series_id", "The series."),
        _SIMULATED,
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

STRUCTURES = Table(
    name="structures",
    meaning="One imported set of atomic coordinates.",
    columns=(
        text("structure_id", "The structure: <batch>/<aliquot>/<path below the batch>."),
        text("file_id", "File that it was read from."),
        text("sha256", "SHA-256 of that file's bytes."),
        _SIMULATED,
        integer("n_atoms", "Atoms."),
        text("composition", "Chemical formula."),
        text("length_unit", "What one unit of the file's numbers was taken to be."),
        number("nearest_neighbour_angstrom", "Median distance of an atom to its nearest neighbour.", "angstrom"),
    ),
    key=("structure_id",),
)

COORDINATES = Table(
    name="coordinates",
    meaning="One atom of an imported set of coordinates.",
    columns=(
        text("structure_id", "The structure."),
        integer("atom_index", "Number of the atom in its file, from 0."),
        text("species", "Chemical symbol; X where the file gives none."),
        *(number(f"{axis}_angstrom", f"Position along {axis}.", "angstrom") for axis in "xyz"),
    ),
    key=("structure_id", "atom_index"),
)

PARTICLE_LABELS = Table(
    name="particle_labels",
    meaning="One particle that an expert gave a class, from a table that came with the batch.",
    columns=(
        text("label_file_id", "File of the table."),
        integer("row_index", "Row of that table, from 0."),
        _MICROGRAPH,
        text("class_name", "Class that the expert gave."),
        integer("label", "Number of the particle in a label image of the batch.", null=True),
        number("row_px", "Position, along rows.", "px", null=True),
        number("col_px", "Position, along columns.", "px", null=True),
    ),
    key=("label_file_id", "row_index"),
)

CORRECTIONS = Table(
    name="corrections",
    meaning="One correction by a person after a batch was accepted: what, why and by whom. None is ever removed.",
    columns=(
        _BATCH,
        integer("number", "Number of the correction within its batch, from 1."),
        text("kind", "veto, restore, calibration, mask, retract, reinstate or rename."),
        text("target", "Path of the file that it is about; the batch itself if missing.", null=True),
        text("value", "What was set: a pixel size in nm, the path of a mask, a new batch id.", null=True),
        text("reason", "Why."),
        text("author", "Who."),
        moment("made_at", "When (UTC)."),
        flag("is_in_force", "Whether no later correction has replaced it."),
    ),
    key=("synthesis_batch", "number"),
)

ATOMIC_MODELS = Table(
    name="atomic_models",
    meaning="One particle of which every atom has a position.",
    columns=(
        text("structure_id", "The particle: <batch>/<aliquot>/<path below the batch>."),
        text("source", "imported: coordinates that came with the batch; traced: found in a tilt series."),
        _SIMULATED,
        integer("n_atoms", "Atoms."),
        text("composition", "Chemical formula."),
    ),
    key=("structure_id",),
)

ATOMS = Table(
    name="atoms",
    meaning="One atom of a particle.",
    columns=(
        text("structure_id", "The particle."),
        integer("atom_index", "Number of the atom, from 0."),
        _SIMULATED,
        text("species", "Chemical symbol; X where it is not known."),
        *(number(f"{axis}_angstrom", f"Position along {axis}.", "angstrom") for axis in "xyz"),
        number(
            "sigma_pm",
            "Standard deviation of the position, over all three coordinates, from the noise of the images; missing "
            "where imported.",
            "pm",
            null=True,
        ),
        number("intensity", "Sum of the atom's image, in the counts of the tilt series; traced only.", null=True),
        number("intensity_sigma", "Standard deviation of the intensity; traced only.", null=True),
        integer("intensity_class", "0, or 1 for the brighter of two kinds of atoms; traced only.", null=True),
    ),
    key=("structure_id", "atom_index"),
)

ATOM_CANDIDATES = Table(
    name="atom_candidates",
    meaning="One peak of a reconstructed volume that may be an atom.",
    columns=(
        text("tilt_series_id", "The tilt series."),
        integer("candidate_index", "Number of the peak, from 0."),
        _SIMULATED,
        *(
            number(f"{axis}_angstrom", f"Position along {axis}, from the volume's centre.", "angstrom")
            for axis in "xyz"
        ),
        number("height", "Rise above the volume's median, in the units of the volume."),
        number(
            "contrast",
            "Height over the depth of the volume's deepest minimum, missing where it has none; noise "
            "hardly makes more than 1.",
            null=True,
        ),
        flag("is_claimed", "Whether the volume alone shows it to be more than noise."),
    ),
    key=("tilt_series_id", "candidate_index"),
)

ATOM_ORDERS = Table(
    name="atom_orders",
    meaning="The crystal that the neighbours of one atom belong to; with positions in the view ordered_atoms.",
    columns=(
        text("structure_id", "The particle."),
        integer("atom_index", "Number of the atom, from 0."),
        text("order_class", "fcc, hcp, five_fold, icosahedral, ambiguous, surface or disordered."),
        number("score_fcc", "Agreement of the neighbours with the fcc polyhedron, 0 to 12 (eq. 2.1 of the thesis)."),
        number("score_hcp", "The same with the hcp polyhedron."),
        number("score_five_fold", "The same with the polyhedron on the axis of a decahedron; 0 where not tried."),
        number("score_icosahedral", "The same with the icosahedron; 0 where not tried."),
        integer("coordination", "Neighbours within the cut-off."),
        flag("is_exposed", "Whether the atom lies at the outside of the particle."),
        text("cna_class", "fcc, hcp, icosahedral or other by common neighbour analysis."),
        number("q4", "Averaged bond order parameter of Lechner and Dellago, l = 4.", null=True),
        number("q6", "Averaged bond order parameter of Lechner and Dellago, l = 6.", null=True),
        number("mean_strain", "Mean normal strain of its shell against bulk; missing where not known.", null=True),
    ),
    key=("structure_id", "atom_index"),
)

ATOM_GRAINS = Table(
    name="atom_grains",
    meaning="Grain and defect that one atom belongs to; with positions in the view ordered_atoms.",
    columns=(
        text("structure_id", "The particle."),
        integer("atom_index", "Number of the atom, from 0."),
        integer("grain", "Number of the grain; missing for atoms of no one grain.", null=True),
        integer("plane", "Number of the layer of hcp atoms; missing for others.", null=True),
        text("defect", "Kind of the defect, or none."),
    ),
    key=("structure_id", "atom_index"),
)

GRAINS = Table(
    name="grains",
    meaning="One fcc crystal of a particle.",
    columns=(
        text("structure_id", "The particle."),
        integer("grain", "Number of the grain, the largest first, from 0."),
        integer("n_atoms", "Atoms that are fcc beyond doubt."),
        *(number(f"centre_{axis}_angstrom", f"Mean of its atoms along {axis}.", "angstrom") for axis in "xyz"),
        *(number(f"stacking_{axis}", f"Component along {axis} of a stacking direction <111>.") for axis in "xyz"),
        integer("row", "Tetrahedral subunits: 0 in the core, 1 and 2 in the rows over it, 3 below.", null=True),
        number("completeness", "Tetrahedral subunits: atoms over the median of the core's five.", null=True),
    ),
    key=("structure_id", "grain"),
)

PLANES = Table(
    name="planes",
    meaning="One layer of hcp atoms: a twin plane, or part of a stacking fault.",
    columns=(
        text("structure_id", "The particle."),
        integer("plane", "Number of the layer, the largest first, from 0."),
        text("kind", "twin, intrinsic, extrinsic, hcp or rhcp."),
        integer("defect_number", "Number of the defect; the layers of one fault share it."),
        text("letters", "Layers around it along its normal: f fcc, h hcp, ? not known; it is the middle one."),
        integer("n_atoms", "Hcp atoms of the layer."),
        *(number(f"normal_{axis}", f"Component of its normal along {axis}.") for axis in "xyz"),
        number("distance_to_twin_angstrom", "Distance from the nearest twin plane.", "angstrom", null=True),
        integer("n_inner_edge_atoms", "Edge atoms inside the particle at no other boundary: a partial dislocation."),
    ),
    key=("structure_id", "plane"),
)

PARTICLE_READINGS = Table(
    name="particle_readings",
    meaning="What a particle is and how it grew, by its labelled atoms.",
    columns=(
        text("structure_id", "The particle."),
        _SIMULATED,
        text(
            "kind",
            "single_crystal, faulted, twinned, decahedron, on_the_way, icosahedron, hcp, polycrystal or disordered.",
        ),
        text("pathway", "If on_the_way: A, tetrahedron by tetrahedron; B, two rows at once; undecided. Else none."),
        integer("n_atoms", "Atoms."),
        integer("n_grains", "Grains."),
        integer("n_twin_planes", "Twin planes."),
        integer("n_intrinsic_faults", "Intrinsic stacking faults."),
        integer("n_extrinsic_faults", "Extrinsic stacking faults."),
        integer("n_five_fold_axes", "Axes in which five grains meet."),
        number("fcc_fraction", "Share of all atoms that are fcc."),
        number("hcp_fraction", "Share of all atoms that are hcp."),
        number("bond_angstrom", "Bond length: first peak of the radial distribution function.", "angstrom"),
        number("bond_spread_angstrom", "Standard deviation of the distances of neighbours.", "angstrom"),
        number("bond_stretch", "Bond length over that of bulk, less 1; missing for alloys.", null=True),
    ),
    key=("structure_id",),
)

EVIDENCE = Table(
    name="evidence",
    meaning="One number that a reading of a particle rests on.",
    columns=(
        text("structure_id", "The particle."),
        text("name", "What was counted or measured."),
        number("value", "The number.", null=True),
    ),
    key=("structure_id", "name"),
)

SEM_CROPS = Table(
    name="sem_crops",
    meaning="One particle of a scanning micrograph as it was cut for the question of its hand, or why it was not.",
    columns=(
        text("particle_id", "<micrograph_id>#<label>; .1, .2 and so on behind it where a label was parted."),
        _MICROGRAPH,
        _SIMULATED,
        integer(
            "crop_index", "Number of its crop among those of its micrograph, from 0; missing if left out.", null=True
        ),
        text("left_out", "edge, small, or duplicate of the overlap of two tiles; missing if it was cut.", null=True),
        text("duplicate_of", "Particle of another tile that is counted in its stead.", null=True),
        number("centroid_row_px", "Centroid, along rows.", "px"),
        number("centroid_col_px", "Centroid, along columns.", "px"),
        number("length_px", "Extent along its long axis.", "px"),
        number("scale", "Pixels of the crop per pixel of the micrograph.", null=True),
        number("turn_deg", "Turn of the crop against the micrograph, counter-clockwise as seen.", "deg", null=True),
    ),
    key=("particle_id",),
)

STUDIES = Table(
    name="studies",
    meaning="One training of a study of handedness under wrong labels, judged on clean images it was not trained on.",
    columns=(
        text("study", "label_noise or as_synthesised."),
        text("images", "sevens, or te_simulated for simulated tellurium particles."),
        _SIMULATED,
        text("method", "standard, two_step or co_teaching."),
        flag("is_antisymmetric", "Whether the network answers the mirror image with the opposite, by construction."),
        text("split", "pairs, leaking (as published) or as_found."),
        number("error_percent", "Share of wrong labels: planted, or of the minority as found.", "%"),
        text("forget_rate_from", "Co-teaching: truth, estimate (from the images) or none for the other methods."),
        integer("repeat", "Number of the repeat, from 0."),
        text("protocol", "fast, reduced, own or thesis: how it was trained."),
        integer("n_train", "Mirror-labelled images trained on."),
        integer("n_right", "Right-handed images of the balanced test."),
        integer("n_left", "Left-handed images of the balanced test."),
        integer("n_right_wrong", "Right-handed ones called left."),
        integer("n_left_wrong", "Left-handed ones called right."),
        integer("n_wrong_both_ways", "Wrong if the image and its mirror decide together."),
        integer("n_skewed", "Images of a test with the minority of the training."),
        integer("n_skewed_called_left", "Of these, called left: f(x) times their number."),
        number("estimated_error_percent", "Share of wrong labels told from the images.", "%", null=True),
        number("estimated_error_low_percent", "Lower end of what the images allow.", "%", null=True),
        number("estimated_error_high_percent", "Upper end of what the images allow.", "%", null=True),
        integer("best_epoch", "Epoch of which the weights are, from 0."),
        integer("n_epochs", "Epochs trained."),
        number("duration_s", "Time by the clock.", "s"),
        text("mlflow_run_id", "MLflow run of the training."),
    ),
    key=(
        "study",
        "images",
        "method",
        "is_antisymmetric",
        "split",
        "error_percent",
        "forget_rate_from",
        "repeat",
    ),
)

HANDEDNESS_MODELS = Table(
    name="handedness_models",
    meaning="How the hands of a batch are told apart, and why so; without a model, why there is none.",
    columns=(
        _BATCH,
        text("method", "standard, two_step or co_teaching; missing if the batch is abstained from.", null=True),
        text("reason", "Why this method, or why none."),
        text("majority_hand", "Hand of the majority by the anchors: right or left; missing if not known.", null=True),
        text("hand_reason", "What the anchors say, in words."),
        text("model_name", "Name in the registry.", null=True),
        text("model_version", "Version in the registry.", null=True),
        text("mlflow_run_id", "MLflow run that trained it.", null=True),
        _SIMULATED,
        integer("n_particles", "Particles that it was trained on."),
        integer("n_anchors", "Anchors found among the particles."),
        integer("n_anchors_contradicting", "Anchors that contradict the others."),
        number("expected_minority_share", "Minority that batch.yaml expects.", null=True),
        number("estimated_minority_share", "Minority told from the images.", null=True),
        number("estimated_minority_low", "Lower end of what the images allow.", null=True),
        number("estimated_minority_high", "Upper end of what the images allow.", null=True),
        number("forget_rate", "Co-teaching: share of each batch left out.", null=True),
    ),
    key=("synthesis_batch",),
)

HANDEDNESS = Table(
    name="handedness",
    meaning="The hand of one particle of a scanning micrograph.",
    columns=(
        text("particle_id", "The particle, as in sem_crops."),
        _MICROGRAPH,
        _SIMULATED,
        number("log_odds", "Natural log odds that it is of the batch's majority, against the labels learnt from."),
        number("p_majority", "Chance that it is of the majority, corrected for wrong labels learnt from."),
        number("agreement", "Share of the answers to image, half turn and mirrors that name the same hand."),
        text("hand", "right or left; missing if no anchor names the hands.", null=True),
        number("p_right", "Chance that it is right-handed; missing if no anchor names the hands.", null=True),
        flag("was_trained_on", "Whether the model has seen this particle in its training."),
        text("model_version", "Version of the model in the registry."),
    ),
    key=("particle_id",),
)

HANDEDNESS_FRACTIONS = Table(
    name="handedness_fractions",
    meaning="Share of the rarer hand among the particles of an aliquot, or of a whole batch, as the model calls them.",
    columns=(
        _BATCH,
        text("aliquot_time", "Key of the aliquot; the whole batch if missing.", null=True),
        _SIMULATED,
        integer("n_micrographs", "Micrographs with particles: the clusters of the interval."),
        integer("n_particles", "Particles, each counted once."),
        integer("n_minority", "Particles called other than the batch's majority."),
        number("minority_fraction", "Their share; not corrected for the model's own errors."),
        number("minority_fraction_se", "Standard error, clustered by micrograph; needs two.", null=True),
        number("minority_fraction_low", "Lower end of the 95 % interval.", null=True),
        number("minority_fraction_high", "Upper end of the 95 % interval.", null=True),
        integer("n_left", "Particles called left-handed; missing if no anchor names the hands.", null=True),
        number("left_fraction", "Their share.", null=True),
    ),
    key=("synthesis_batch", "aliquot_time", "is_simulated"),
)

WRITTEN: tuple[Table, ...] = (
    BATCHES,
    ALIQUOTS,
    CONDITIONS,
    FILES,
    REFUSED,
    CORRECTIONS,
    MICROGRAPHS,
    TILT_SERIES,
    TILTS,
    RECONSTRUCTIONS,
    RECONSTRUCTED_TILTS,
    STRUCTURES,
    COORDINATES,
    PARTICLE_LABELS,
    ATOM_CANDIDATES,
    ATOMIC_MODELS,
    ATOMS,
    ATOM_ORDERS,
    ATOM_GRAINS,
    GRAINS,
    PLANES,
    PARTICLE_READINGS,
    EVIDENCE,
    MASKS,
    MASK_SCORES,
    TRAINING_MICROGRAPHS,
    PARTICLES,
    TRAININGS,
    MODEL_SCORES,
    BENCHMARK_SCORES,
    THRESHOLD_SCORES,
    ARCHITECTURE_SCORES,
    CHAMPIONS,
    TRAINING_REGIONS,
    FAULT_SCORES,
    PARTICLE_CLASSES,
    LABEL_AUDIT,
    DEFECT_RATES,
    SIZE_DISTRIBUTIONS,
    SIZE_HISTOGRAMS,
    SEM_CROPS,
    STUDIES,
    HANDEDNESS_MODELS,
    HANDEDNESS,
    HANDEDNESS_FRACTIONS,
)
"""Tables that assets write as Parquet into their generations."""

GENERATIONS = Table(
    name="generations",
    meaning="One generation in force: what an asset last made for one place, from what and by which code.",
    columns=(
        text("generation", "Name of the generation and of its folder."),
        text("asset", "Asset, as group/noun."),
        text("sample", "<batch>/<aliquot>; _ stands for all."),
        text("path", "Folder, below the home's artifacts."),
        text("run_size", "fast, study or full."),
        text("params_hash", "First 12 hexadecimal digits of the SHA-256 of the parameters."),
        text("params", "Parameters, as JSON."),
        text("code_version", "Version of the asset's science."),
        text("package_version", "Version of this package."),
        text("content_digest", "SHA-256 over the files of the generation."),
        text("dagster_run_id", "Dagster run that made it; missing if made outside Dagster.", null=True),
        text("mlflow_run_id", "MLflow run that belongs to it.", null=True),
        integer("n_items", "Items that went in."),
        integer("n_refused", "Items set aside."),
        moment("created_at", "When it was finished (UTC)."),
    ),
    key=("generation",),
)

GENERATION_INPUTS = Table(
    name="generation_inputs",
    meaning="One input of a generation: the edge of the lineage between two generations.",
    columns=(
        text("generation", "Generation that was made."),
        text("input_asset", "Asset that it was made from."),
        text("input_sample", "Place of that asset."),
        text("input_generation", "Generation that was read."),
    ),
    key=("generation", "input_asset", "input_sample"),
)

RUNS = Table(
    name="runs",
    meaning="One Dagster run that made generations in force.",
    columns=(
        text("dagster_run_id", "Dagster run."),
        text("job_name", "Job of the run.", null=True),
        integer("n_generations", "Generations in force that it made."),
        moment("first_created_at", "When its first generation was finished (UTC)."),
        moment("last_created_at", "When its last generation was finished (UTC)."),
    ),
    key=("dagster_run_id",),
)

DERIVED: tuple[Table, ...] = (GENERATIONS, GENERATION_INPUTS, RUNS)
"""Tables that the loader makes from the generations' own records."""

ALL: tuple[Table, ...] = WRITTEN + DERIVED
