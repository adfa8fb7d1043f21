"""Where the particles are."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_or_models_pass
from nanodefect_assets.defs.hrtem.finding import Found, ParticleFinder, SegmentationConfig, take_drawn
from nanodefect_assets.defs.hrtem.networks import SEGMENTER, tuned_model
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from nanodefect_assets.stores.generations import StoredGeneration

_MOST_COVERED = 0.9
_CHAMPION = AssetName(group="hrtem", noun="champion_segmenter")


@dg.asset(
    key=["hrtem", "segmentation"],
    deps=[["samples", "micrographs"], ["samples", "manifest"], ["hrtem", "champion_segmenter"]],
    partitions_def=sample,
    group_name="hrtem",
    code_version="2",
    kinds={"pytorch", "scikitimage", "zarr"},
    automation_condition=when_inputs_or_models_pass(["hrtem", "champion_segmenter"]),
    check_specs=[
        items_check("hrtem", "segmentation"),
        declare_check(
            ("hrtem", "segmentation"),
            "particles_found",
            "Every micrograph has a particle, and none is covered by particles for more than nine tenths.",
        ),
        declare_check(
            ("hrtem", "segmentation"),
            "like_the_training",
            "Every micrograph that the model in use segmented is like those it was trained on.",
        ),
    ],
)
def segmentation(
    context: dg.AssetExecutionContext, config: SegmentationConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Label image of every micrograph of a sample: which pixels belong to which particle, by the segmenter in use.

    For modalities that it was not trained on, a classical method. Where a person has drawn a mask, that one is taken.
    Beside the labels lie the probability of every pixel and, where the network looked more than once, its spread.
    """
    from nanodefect_assets.domain.schemas import MASKS
    from nanodefect_assets.stores.generations import current_generation
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.micrographs import read_micrograph
    from nanodefect_assets.stores.registry import model_in_use

    source, files = upstream(context, home, "samples", "micrographs"), upstream(context, home, "samples", "manifest")
    champion = current_generation(home.home, _CHAMPION, Place())
    inputs = [source, files] if champion is None else [source, files, champion]
    tuned = None if config.tuned_method == "none" else tuned_model(home.home, config.tuned_method)
    model = None if tuned is not None or config.segmenter == "classical" else model_in_use(home.home, SEGMENTER)
    material = read_sample_manifest(files).material
    finder = ParticleFinder(config, model, material=material, compute=compute, tuned=tuned)
    images, drawn, doses = source.arrays("micrographs"), _drawn_masks(context, home), _doses(source)
    on_step = log_steps(context.log)
    rows: list[dict[str, Any]] = []
    with making(context, home, inputs=inputs, params=config) as out, compute.executor() as executor:
        arrays = out.arrays("labels")

        def segment(item: str) -> Found:
            micrograph = read_micrograph(images, item)
            if item in drawn:
                return take_drawn(micrograph, drawn[item])
            return finder.find(micrograph, dose_e_per_nm2=doses.get(item))

        for n, (item, segmented) in enumerate(in_order(executor, segment, images, ahead=2 * compute.n_threads)):
            with out.item(item):
                found = segmented.result()
                arrays.add(item, found.labels)
                for kind, values in found.maps.items():
                    out.add_array(kind, item, values)
                rows.append(found.row)
            on_step(Progress(task="segmenting", done=n + 1, total=len(images), detail=item))
        out.add_rows(MASKS, rows)
    odd = [row["micrograph_id"] for row in rows if not row["n_particles"] or row["covered_fraction"] > _MOST_COVERED]
    covered = [row["covered_fraction"] for row in rows]
    unlike = {row["micrograph_id"]: row["unlike_training"] for row in rows if row.get("unlike_training")}
    n_by_model = sum(row["segmenter_name"] == SEGMENTER for row in rows)
    return report(
        out,
        metadata={
            "n_masks": len(rows),
            "n_particles": sum(row["n_particles"] for row in rows),
            "n_unlike_training": len(unlike),
            "segmenters": ", ".join(sorted({_name_of(row) for row in rows})),
            "mean_covered_fraction": sum(covered) / len(covered) if covered else 0.0,
        },
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="particles_found",
                passed=not odd,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"n_odd": len(odd), "odd": dg.MetadataValue.json(odd[:50])},
            ),
            dg.AssetCheckResult(
                check_name="like_the_training",
                passed=not unlike,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "n_unlike": len(unlike),
                    "unlike": dg.MetadataValue.json(dict(islice(unlike.items(), 50))),
                    **tested(n_by_model),
                },
            ),
        ],
        preview=_preview(home, context),
    )


def _doses(micrographs: "StoredGeneration") -> dict[str, float]:
    """Return the dose of the micrographs of which it is known, in electrons per square nanometre."""
    from nanodefect_assets.domain.schemas import MICROGRAPHS

    return micrographs.rows(MICROGRAPHS).set_index("micrograph_id")["dose_e_per_nm2"].dropna().to_dict()


def _name_of(row: dict[str, Any]) -> str:
    version = row.get("segmenter_version")
    return row["segmenter_name"] if version is None else f"{row['segmenter_name']} {version}"


def _drawn_masks(context: dg.AssetExecutionContext, home: HomeResource) -> "dict[str, Path]":
    """Return the masks that people drew, by micrograph."""
    from nanodefect_assets.stores.corrections import mask_path
    from nanodefect_assets.stores.manifests import read_sample_manifest

    manifest, place = read_sample_manifest(upstream(context, home, "samples", "manifest")), place_of(context)
    found = {f"{place.sample}/{file.path}": mask_path(home.home, manifest.batch, file) for file in manifest.files}
    return {micrograph_id: path for micrograph_id, path in found.items() if path is not None}


def _preview(home: HomeResource, context: dg.AssetExecutionContext) -> bytes | None:
    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png

    images = upstream(context, home, "samples", "micrographs").arrays("micrographs")
    labels = upstream(context, home, "hrtem", "segmentation").arrays("labels")
    shown = list(islice(labels, 6))
    panels = [(item.rsplit("/", 1)[-1], images.read(item), labels.read(item)) for item in shown]
    sizes_nm = [images.pixel_size_nm(item) for item in shown]
    return figure_png(plot_mosaic(panels, pixel_sizes_nm=sizes_nm)) if panels else None
