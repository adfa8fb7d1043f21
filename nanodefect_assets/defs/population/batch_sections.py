"""The sections of a batch's page, from what was made of the batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import dagster as dg
import pandas as pd

from nanodefect_assets.defs.check_results import NOT_APPLICABLE, CheckResult, latest_results
from nanodefect_assets.defs.hrtem.networks import SEGMENTER
from nanodefect_assets.defs.partitions import sample_key
from nanodefect_assets.defs.population.rate_sections import faults_section, hands_section
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place, aliquot_label
from nanodefect_assets.domain.manifest import Condition, Manifest
from nanodefect_assets.domain.model_card import model_facts
from nanodefect_assets.domain.schemas import (
    MASK_SCORES,
    MASKS,
    MICROGRAPHS,
    PARTICLE_READINGS,
    PARTICLES,
    REFUSED,
    SIZE_DISTRIBUTIONS,
    SIZE_HISTOGRAMS,
    TILT_SERIES,
)
from nanodefect_assets.plots.images import plot_mosaic
from nanodefect_assets.plots.page import PagePicture, PageSection, PageTable
from nanodefect_assets.plots.png import figure_png
from nanodefect_assets.plots.sizes import plot_size_histogram
from nanodefect_assets.stores.generations import StoredGeneration
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.registry import SHIPPED, model_version, shipped_model

_VIEWS = "particle-*.html"
"""Names of the pages that `atoms/grains` writes beside its tables."""

_THIS = AssetName(group="population", noun="batch_report")
_MOST_IMAGES = 8
_MOST_REFUSED = 200
_PICTURE_BYTES = 300_000
_QUIET = (NOT_APPLICABLE, "passed")
"""Outcomes that need no reading, in the order in which they come after the others."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What there is of a batch: its manifest in force, and by place the generation of each asset's noun."""

    home: Home
    manifest: Manifest
    generations: Mapping[Place, Mapping[str, StoredGeneration]]

    def samples(self) -> Iterator[tuple[Place, Mapping[str, StoredGeneration]]]:
        """Go through the samples in the order of their growth times."""
        return ((cell, self.generations[cell]) for cell in self.manifest.cells())

    def of_batch(self, noun: str) -> StoredGeneration | None:
        """Return the generation of an asset of the whole batch."""
        return self.generations[Place(batch=self.manifest.batch)].get(noun)


@dataclass(frozen=True, kw_only=True)
class PlacedCheck:
    """What a check last said, and of which part of the batch: an aliquot, or the whole of it."""

    where: str
    result: CheckResult

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has to read it."""
        return self.result.outcome in _QUIET

    @property
    def name(self) -> str:
        """The check's name, to be read."""
        return self.result.check.replace("_", " ")

    def __str__(self) -> str:
        return f"{self.where}: {self.result.asset} {self.name}"


def batch_sections(made: Made, checks: Sequence[PlacedCheck]) -> list[PageSection]:
    """Return the sections in the order in which they are read; what a batch does not have has none."""
    found = [
        _conditions(made.manifest),
        *(_sample(place, generations) for place, generations in made.samples()),
        _sizes(made),
        faults_section(made.of_batch("defect_rates")),
        hands_section(made.of_batch("handedness_fraction")),
        _atoms(made),
        *_segmenters(made),
        _checks(checks),
        _refused(made),
    ]
    return [section for section in found if section is not None]


def _conditions(manifest: Manifest) -> PageSection:
    known = {
        "operator": manifest.operator,
        "robot run": manifest.robot_run_id,
        "note": manifest.note,
        "revision": manifest.revision,
    }
    rows = tuple(
        (aliquot_label(found.aliquot) if found.aliquot else "whole batch", found.name, _value(found))
        for found in manifest.conditions
    )
    tables = (PageTable(header=("of", "condition", "value"), rows=rows),) if rows else ()
    facts = {name: value for name, value in known.items() if value}
    return PageSection(heading="Synthesis", facts=facts, tables=tables)


def _value(condition: Condition) -> str:
    number = "" if condition.value is None else f"{condition.value:g} {condition.unit or ''}".strip()
    return number or condition.text_value or ""


def _sample(place: Place, generations: Mapping[str, StoredGeneration]) -> PageSection:
    heading = f"Aliquot {aliquot_label(place.aliquot or '')}"
    if not generations:
        return PageSection(heading=heading, paragraphs=("Nothing was made of this aliquot yet.",))
    facts = {}
    if images := generations.get("micrographs"):
        rows = images.rows(MICROGRAPHS)
        facts["micrographs"] = f"{len(rows)} ({', '.join(sorted(set(rows['modality'])))})" if len(rows) else ""
        facts["pixel size"] = _range(rows["pixel_size_nm"], "nm/px")
        facts["dose"] = _range(rows["dose_e_per_nm2"], "e/nm2")
    if (particles := generations.get("particles")) and particles.record.n_items:
        facts["particles"] = _found(particles.rows(PARTICLES))
    if scores := generations.get("mask_scores"):
        facts["masks against labels"] = _agreement(scores.rows(MASK_SCORES))
    if series := generations.get("tilt_series"):
        rows = series.rows(TILT_SERIES)
        facts["tilt series"] = "; ".join(f"{row.n_tilts} tilts" for row in rows.itertuples())
    shown = {name: value for name, value in facts.items() if value}
    return PageSection(heading=heading, facts=shown, pictures=_mosaic(generations))


