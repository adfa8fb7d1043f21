"""What the particles are like."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.hrtem.map_counting import MapCounting
from nanodefect_assets.defs.making import in_order, making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.hrtem.params import ParticleParams

if TYPE_CHECKING:
    import pandas as pd


class ParticleConfig(ParticleParams, dg.Config):
    """Launchpad form of `ParticleParams`."""


@dg.asset(
    key=["hrtem", "particles"],
    deps=[["hrtem", "segmentation"], ["samples", "micrographs"]],
    partitions_def=sample,
    group_name="hrtem",
    code_version="2",
    kinds={"scikitimage", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("hrtem", "particles"),
        declare_check(
            ("hrtem", "particles"),
            "sizes_plausible",
            "The median equivalent diameter of a calibrated sample lies between 0.5 nm and 1 um.",
        ),
        declare_check(
            ("hrtem", "particles"),
            "overlaps_show_the_same",
            "Where tiles of a map overlap by their positions, and show enough to tell, they show the same. If fewer "
            "than a quarter do, stage: in batch.yaml is wrong, or the images are no map, and particles in overlaps "
            "count in every tile; nanodefect check says what fits.",
        ),
    ],
)
def particles(
    context: dg.AssetExecutionContext, config: ParticleConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Size, shape, orientation and brightness of every particle of a sample.

    Of a particle in the overlap of tiles of a map one counts; the others say which, in `duplicate_of`.
    """
    from nanodefect_assets.domain.micrograph import LabelledMicrograph
    from nanodefect_assets.domain.schemas import MICROGRAPHS, PARTICLES
    from nanodefect_assets.science.hrtem.particles import measure_particles
    from nanodefect_assets.stores.micrographs import read_micrograph

    masks = upstream(context, home, "hrtem", "segmentation")
    source = upstream(context, home, "samples", "micrographs")
    images, labels = source.arrays("micrographs"), masks.arrays("labels")
    on_step = log_steps(context.log)
    with making(context, home, inputs=[masks, source], params=config) as out, compute.executor() as executor:
        out.add_rows(PARTICLES, [])
        maps = MapCounting(source.rows(MICROGRAPHS), out)

        def measure(item: str) -> "pd.DataFrame":
            labelled = LabelledMicrograph(micrograph=read_micrograph(images, item), labels=labels.read(item))
            return measure_particles(labelled, config)

        for n, (item, measured) in enumerate(in_order(executor, measure, labels, ahead=2 * compute.n_threads)):
            with out.item(item):
                maps.add(item, measured.result())
            on_step(Progress(task="measuring", done=n + 1, total=len(labels), detail=item))
        maps.finish(images, labels, on_step)
    every = upstream(context, home, "hrtem", "particles").rows(PARTICLES)
    rows = every[every["duplicate_of"].isna()]
    whole = rows[~rows["touches_edge"]]
    median_nm, median_px = (float(whole[f"equivalent_diameter_{unit}"].median()) for unit in ("nm", "px"))
    is_calibrated = median_nm == median_nm
    return report(
        out,
        metadata={
            "n_particles": len(rows),
            "n_touching_edge": int(rows["touches_edge"].sum()),
            "n_duplicates": len(every) - len(rows),
            **({"median_diameter_nm": median_nm} if is_calibrated else {}),
            **({"median_diameter_px": median_px} if median_px == median_px else {}),
        },
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="sizes_plausible",
                passed=not is_calibrated or 0.5 <= median_nm <= 1000.0,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "median_diameter_nm": median_nm if is_calibrated else "uncalibrated",
                    **tested(int(is_calibrated)),
                },
            ),
            maps.check(),
        ],
        preview=_preview(rows),
    )


def _preview(rows: "pd.DataFrame") -> bytes | None:
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.plots.sizes import plot_diameters

    return figure_png(plot_diameters(rows)) if len(rows) else None
