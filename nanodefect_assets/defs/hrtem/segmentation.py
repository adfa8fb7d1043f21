"""Where the particles are."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.hrtem.params import SegmentationParams

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from nanodefect_assets.domain.micrograph import Micrograph

_MOST_COVERED = 0.9
DRAWN = "drawn"
"""Name of the segmenter where a person drew the mask."""


class SegmentationConfig(SegmentationParams, dg.Config):
    """Launchpad form of `SegmentationParams`."""


@dg.asset(
    key=["hrtem", "segmentation"],
    deps=[["samples", "micrographs"], ["samples", "manifest"]],
    partitions_def=sample,
    group_name="hrtem",
    code_version="1",
    kinds={"scikitimage", "zarr"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("hrtem", "segmentation"),
        declare_check(
            ("hrtem", "segmentation"),
            "particles_found",
            "Every micrograph has a particle, and none is covered by particles for more than nine tenths.",
        ),
    ],
)
def segmentation(
    context: dg.AssetExecutionContext, config: SegmentationConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Label image of every micrograph of a sample: which pixels belong to which particle, by texture or lattice.

    Where a person has drawn a mask in place of the segmenter's, that one is taken.
    """
    from nanodefect_assets.domain.schemas import MASKS
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.micrographs import read_micrograph

    source, files = upstream(context, home, "samples", "micrographs"), upstream(context, home, "samples", "manifest")
    material = read_sample_manifest(files).material
    images, drawn = source.arrays("micrographs"), _drawn_masks(context, home)
    on_step = log_steps(context.log)
    rows: list[dict[str, Any]] = []
    with making(context, home, inputs=[source, files], params=config) as out, compute.executor() as executor:
        arrays = out.arrays("labels")

        def segment(item: str) -> "tuple[np.ndarray, dict[str, Any]]":
            micrograph = read_micrograph(images, item)
            return _find(micrograph, config, material) if item not in drawn else _take_drawn(micrograph, drawn[item])

        for n, (item, segmented) in enumerate(in_order(executor, segment, images, ahead=2 * compute.n_threads)):
            with out.item(item):
                labels, row = segmented.result()
                arrays.add(item, labels)
                rows.append(row)
            on_step(Progress(task="segmenting", done=n + 1, total=len(images), detail=item))
        out.add_rows(MASKS, rows)
    odd = [row["micrograph_id"] for row in rows if not row["n_particles"] or row["covered_fraction"] > _MOST_COVERED]
    covered = [row["covered_fraction"] for row in rows]
    return report(
        out,
        metadata={
            "n_masks": len(rows),
            "n_particles": sum(row["n_particles"] for row in rows),
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
        ],
        preview=_preview(home, context),
    )


def _find(
    micrograph: "Micrograph", config: SegmentationConfig, material: str | None
) -> "tuple[np.ndarray, dict[str, Any]]":
    """Segment a micrograph; return its labels and its row of `MASKS`."""
    from nanodefect_assets.science.hrtem.segment import segment_particles

    found = segment_particles(micrograph, config, material=material)
    threshold = found.threshold if found.threshold < float("inf") else None
    how = {"segmenter_name": found.method, "polarity": found.polarity, "threshold": threshold}
    return found.labels, _row(micrograph, found.labels, **how)


def _take_drawn(micrograph: "Micrograph", path: "Path") -> "tuple[np.ndarray, dict[str, Any]]":
    """Take a mask that a person drew."""
    from nanodefect_assets.domain.micrograph import LabelledMicrograph
    from nanodefect_assets.science.imaging.masks import number_particles
    from nanodefect_assets.stores.labels import read_label_image

    drawn = LabelledMicrograph(micrograph=micrograph, labels=read_label_image(path))
    labels = number_particles(drawn.labels)
    return labels, _row(micrograph, labels, segmenter_name=DRAWN, segmenter_version=path.name.split("-")[0])


def _row(micrograph: "Micrograph", labels: "np.ndarray", **how: object) -> dict[str, Any]:
    return {
        "micrograph_id": micrograph.micrograph_id,
        "is_simulated": micrograph.is_simulated,
        "n_particles": int(labels.max()),
        "covered_fraction": float((labels > 0).mean()),
        **how,
    }


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