def _found(rows: pd.DataFrame) -> str:
    counted = rows[rows["duplicate_of"].isna()]
    n_again = len(rows) - len(counted)
    again = f"; {n_again} more were seen again in another tile" if n_again else ""
    return f"{len(counted)}, of them {int(counted['touches_edge'].sum())} at an edge{again}"


def _range(values: pd.Series, unit: str) -> str:
    known = values.dropna()
    if known.empty:
        return ""
    low, high = known.min(), known.max()
    missing = f", {len(values) - len(known)} not known" if len(known) < len(values) else ""
    return (f"{low:.4g} {unit}" if low == high else f"{low:.4g} to {high:.4g} {unit}") + missing


def _agreement(scores: pd.DataFrame) -> str:
    """Return the Dice coefficient over all labelled pixels in words; empty if nothing is labelled."""
    hits, false, missed = (scores[f"n_{name}"].sum() for name in ("true_positive", "false_positive", "false_negative"))
    if not 2 * hits + false + missed:
        return ""
    return f"Dice {2 * hits / (2 * hits + false + missed):.3f} over {len(scores)} labelled micrographs"


def _mosaic(generations: Mapping[str, StoredGeneration]) -> tuple[PagePicture, ...]:
    if "micrographs" not in generations or "segmentation" not in generations:
        return ()
    images, labels = generations["micrographs"].arrays("micrographs"), generations["segmentation"].arrays("labels")
    both = [item for item in labels if item in images]
    if not both:
        return ()
    tiles = [(item.rsplit("/", 1)[-1], images.read(item), labels.read(item)) for item in islice(both, _MOST_IMAGES)]
    shown = f"the first {len(tiles)} of {len(both)} micrographs" if len(tiles) < len(both) else "all micrographs"
    caption = f"Particles outlined in {shown}."
    sizes_nm = [images.pixel_size_nm(item) for item in both[:_MOST_IMAGES]]
    figure = plot_mosaic(tiles, pixel_sizes_nm=sizes_nm)
    return (PagePicture(png=figure_png(figure, _PICTURE_BYTES), caption=caption),)


def _sizes(made: Made) -> PageSection | None:
    found = made.of_batch("size_distribution")
    if found is None:
        return None
    sizes, histogram = found.rows(SIZE_DISTRIBUTIONS), found.rows(SIZE_HISTOGRAMS)
    if sizes.empty:
        return None
    header = ("aliquot", "seen in", "particles", "micrographs", "mean diameter", "95 % from", "to", "unit")
    rows = tuple(
        (
            aliquot_label(str(row.aliquot_time)),
            f"{row.modality}{', simulated' if row.is_simulated else ''}",
            str(row.n_particles),
            str(row.n_micrographs),
            *(_number(value) for value in (row.mean_diameter, row.mean_diameter_low, row.mean_diameter_high)),
            str(row.length_unit),
        )
        for row in sizes.itertuples()
    )
    note = "Particles at an edge are left out and weighted for. Intervals are clustered by file."
    picture = PagePicture(
        png=figure_png(plot_size_histogram(histogram, sizes), _PICTURE_BYTES), caption="Equivalent diameters."
    )
    table = PageTable(header=header, rows=rows)
    return PageSection(heading="Sizes", paragraphs=(note,), tables=(table,), pictures=(picture,))


def _number(value: object) -> str:
    return "not known" if pd.isna(value) else f"{value:.3g}"


def _atoms(made: Made) -> PageSection | None:
    rows = [
        (
            row.structure_id,
            str(row.kind),
            str(row.crystal),
            str(row.pathway),
            str(row.n_atoms),
            str(row.n_twin_planes),
            str(row.n_intrinsic_faults + row.n_extrinsic_faults),
            str(row.n_five_fold_axes),
        )
        for _, generations in made.samples()
        if (found := generations.get("grains")) is not None
        for row in found.rows(PARTICLE_READINGS).itertuples()
    ]
    if not rows:
        return None
    header = ("particle", "is", "crystal", "pathway", "atoms", "twin planes", "stacking faults", "five-fold axes")
    table = PageTable(header=header, rows=tuple(rows))
    return PageSection(heading="Atoms", paragraphs=_views(made), tables=(table,))


def _views(made: Made) -> tuple[str, ...]:
    """Say where the pages lie that show each particle in three dimensions; inside this one they would make it large."""
    found = [generations["grains"].folder for _, generations in made.samples() if "grains" in generations]
    folders = [str(folder.relative_to(made.home.root)) for folder in found if any(folder.glob(_VIEWS))]
    said = "Each particle in three dimensions, to be turned, is a page in the home's folder"
    return (f"{said} {', '.join(folders)}.",) if folders else ()


