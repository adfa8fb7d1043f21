"""Tables of trained models, how they compare, and which are in use."""

from nanodefect_assets.domain.schemas.columns import MICROGRAPH, SIMULATED
from nanodefect_assets.domain.tables import Column, Table, flag, integer, number, text

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
        text(
            "start_version",
            "Version of the segmenter whose weights it began with; missing where they were random.",
            null=True,
        ),
        SIMULATED,
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
        MICROGRAPH,
        SIMULATED,
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
        number(f"{name}_low", "Lower end of its 95 % interval over independent units; missing for one.", null=True),
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
        SIMULATED,
        text("material", "Material of the part; missing for all.", null=True),
        number("dose_from_e_per_nm2", "Lowest dose of the part; missing if not parted by it.", "e/nm2", null=True),
        number("dose_to_e_per_nm2", "Dose that it stays below; missing if it has no end.", "e/nm2", null=True),
        number("pixel_from_nm", "Smallest pixel of the part; missing if not parted by it.", "nm/px", null=True),
        number("pixel_to_nm", "Pixel size that it stays below; missing if it has no end.", "nm/px", null=True),
        integer("n_micrographs", "Held-out micrographs of the part."),
        integer(
            "n_independent",
            "Independent units among them, which intervals are over: files, or blocks where one file was parted. "
            "Missing in scores of an older version.",
            null=True,
        ),
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
        SIMULATED,
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
        SIMULATED,
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

STUDIES = Table(
    name="studies",
    meaning="One training of a study of handedness under wrong labels, judged on clean images it was not trained on.",
    columns=(
        text("study", "label_noise or as_synthesised."),
        text("images", "sevens, or te_simulated for simulated tellurium particles."),
        SIMULATED,
        text("method", "standard, two_step or co_teaching."),
        flag("is_antisymmetric", "Whether the network answers the mirror image with the opposite, by construction."),
        text(
            "variant",
            "usual, or what differs: network, optimiser, augmentation, sizes, crops, epochs, population.",
        ),
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
        integer("n_told_truly", "Test images of particles that were trained on, truly labelled.", null=True),
        integer("n_told_truly_wrong", "Of these, named wrongly.", null=True),
        integer("n_told_falsely", "Test images of particles that were trained on, wrongly labelled.", null=True),
        integer("n_told_falsely_wrong", "Of these, named wrongly.", null=True),
        integer("n_skewed", "Images of a test with the minority of the training."),
        integer("n_skewed_called_left", "Of these, called left: f(x) times their number."),
        number("estimated_error_percent", "Share of wrong labels told from the images.", "%", null=True),
        number("estimated_error_low_percent", "Lower end of what the images allow.", "%", null=True),
        number("estimated_error_high_percent", "Upper end of what the images allow.", "%", null=True),
        integer("best_epoch", "Epoch of which the weights are, from 0."),
        integer("n_epochs", "Epochs trained."),
        number("duration_s", "Time by the clock since the training began, or last went on.", "s"),
        text("mlflow_run_id", "MLflow run of the training."),
    ),
    key=(
        "study",
        "images",
        "method",
        "is_antisymmetric",
        "variant",
        "split",
        "error_percent",
        "forget_rate_from",
        "repeat",
    ),
)
