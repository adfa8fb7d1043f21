"""Jobs that people and sensors ask for."""

import dagster as dg

from nanodefect_assets.science.sem.params import LabelNoiseParams

ACCEPT_BATCH = "accept_batch"
MAKE_SAMPLE = "make_sample"
MAKE_SAMPLE_FAST = "make_sample_fast"
SUMMARISE_BATCH = "summarise_batch"
TRAIN_HANDEDNESS = "train_handedness"
JUDGE_HANDEDNESS = "judge_handedness"
PUBLISH = "publish_warehouse"
STUDY_ARCHITECTURES = "study_architectures"
COMPARE_SEGMENTERS = "compare_segmenters"
STUDY_HANDEDNESS = "study_handedness"
STUDY_HANDEDNESS_THESIS = "study_handedness_thesis"
STUDY_AS_SYNTHESISED = "study_as_synthesised"

per_sample = dg.AssetSelection.assets(
    ["samples", "manifest"],
    ["samples", "micrographs"],
    ["samples", "annotations"],
    ["samples", "tilt_series"],
    ["samples", "coordinates"],
    ["tomography", "denoised"],
    ["tomography", "aligned"],
    ["tomography", "reconstruction"],
    ["tomography", "refined_reconstruction"],
    ["hrtem", "segmentation"],
    ["hrtem", "mask_scores"],
    ["hrtem", "particles"],
    ["atoms", "candidates"],
    ["sem", "te_crops"],
    ["sem", "handedness"],
    ["hrtem", "particle_classes"],
    ["atoms", "atomic_model"],
    ["atoms", "order"],
    ["atoms", "grains"],
)

accept_batch = dg.define_asset_job(
    ACCEPT_BATCH,
    selection=dg.AssetSelection.assets(["samples", "intake"]),
    description="Accept a batch from the landing folder.",
)
make_sample = dg.define_asset_job(
    MAKE_SAMPLE, selection=per_sample, description="Everything of one sample, from its files to its particles."
)
make_sample_fast = dg.define_asset_job(
    MAKE_SAMPLE_FAST,
    selection=per_sample,
    config={"resources": {"home": {"config": {"run_size": "fast"}}}},
    description="The same for the first four micrographs of a sample, for trying settings. Its tables hold these alone "
    "until the sample is made whole again, at the latest in the night.",
)
train_handedness = dg.define_asset_job(
    TRAIN_HANDEDNESS,
    selection=dg.AssetSelection.assets(["sem", "handedness_model"]),
    description="Train the model that tells the hands of a chiral batch apart.",
)
judge_handedness = dg.define_asset_job(
    JUDGE_HANDEDNESS,
    selection=dg.AssetSelection.assets(["sem", "handedness"]),
    description="Ask the batch's model for the hand of every particle of a sample.",
)
summarise_batch = dg.define_asset_job(
    SUMMARISE_BATCH,
    selection=dg.AssetSelection.assets(
        ["population", "size_distribution"],
        ["population", "defect_rates"],
        ["population", "handedness_fraction"],
        ["population", "batch_report"],
    ),
    description="Statistics and the page of one batch.",
)
publish_warehouse = dg.define_asset_job(
    PUBLISH,
    selection=dg.AssetSelection.assets(["samples", "corrections"], ["population", "warehouse"]),
    description="Gather the corrections, load every table into the warehouse and publish it.",
)
_STUDY_SIZE = {"resources": {"home": {"config": {"run_size": "study"}}}}
study_architectures = dg.define_asset_job(
    STUDY_ARCHITECTURES,
    selection=dg.AssetSelection.assets(["hrtem", "segmenter"]),
    config=_STUDY_SIZE,
    description="Train one architecture in size study: the same processor time for each. Launch a backfill over all "
    "partitions, then compare_segmenters; a training that was interrupted goes on where it stopped.",
)
compare_segmenters = dg.define_asset_job(
    COMPARE_SEGMENTERS,
    selection=dg.AssetSelection.assets(
        ["hrtem", "classical_segmenters"],
        ["hrtem", "material_study"],
        ["hrtem", "architecture_study"],
        ["hrtem", "segmentation_benchmark"],
    ),
    config=_STUDY_SIZE,
    description="Tune the classical methods, train on one material and on several, and set all segmenters beside one "
    "another.",
)
study_handedness = dg.define_asset_job(
    STUDY_HANDEDNESS,
    selection=dg.AssetSelection.assets(["sem", "label_noise_study"]),
    config=_STUDY_SIZE,
    description="Train handedness at one share of wrong labels in size study. Launch a backfill over all partitions; a "
    "study that was interrupted goes on after the last training that it finished.",
)
study_handedness_thesis = dg.define_asset_job(
    STUDY_HANDEDNESS_THESIS,
    selection=dg.AssetSelection.assets(["sem", "label_noise_study"]),
    config={"ops": {"sem__label_noise_study": {"config": LabelNoiseParams.thesis().model_dump(exclude_unset=True)}}},
    description="Train handedness at one share of wrong labels as published: split, networks, settings, forget rate. "
    "For a GPU; its result takes the place of that of study_handedness.",
)
study_as_synthesised = dg.define_asset_job(
    STUDY_AS_SYNTHESISED,
    selection=dg.AssetSelection.assets(["sem", "as_synthesised_study"]),
    config=_STUDY_SIZE,
    description="Train handedness on simulated particles whose rarer hand looks different, in size study.",
)

JOBS = (
    accept_batch,
    make_sample,
    make_sample_fast,
    train_handedness,
    judge_handedness,
    summarise_batch,
    publish_warehouse,
    study_architectures,
    compare_segmenters,
    study_handedness,
    study_handedness_thesis,
    study_as_synthesised,
)