def _segmenters(made: Made) -> list[PageSection]:
    """Say what found the particles, with the card of each model."""
    parts = [found.rows(MASKS) for _, of_sample in made.samples() if (found := of_sample.get("segmentation"))]
    masks = pd.concat(parts) if parts else pd.DataFrame()
    if masks.empty:
        return []
    keys = ["segmenter_name", "segmenter_version", "mlflow_run_id"]
    counted = masks.groupby(keys, dropna=False, sort=True).size()
    rows = tuple((*("" if pd.isna(part) else str(part) for part in key), str(n)) for key, n in counted.items())
    table = PageTable(header=("segmenter", "version", "MLflow run", "micrographs"), rows=rows)
    versions = sorted(set(masks["segmenter_version"][masks["segmenter_name"] == SEGMENTER]))
    cards = [PageSection(heading=f"Segmenter {version}", facts=_card(made.home, str(version))) for version in versions]
    return [PageSection(heading="What found the particles", tables=(table,)), *cards]


def _card(home: Home, version: str) -> dict[str, str]:
    """Return what is known of a version of the segmenter."""
    model = shipped_model(SEGMENTER) if version == SHIPPED else model_version(home, SEGMENTER, version)
    return {} if model is None else model_facts(model.record, version)


def checks_of(made: Made, instance: dg.DagsterInstance) -> list[PlacedCheck]:
    """Return what every check of the batch last said, those that did not pass first."""
    found: list[PlacedCheck] = []
    for place in made.generations:
        partition = str(place.batch) if place.aliquot is None else str(sample_key(place))
        where = "whole batch" if place.aliquot is None else aliquot_label(place.aliquot)
        results = latest_results(instance, _assets_at(made.home, place), [partition])
        found += [PlacedCheck(where=where, result=result) for result in results]
    return sorted(found, key=lambda check: _QUIET.index(check.result.outcome) if check.is_quiet else -1)


def _checks(checks: Sequence[PlacedCheck]) -> PageSection:
    """Show what did not pass; what passed, and what had nothing to test, can be unfolded."""
    loud = [check for check in checks if not check.is_quiet]
    tables = [_check_table(loud)] if loud else []
    for outcome, caption in (("passed", "that passed"), (NOT_APPLICABLE, "that had nothing to test")):
        if quiet := [check for check in checks if check.result.outcome == outcome]:
            tables.append(_check_table(quiet, folded_to=f"{len(quiet)} {caption}"))
    said = _counted([check.result.outcome for check in checks]) if checks else "No check has said anything yet."
    return PageSection(heading="Checks", paragraphs=(said,), tables=tuple(tables))


def _check_table(checks: Sequence[PlacedCheck], *, folded_to: str = "") -> PageTable:
    rows = [(one.where, one.result.asset, one.name, one.result.outcome, _said(one.result)) for one in checks]
    header = ("aliquot", "asset", "check", "outcome", "said")
    return PageTable(header=header, rows=tuple(rows), caption=folded_to, is_folded=bool(folded_to))


def _assets_at(home: Home, place: Place) -> list[list[str]]:
    """Return every asset that was made at a place, but for this page: what its check says is not known yet."""
    found = [asset for asset in home.assets_at(place) if asset != _THIS]
    return [[asset.group, asset.noun] for asset in found]


def _said(result: CheckResult) -> str:
    """Return what a check said where it did not pass; its numbers are in Dagster too."""
    return "" if result.outcome in _QUIET else result.said


def _counted(outcomes: list[str]) -> str:
    odd, empty = sum(outcome not in _QUIET for outcome in outcomes), outcomes.count(NOT_APPLICABLE)
    tested = len(outcomes) - empty
    said = f"{tested} checks, {odd} of them did not pass." if odd else f"All {tested} checks passed."
    return f"{said} {empty} more had nothing to test." if empty else said


def _refused(made: Made) -> PageSection:
    rows = [
        (file.path, "the batch", file.reason.replace("_", " "), file.expected, file.got, file.advice)
        for file in made.manifest.refused
    ]
    for generations in made.generations.values():
        for noun, found in generations.items():
            rows += _set_aside(found) if noun != "intake" else []  # what that refused is what the manifest refused
    if not rows:
        return PageSection(heading="Set aside", paragraphs=("Nothing was set aside.",))
    more = len(rows) - _MOST_REFUSED
    said = (f"{more} more are in the table refused of the warehouse.",) if more > 0 else ()
    header = ("what", "by", "reason", "expected", "came", "what to do")
    return PageSection(
        heading="Set aside", paragraphs=said, tables=(PageTable(header=header, rows=tuple(rows[:_MOST_REFUSED])),)
    )


def _set_aside(found: StoredGeneration) -> list[tuple[str, ...]]:
    if not found.record.n_refused:
        return []
    return [
        (
            str(row.item),
            str(row.asset),
            str(row.reason).replace("_", " "),
            *map(str, (row.expected, row.got, row.advice)),
        )
        for row in found.rows(REFUSED).itertuples()
    ]
