"""Everything about a batch on one page."""

import json
from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.micrograph import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanodefect_assets.defs.population.batch_sections import Made
    from nanodefect_assets.domain.keys import Place
    from nanodefect_assets.domain.tables import Table
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.home import Home

REPORT_FILE = "report.html"
DOUBTS_FILE = "doubts.json"
"""Beside the page: a list of the checks that did not pass, in words."""

_OF_A_SAMPLE = (
    AssetName(group="samples", noun="micrographs"),
    AssetName(group="hrtem", noun="segmentation"),
    AssetName(group="hrtem", noun="mask_scores"),
    AssetName(group="hrtem", noun="particles"),
    AssetName(group="samples", noun="tilt_series"),
    AssetName(group="atoms", noun="grains"),
)
"""What the page shows of a sample; of every other asset that was made there it shows what was set aside."""
_THIS = AssetName(group="population", noun="batch_report")
_OF_A_BATCH = (
    AssetName(group="population", noun="size_distribution"),
    AssetName(group="population", noun="defect_rates"),
    AssetName(group="population", noun="handedness_fraction"),
)


_MOST_NAMED = 50
_MADE_OF_IMAGES = ("micrographs", "segmentation", "particles")
_MADE_OF: dict[str, tuple[str, ...]] = {
    "tilt_series": ("tilt_series",),
    "standard": (),
    "comparison": (),
    "coordinates": ("grains",),
    "labels": ("mask_scores",),
}
"""What is to be made of an aliquot with files of a modality; `_MADE_OF_IMAGES` of all others."""


@dg.asset(
    key=["population", "batch_report"],
    deps=[
        *(dg.AssetDep([name.group, name.noun], partition_mapping=batch_of_sample) for name in _OF_A_SAMPLE),
        ["samples", "intake"],
        *([name.group, name.noun] for name in _OF_A_BATCH),
    ],
    partitions_def=synthesis_batch,
    group_name="population",
    code_version="5",
    kinds={"html"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            ("population", "batch_report"),
            "every_sample_shown",
            "Every accepted image and tilt series is on the page with what was made of it, or set aside with a reason.",
            partitions=synthesis_batch,
        )
    ],
)
def batch_report(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """One self-contained page of a batch: conditions, outlined images, sizes, faults, hands, atoms, checks, models."""
    from nanodefect_assets.defs.population.batch_sections import batch_sections, checks_of
    from nanodefect_assets.plots.page import build_page

    made = _made(context, home)
    missing = not_shown(made)
    inputs = [found for of_place in made.generations.values() for found in of_place.values()]
    with making(context, home, inputs=inputs) as out:
        out.n_items = len(made.manifest.cells())
        checks = checks_of(made, context.instance)
        page = build_page(f"Batch {made.manifest.batch}", batch_sections(made, checks), lead=_lead(made))
        (out.folder / REPORT_FILE).write_text(page, encoding="utf-8")
        not_passed = [str(check) for check in checks if not check.is_quiet]
        (out.folder / DOUBTS_FILE).write_text(json.dumps(not_passed, indent=1), encoding="utf-8")
    assert out.result is not None
    path = home.home.folder_of(out.origin.asset, out.origin.place) / out.result.name / REPORT_FILE
    return report(
        out,
        metadata={"page": dg.MetadataValue.path(path), "n_bytes": path.stat().st_size},
        checks=[
            dg.AssetCheckResult(
                check_name="every_sample_shown",
                passed=not missing,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"n_missing": len(missing), "missing": missing[:_MOST_NAMED]},
            )
        ],
    )


def _made(context: dg.AssetExecutionContext, home: HomeResource) -> "Made":
    """Find what there is of a batch."""
    from nanodefect_assets.defs.population.batch_sections import Made
    from nanodefect_assets.domain.keys import Place
    from nanodefect_assets.stores.corrections import manifest_in_force

    batch = place_of(context).batch
    manifest = None if batch is None else manifest_in_force(home.home, batch)
    if batch is None or manifest is None:
        raise dg.Failure(f"Expected an accepted batch. Got {context.partition_key}, of which nothing was accepted.")
    found = {cell: shown_at(home.home, cell, _OF_A_SAMPLE) for cell in manifest.cells()}
    found |= {Place(batch=batch): shown_at(home.home, Place(batch=batch), _OF_A_BATCH)}
    return Made(home=home.home, manifest=manifest, generations=found)


def shown_at(home: "Home", place: "Place", shown: "Sequence[AssetName]") -> "dict[str, StoredGeneration]":
    """Return what is in force of the assets `shown` at a place, and of all others there that set something aside."""
    from nanodefect_assets.stores.generations import current_generation

    others = [asset for asset in home.assets_at(place) if asset not in (*shown, _THIS)]
    made = {asset: found for asset in (*shown, *others) if (found := current_generation(home, asset, place))}
    return {asset.noun: found for asset, found in made.items() if asset in shown or found.record.n_refused}


def not_shown(made: "Made") -> list[str]:
    """Return what should be on the page and is not: assets that were not made, files that those there do not have."""
    from nanodefect_assets.domain.keys import aliquot_label
    from nanodefect_assets.domain.schemas import MICROGRAPHS, TILT_SERIES

    missing: list[str] = []
    for place, generations in made.samples():
        aliquot = aliquot_label(place.aliquot or "")
        files = made.manifest.files_of(place.aliquot or "")
        wanted = dict.fromkeys(noun for file in files for noun in _MADE_OF.get(file.modality, _MADE_OF_IMAGES))
        missing += [f"{aliquot}: {noun}" for noun in wanted if noun not in generations]
        known = _files_of(generations.get("micrographs"), MICROGRAPHS)
        known |= _files_of(generations.get("tilt_series"), TILT_SERIES)
        with_rows = [file for file in files if file.modality in (*MODALITIES, "tilt_series")]
        missing += [f"{aliquot}: {file.path}" for file in with_rows if f"{place.sample}/{file.path}" not in known]
    return missing


def _files_of(generation: "StoredGeneration | None", table: "Table") -> set[str]:
    """Return the files that a generation has rows of, or set aside."""
    from nanodefect_assets.domain.schemas import REFUSED

    if generation is None:
        return set()
    aside = generation.rows(REFUSED)["item"] if generation.record.n_refused else []
    return {*generation.rows(table)["file_id"], *(item.partition("@")[0] for item in aside)}


def _lead(made: "Made") -> str:
    """Say in a sentence what the batch is."""
    manifest = made.manifest
    simulated = {file.is_simulated for file in manifest.files}
    kind = "" if simulated == {False} else " Simulated." if simulated == {True} else " Some files are simulated."
    files = "1 file" if len(manifest.files) == 1 else f"{len(manifest.files)} files"
    aliquots = "1 aliquot" if len(manifest.cells()) == 1 else f"{len(manifest.cells())} aliquots"
    return f"{manifest.material or 'Material not stated'}; {files} of {aliquots} accepted.{kind}"
