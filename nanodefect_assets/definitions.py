"""The code location: every asset, job, sensor and schedule."""

import dagster as dg

from nanodefect_assets.defs.atoms.atomic_model import atomic_model
from nanodefect_assets.defs.atoms.candidates import candidates
from nanodefect_assets.defs.atoms.grains import grains
from nanodefect_assets.defs.atoms.order import order
from nanodefect_assets.defs.correcting import corrected
from nanodefect_assets.defs.hrtem.architecture_study import architecture_study
from nanodefect_assets.defs.hrtem.champion_segmenter import champion_segmenter
from nanodefect_assets.defs.hrtem.classical_segmenters import classical_segmenters
from nanodefect_assets.defs.hrtem.fault_classifier import fault_classifier
from nanodefect_assets.defs.hrtem.label_audit import label_audit
from nanodefect_assets.defs.hrtem.mask_scores import mask_scores
from nanodefect_assets.defs.hrtem.material_study import material_study
from nanodefect_assets.defs.hrtem.particle_classes import particle_classes
from nanodefect_assets.defs.hrtem.particles import particles
from nanodefect_assets.defs.hrtem.region_training_set import region_training_set
from nanodefect_assets.defs.hrtem.segmentation import segmentation
from nanodefect_assets.defs.hrtem.segmentation_benchmark import segmentation_benchmark
from nanodefect_assets.defs.hrtem.segmenter import segmenter
from nanodefect_assets.defs.hrtem.training_set import training_set
from nanodefect_assets.defs.jobs import JOBS
from nanodefect_assets.defs.logs import plain_console
from nanodefect_assets.defs.population.batch_report import batch_report
from nanodefect_assets.defs.population.defect_rates import defect_rates
from nanodefect_assets.defs.population.handedness_fraction import handedness_fraction
from nanodefect_assets.defs.population.size_distribution import size_distribution
from nanodefect_assets.defs.population.warehouse import warehouse
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.samples.annotations import annotations
from nanodefect_assets.defs.samples.coordinates import coordinates
from nanodefect_assets.defs.samples.corrections import corrections
from nanodefect_assets.defs.samples.intake import intake
from nanodefect_assets.defs.samples.manifest import manifest
from nanodefect_assets.defs.samples.micrographs import micrographs
from nanodefect_assets.defs.samples.tilt_series import tilt_series
from nanodefect_assets.defs.schedules import SCHEDULES
from nanodefect_assets.defs.sem.as_synthesised_study import as_synthesised_study
from nanodefect_assets.defs.sem.handedness import handedness
from nanodefect_assets.defs.sem.handedness_model import handedness_model
from nanodefect_assets.defs.sem.label_noise_study import label_noise_study
from nanodefect_assets.defs.sem.sevens import sevens
from nanodefect_assets.defs.sem.te_crops import te_crops
from nanodefect_assets.defs.sensors import SENSORS
from nanodefect_assets.defs.tomography.aligned import aligned
from nanodefect_assets.defs.tomography.denoised import denoised
from nanodefect_assets.defs.tomography.reconstruction import reconstruction
from nanodefect_assets.defs.tomography.refined_reconstruction import refined_reconstruction
from nanodefect_assets.defs.tracking import Tracking

ASSETS = (
    intake,
    manifest,
    micrographs,
    annotations,
    tilt_series,
    coordinates,
    denoised,
    aligned,
    reconstruction,
    refined_reconstruction,
    corrections,
    segmentation,
    mask_scores,
    particles,
    region_training_set,
    fault_classifier,
    label_audit,
    particle_classes,
    training_set,
    segmenter,
    champion_segmenter,
    candidates,
    sevens,
    label_noise_study,
    as_synthesised_study,
    te_crops,
    handedness_model,
    handedness,
    classical_segmenters,
    material_study,
    architecture_study,
    segmentation_benchmark,
    atomic_model,
    order,
    grains,
    size_distribution,
    handedness_fraction,
    defect_rates,
    batch_report,
    warehouse,
)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=JOBS,
    sensors=(*SENSORS, corrected),
    schedules=SCHEDULES,
    resources={
        "home": HomeResource.configure_at_launch(),
        "compute": Compute.configure_at_launch(),
        "tracking": Tracking.configure_at_launch(),
    },
    executor=dg.in_process_executor,
    loggers={"console": plain_console},
)
