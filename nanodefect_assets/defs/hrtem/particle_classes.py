"""What every particle shows."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_or_models_pass
from nanodefect_assets.defs.hrtem.faults import FAULT_CLASSIFIER, classifier_in_use, features_for, likeness, rules_of
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.population.rate_params import RateParams

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.science.hrtem.regions import Region

P_COLUMNS = ("p_fault_visible", "p_no_fault", "p_misoriented", "p_agglomeration", "p_background")
_CLASSIFIER = AssetName(group="hrtem", noun="fault_classifier")


@dg.asset(
    key=["hrtem", "particle_classes"],
    deps=[
        ["samples", "manifest"],
        ["samples", "micrographs"],
        ["hrtem", "segmentation"],
        ["hrtem", "particles"],
        ["hrtem", "fault_classifier"],
    ],
    partitions_def=sample,
    group_name="hrtem",
    code_version="5",
    kinds={"sklearn", "parquet"},
    automation_condition=when_inputs_or_models_pass(["hrtem", "fault_classifier"]),
    check_specs=[
        items_check("hrtem", "particle_classes"),
        declare_check(
            ("hrtem", "particle_classes"),
            "like_the_training",
            "Micrographs have the pixel size, dose and material of those that the classifier was trained on, and few "
            "regions are novel to it.",
        ),
    ],
)
def particle_classes(context: dg.AssetExecutionContext, home: HomeResource, compute: Compute) -> dg.MaterializeResult:
    """What every particle of the HRTEM micrographs of a sample shows, by the fault classifier in use.

    Each region has one of five classes and the probability of all. Other modalities are passed over.
    """
    from nanodefect_assets.domain.micrograph import LabelledMicrograph
    from nanodefect_assets.domain.schemas import MICROGRAPHS, PARTICLE_CLASSES, PARTICLES
    from nanodefect_assets.science.hrtem.fault_forest import class_probabilities
    from nanodefect_assets.science.hrtem.regions import find_regions
    from nanodefect_assets.science.population.confusion_correction import novel_fraction
    from nanodefect_assets.stores.generations import current_generation
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.micrographs import read_micrograph

    masks, source = upstream(context, home, "hrtem", "segmentation"), upstream(context, home, "samples", "micrographs")
    measured, files = upstream(context, home, "hrtem", "particles"), upstream(context, home, "samples", "manifest")
    material = read_sample_manifest(files).material
    duplicate_of = measured.rows(PARTICLES).set_index("particle_id")["duplicate_of"].dropna().to_dict()
    trained = current_generation(home.home, _CLASSIFIER, Place())
    rows = source.rows(MICROGRAPHS).set_index("micrograph_id")
    images, labels = source.arrays("micrographs"), masks.arrays("labels")
    chosen = [item for item in labels if rows["modality"].get(item) == "hrtem"]
    model = classifier_in_use(home.home)
    estimator, rules, on_step = model.estimator() if chosen else None, rules_of(model.record), log_steps(context.log)
    inputs = [files, masks, source, measured, *([] if trained is None else [trained])]
    with making(context, home, inputs=inputs) as out, compute.executor() as executor:
        out.add_rows(PARTICLE_CLASSES, [])

        def look(item: str) -> "tuple[list[Region], np.ndarray, np.ndarray | None]":
            labelled = LabelledMicrograph(micrograph=read_micrograph(images, item), labels=labels.read(item))
            regions = list(find_regions(labelled, rules))
            features = features_for(model.record, regions)
            return regions, class_probabilities(estimator, features), likeness(model.record, features)

        for n, (item, seen) in enumerate(in_order(executor, look, chosen, ahead=2 * compute.n_threads)):
            with out.item(item):
                regions, probabilities, likely = seen.result()
                dose = rows["dose_e_per_nm2"].get(item)
                unlike = model.record.unlike_training(
                    modality="hrtem",
                    pixel_size_nm=images.pixel_size_nm(item),
                    dose_e_per_nm2=None if dose is None or dose != dose else float(dose),
                    material=material,
                )
                about = {
                    "is_simulated": bool(rows["is_simulated"][item]),
                    "model_name": FAULT_CLASSIFIER,
                    "model_version": model.version,
                    "unlike_training": "; ".join(unlike) or None,
                }
                out.add_rows(PARTICLE_CLASSES, _rows(regions, probabilities, likely, about, duplicate_of))
            on_step(Progress(task="classifying", done=n + 1, total=len(chosen), detail=item))
    made = upstream(context, home, "hrtem", "particle_classes").rows(PARTICLE_CLASSES)
    odd = sorted(made["micrograph_id"][made["unlike_training"].notna()].unique())
    limits = RateParams()
    whole = made[(made["kind"] == "particle") & ~made["touches_edge"]]  # training knows no others
    novel = novel_fraction(whole["p_like_training"].to_numpy(dtype=float), limits)
    return report(
        out,
        metadata={
            "n_classified": len(made),
            "model_version": model.version,
            **{f"n_{name.replace(' ', '_')}": int(n) for name, n in made["class_name"].value_counts().items()},
        },
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="like_the_training",
                passed=not odd and (novel is None or novel <= limits.max_novel_fraction),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "n_unlike": len(odd),
                    "unlike": dg.MetadataValue.json(odd[:50]),
                    **({} if novel is None else {"novel_fraction": novel}),
                },
            ),
        ],
    )


def _rows(
    regions: "list[Region]",
    probabilities: "np.ndarray",
    likely: "np.ndarray | None",
    about: dict[str, Any],
    duplicate_of: dict[Any, str],
) -> list[dict[str, Any]]:
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    return [
        {
            "region_id": region.region_id,
            "particle_id": region.particle_id,
            "micrograph_id": region.micrograph_id,
            "kind": region.kind,
            "agglomerate_id": region.agglomerate_id,
            "touches_edge": region.touches_edge,
            "duplicate_of": duplicate_of.get(region.particle_id),
            "class_name": FAULT_CLASSES[int(row.argmax())],
            **dict(zip(P_COLUMNS, row.tolist(), strict=True)),
            "p_like_training": p_like,
            **about,
        }
        for region, row, p_like in zip(
            regions, probabilities, [None] * len(regions) if likely is None else likely.tolist(), strict=True
        )
    ]
