"""How large the particles of a batch are, aliquot by aliquot."""

from typing import TYPE_CHECKING, TypeVar

import dagster as dg
from pydantic import BaseModel

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.hrtem.finding import DRAWN
from nanodefect_assets.defs.making import asset_name, making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.science.population.params import SizeParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.home import Home

Params = TypeVar("Params", bound=BaseModel)

_FEW_PARTICLES = 30
_MICROGRAPHS = AssetName(group="samples", noun="micrographs")
_PARTICLES = AssetName(group="hrtem", noun="particles")
_SEGMENTATION = AssetName(group="hrtem", noun="segmentation")


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
    code_version="3",
    kinds={"pandas", "parquet"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            ("population", "size_distribution"),
            "every_aliquot_counted",
            "Every aliquot with accepted micrographs has measured particles, at least thirty of them.",
            partitions=synthesis_batch,
        )
    ],
)
def size_distribution(
    context: dg.AssetExecutionContext, config: SizeConfig, home: HomeResource
) -> dg.MaterializeResult:
    """Size distribution of each aliquot of a batch: histogram, mean and fitted lognormal with their errors."""
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.domain.schemas import PARTICLES, SIZE_DISTRIBUTIONS, SIZE_HISTOGRAMS
    from nanodefect_assets.science.population.sizes import histogram_sizes, summarise_sizes
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import current_generation, require_generation

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
        for place, generation in made.items():
            rows, images = generation.rows(PARTICLES), _looked_at(home.home, generation)
            rng = generator_for(config.seed, "population/size_distribution", place.sample)
            out.add_rows(SIZE_DISTRIBUTIONS, summarise_sizes(rows, images, config, rng=rng))
            out.add_rows(SIZE_HISTOGRAMS, histogram_sizes(rows, config))
    summary = require_generation(home.home, asset_name(context.asset_key), place_of(context))
    sizes, histogram = summary.rows(SIZE_DISTRIBUTIONS), summary.rows(SIZE_HISTOGRAMS)
    counts = sizes.groupby("aliquot_time")["n_particles"].sum()
    to_count = {file.aliquot for file in manifest.files if file.modality in MODALITIES}
    missing = sorted(to_count - {str(place.aliquot) for place in made})
    few = sorted(name for name in to_count - set(missing) if counts.get(name, 0) < _FEW_PARTICLES)
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
                metadata={"left_out": missing, "fewer_than_thirty_particles": few, **tested(len(to_count))},
            )
        ],
        preview=_preview(histogram, sizes),
    )


def _looked_at(home: "Home", particles: "StoredGeneration") -> "pd.DataFrame":
    """Return the micrographs of a sample that were segmented and measured, with the smallest diameter kept in each."""
    from nanodefect_assets.domain.schemas import MASKS, MICROGRAPHS, REFUSED
    from nanodefect_assets.stores.generations import input_of

    source, images = input_of(home, particles, _SEGMENTATION), input_of(home, particles, _MICROGRAPHS).rows(MICROGRAPHS)
    masks = source.rows(MASKS)
    set_aside = list(particles.rows(REFUSED)["item"]) if particles.record.n_refused else []
    drawn = masks["micrograph_id"][masks["segmenter_name"] == DRAWN]
    ids = images["micrograph_id"]
    images = images[ids.isin(masks["micrograph_id"]) & ~ids.isin(set_aside)]
    smallest = _smallest_diameters(images, source, particles, is_drawn=images["micrograph_id"].isin(drawn))
    return images.assign(min_diameter_px=smallest, own_area_px=_own_areas(images, particles))


def _own_areas(images: "pd.DataFrame", particles: "StoredGeneration") -> "pd.Series":
    """Return the pixels of each micrograph that no other tile of a map shows better, as particles were counted."""
    from nanodefect_assets.domain.schemas import MAP_TILES

    whole = images["n_rows"] * images["n_cols"]
    if not particles.rows_path(MAP_TILES).exists():  # of a version that knew no maps
        return whole
    own = particles.rows(MAP_TILES).set_index("micrograph_id")["own_area_px"]
    return images["micrograph_id"].map(own).astype(float).fillna(whole)


def _smallest_diameters(
    images: "pd.DataFrame", segmentation: "StoredGeneration", particles: "StoredGeneration", *, is_drawn: "pd.Series"
) -> list[float]:
    """Return what segmentation and measurement kept at least, in px; a person who draws a mask has no such limit."""
    from nanodefect_assets.science.hrtem.params import ParticleParams, SegmentationParams

    params = _params_of(segmentation, SegmentationParams)
    measured_px = _params_of(particles, ParticleParams).smallest_diameter_px
    sizes_nm = (None if size_nm != size_nm else size_nm for size_nm in images["pixel_size_nm"])
    return [
        measured_px if by_hand else max(measured_px, params.smallest_diameter_px(size_nm))
        for size_nm, by_hand in zip(sizes_nm, is_drawn, strict=True)
    ]


def _params_of(generation: "StoredGeneration", kind: type[Params]) -> Params:
    """Return the parameters of a generation, of which one by an older version may have others too."""
    return kind(**{name: value for name, value in generation.record.origin.params.items() if name in kind.model_fields})


def _table(sizes: "pd.DataFrame") -> str:
    """Write the means of a batch as a Markdown table."""
    from nanodefect_assets.domain.keys import aliquot_label

    lines = [
        "| aliquot | particles | micrographs | mean diameter | standard error | 95 % from | to | unit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sizes.itertuples():
        numbers = (row.mean_diameter, row.mean_diameter_se, row.mean_diameter_low, row.mean_diameter_high)
        cells = [aliquot_label(str(row.aliquot_time)), str(row.n_particles), str(row.n_micrographs)]
        cells += [f"{value:.3g}" if value == value else "" for value in numbers]
        lines.append(f"| {' | '.join([*cells, str(row.length_unit)])} |")
    return "\n".join(lines)


def _preview(histogram: "pd.DataFrame", sizes: "pd.DataFrame") -> bytes | None:
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.plots.sizes import plot_size_histogram

    return figure_png(plot_size_histogram(histogram, sizes)) if len(histogram) else None
