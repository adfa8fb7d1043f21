"""Tables of chiral particles in scanning micrographs and of their hands."""

from nanodefect_assets.domain.schemas.columns import BATCH, MICROGRAPH, SIMULATED
from nanodefect_assets.domain.tables import Table, flag, integer, number, text

SEM_CROPS = Table(
    name="sem_crops",
    meaning="One particle of a scanning micrograph as it was cut for the question of its hand, or why it was not.",
    columns=(
        text("particle_id", "<micrograph_id>#<label>; .1, .2 and so on behind it where a label was parted."),
        MICROGRAPH,
        SIMULATED,
        integer(
            "crop_index", "Number of its crop among those of its micrograph, from 0; missing if left out.", null=True
        ),
        text(
            "left_out",
            "edge, small, clump, pile (a piece, of a micrograph of clumps), blank, or duplicate (in the overlap of two "
            "tiles); missing if it was cut.",
            null=True,
        ),
        text("duplicate_of", "Particle of another tile that is counted in its stead.", null=True),
        number("centroid_row_px", "Centroid, along rows.", "px"),
        number("centroid_col_px", "Centroid, along columns.", "px"),
        number("length_px", "Extent along its long axis.", "px"),
        number("scale", "Pixels of the crop per pixel of the micrograph.", null=True),
        number("turn_deg", "Turn of the crop against the micrograph, counter-clockwise as seen.", "deg", null=True),
    ),
    key=("particle_id",),
)

HANDEDNESS_MODELS = Table(
    name="handedness_models",
    meaning="How the hands of a batch are told apart, and why so; without a model, why there is none.",
    columns=(
        BATCH,
        text("method", "standard, two_step or co_teaching; missing if the batch is abstained from.", null=True),
        text("reason", "Why this method, or why none."),
        text("majority_hand", "Hand of the majority by the anchors: right or left; missing if not known.", null=True),
        text("hand_reason", "What the anchors say, in words."),
        text("model_name", "Name in the registry.", null=True),
        text("model_version", "Version in the registry.", null=True),
        text("mlflow_run_id", "MLflow run that trained it.", null=True),
        SIMULATED,
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

UNSEEN_HANDS = Table(
    name="unseen_hands",
    meaning="What a network says of a particle of a chiral batch that it did not learn from: each third of the batch "
    "is asked of a network that learnt from the rest.",
    columns=(
        text("particle_id", "The particle, as in sem_crops."),
        BATCH,
        SIMULATED,
        number("log_odds", "Natural log odds that it is of the batch's majority; each network has a scale of its own."),
    ),
    key=("particle_id",),
)

HANDEDNESS = Table(
    name="handedness",
    meaning="The hand of one particle of a scanning micrograph.",
    columns=(
        text("particle_id", "The particle, as in sem_crops."),
        MICROGRAPH,
        SIMULATED,
        number("log_odds", "Natural log odds that it is of the batch's majority, against the labels learnt from."),
        number(
            "log_odds_unseen",
            "The same by a network that did not learn from it; missing for what came after the training.",
            null=True,
        ),
        number("p_majority", "Chance that it is of the majority, corrected for wrong labels learnt from."),
        number("agreement", "Share of the answers to image, half turn and mirrors that name the same hand."),
        text("hand", "right or left; missing if no anchor names the hands.", null=True),
        number("p_right", "Chance that it is right-handed; missing if no anchor names the hands.", null=True),
        flag("was_trained_on", "Whether the model has seen this particle in its training."),
        text("model_version", "Version of the model in the registry."),
    ),
    key=("particle_id",),
)
