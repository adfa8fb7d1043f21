"""How large the particles of a batch are, aliquot by aliquot."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import asset_name, making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.science.population.params import SizeParams

if TYPE_CHECKING:
    import pandas as pd

_FEW_PARTICLES = 30
_MICROGRAPHS = AssetName(group="samples", noun="micrographs")
_PARTICLES = AssetName(group="hrtem", noun="particles")


class SizeConfig(SizeParams, dg.Config):
    """Launchpad form of `SizeParams`."""


@dg.asset(
    key=["population", "size_distribution"],
    deps=[
        dg.AssetDep(["hrtem", "particles"], partition_mapping=batch_of_sample),
        dg.AssetDep(["samples", "micrographs"], partition_mapping=batch_of_sample),
    ],
    partitions_def=synthesis_batch,
    group_name="population",
    code_version="1",
    kinds={"pandas", "parquet"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            ("population", "size_distribution"),
            "every_aliquot_counted",
            "Every aliquot that was accepted has measured particles, at least thirty of them.",
            partitions=synthesis_batch,
        )
    ],
)
def size_distribution(
    context: dg.AssetExecutionContext, config: SizeConfig, home: HomeResource
) -> dg.MaterializeResult:
    """Size distribution of each aliquot of a batch: histogram, mean with its standard error, fitted lognormal."""
    from nanodefect_assets.domain.schemas import MICROGRAPHS, PARTICLES, SIZE_DISTRIBUTIONS, SIZE_HISTOGRAMS
    from nanodefect_assets.science.population.sizes import histogram_sizes, summarise_sizes
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import current_generation, input_of, require_generation

    batch = place_of(context).batch
    manifest = None if batch is None else manifest_in_force(home.home, batch)
    if batch is None or manifest is None:
        raise dg.Failure(f"Expected an accepted batch. Got {context.partition_key}, of which nothing was accepted.")
    found = {place: current_generation(home.home, _PARTICLES, place) for place in manifest.cells()}
    made = {place: generation for place, generation in found.items() if generation is not None}
    with making(context, home, inputs=made.values(), params=config) as out:
        out.n_items = len(found)
        out.add_rows(SIZE_DISTRIBUTIONS, [])
        out.add_rows(SIZE_HISTOGRAMS, [])
        for generation in made.values():
            rows, images = generation.rows(PARTICLES), input_of(home.home, generation, _MICROGRAPHS).rows(MICROGRAPHS)
            out.add_rows(SIZE_DISTRIBUTIONS, summarise_sizes(rows, config, micrographs=images))
            out.add_rows(SIZE_HISTOGRAMS, histogram_sizes(rows, config))
    summary = require_generation(home.home, asset_name(context.asset_key), place_of(context))
    sizes, histogram = summary.rows(SIZE_DISTRIBUTIONS), summary.rows(SIZE_HISTOGRAMS)
    missing = sorted(str(place.aliquot) for place in found.keys() - made.keys())
    counts = sizes.groupby("aliquot_time")["n_particles"].sum()
    few = sorted(counts[counts < _FEW_PARTICLES].index)
    return report(
        out,
        metadata={
            "n_aliquots": len(made),
            "n_aliquots_left_out": len(missing),
            "n_particles": int(sizes["n_particles"].sum()),
            "table": dg.MetadataValue.md(_table(sizes)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="every_aliquot_counted",
                passed=not missing and not few,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"left_out": missing, "fewer_than_thirty_particles": few},
            )
        ],
        preview=_preview(histogram, sizes),
    )


def _table(sizes: "pd.DataFrame") -> str:
    """Write the means of a batch as a Markdown table."""
    from nanodefect_assets.domain.keys import aliquot_label

    lines = ["| aliquot | particles | mean diameter | standard error | unit |", "|---|---|---|---|---|"]
    for row in sizes.itertuples():
        mean, error = (f"{value:.3g}" if value == value else "" for value in (row.mean_diameter, row.mean_diameter_se))
        lines.append(
            f"| {aliquot_label(str(row.aliquot_time))} | {row.n_particles} | {mean} | {error} | {row.length_unit} |"
        )
    return "\n".join(lines)


def _preview(histogram: "pd.DataFrame", sizes: "pd.DataFrame") -> bytes | None:
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.plots.sizes import plot_size_histogram

    return figure_png(plot_size_histogram(histogram, sizes)) if len(histogram) else None
