"""Where the particles are."""

from itertools import islice
from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.hrtem.params import SegmentationParams

if TYPE_CHECKING:
    from nanodefect_assets.domain.micrograph import Micrograph
    from nanodefect_assets.science.hrtem.segment import Segmentation


class SegmentationConfig(SegmentationParams, dg.Config):
    """Launchpad form of `SegmentationParams`."""


@dg.asset(
    key=["hrtem", "segmentation"],
    deps=[["samples", "micrographs"]],
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
    """Label image of every micrograph of a sample: which pixels belong to which particle, by Otsu's threshold."""
    from nanodefect_assets.domain.schemas import MASKS
    from nanodefect_assets.science.hrtem.segment import segment_particles
    from nanodefect_assets.stores.micrographs import read_micrograph

    source = upstream(context, home, "samples", "micrographs")
    images = source.arrays("micrographs")
    on_step = log_steps(context.log)
    odd: list[str] = []
    covered: list[float] = []
    with making(context, home, inputs=[source], params=config) as out, compute.executor() as executor:
        out.add_rows(MASKS, [])
        arrays = out.arrays("labels")

        def segment(item: str) -> "tuple[Micrograph, Segmentation]":
            micrograph = read_micrograph(images, item)
            return micrograph, segment_particles(micrograph, config)

        for n, (item, segmented) in enumerate(in_order(executor, segment, images, ahead=2 * compute.n_threads)):
            with out.item(item):
                micrograph, found = segmented.result()
                arrays.add(item, found.labels)
                covered.append(float((found.labels > 0).mean()))
                n_particles = int(found.labels.max())
                if n_particles == 0 or covered[-1] > 0.9:
                    odd.append(item)
                row = {
                    "micrograph_id": item,
                    "is_simulated": micrograph.is_simulated,
                    "segmenter_name": found.method,
                    "segmenter_version": None,
                    "mlflow_run_id": None,
                    "polarity": found.polarity,
                    "threshold": found.threshold,
                    "n_particles": n_particles,
                    "covered_fraction": covered[-1],
                }
                out.add_rows(MASKS, [row])
            on_step(Progress(task="segmenting", done=n + 1, total=len(images), detail=item))
    return report(
        out,
        metadata={
            "n_masks": out.n_rows(MASKS),
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


def _preview(home: HomeResource, context: dg.AssetExecutionContext) -> bytes | None:
    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png

    images = upstream(context, home, "samples", "micrographs").arrays("micrographs")
    labels = upstream(context, home, "hrtem", "segmentation").arrays("labels")
    panels = [(item.rsplit("/", 1)[-1], images.read(item), labels.read(item)) for item in islice(labels, 6)]
    return figure_png(plot_mosaic(panels)) if panels else None
