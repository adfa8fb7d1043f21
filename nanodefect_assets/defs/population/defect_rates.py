"""How many particles of a batch are faulted, aliquot by aliquot."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.population.rate_params import RateParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.champion import ModelRecord

_CLASSES = AssetName(group="hrtem", noun="particle_classes")
_RATES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "oriented": ((0, 1), (0, 1, 2)),
    "faulted": ((0,), (0, 1)),
}
"""Classes counted, of which: faulted, not faulted and misoriented are the single particles."""


class DefectRateConfig(RateParams, dg.Config):
    """Launchpad form of `RateParams`."""


@dg.asset(
    key=["population", "defect_rates"],
    deps=[dg.AssetDep(["hrtem", "particle_classes"], partition_mapping=batch_of_sample)],
    partitions_def=synthesis_batch,
    group_name="population",
    code_version="5",
    kinds={"pandas", "parquet"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            ("population", "defect_rates"),
            "every_aliquot_has_rates",
            "Every aliquot with classified particles has rates: enough of them, and like the calibration set.",
            partitions=synthesis_batch,
        )
    ],
)
def defect_rates(
    context: dg.AssetExecutionContext, config: DefectRateConfig, home: HomeResource
) -> dg.MaterializeResult:
    """Share of particles that are oriented, and of these that are faulted, counted and corrected, with intervals.

    Only whole particles count, each once, on micrographs like those that the classifier was trained on.
    """
    from nanodefect_assets.domain.schemas import DEFECT_RATES, PARTICLE_CLASSES
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import current_generation

    batch = place_of(context).batch
    manifest = None if batch is None else manifest_in_force(home.home, batch)
    if batch is None or manifest is None:
        raise dg.Failure(f"Expected an accepted batch. Got {context.partition_key}, of which nothing was accepted.")
    found = {place: current_generation(home.home, _CLASSES, place) for place in manifest.cells()}
    made = {place: generation for place, generation in found.items() if generation is not None}
    rows: list[dict[str, Any]] = []
    with making(context, home, inputs=made.values(), params=config) as out:
        out.n_items = len(found)
        for place, generation in made.items():
            rows += _aliquot_rows(home, place, generation.rows(PARTICLE_CLASSES), config)
        out.add_rows(DEFECT_RATES, rows)
    refused = [f"{row['aliquot_time']}, {row['rate']}: {row['refused']}" for row in rows if row["refused"]]
    return report(
        out,
        metadata={
            "n_aliquots": len(made),
            "n_rates": len(rows) - len(refused),
            "n_refused_rates": len(refused),
            "table": dg.MetadataValue.md(_table(rows)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="every_aliquot_has_rates",
                passed=not refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"refused": dg.MetadataValue.json(refused), **tested(len(rows))},
            )
        ],
    )


def _aliquot_rows(
    home: HomeResource, place: Place, particles: "pd.DataFrame", config: DefectRateConfig
) -> list[dict[str, Any]]:
    """Return the rates of an aliquot, of measured and of simulated micrographs apart."""
    from nanodefect_assets.science.population.confusion_correction import novel_fraction

    rows: list[dict[str, Any]] = []
    whole = particles[(particles["kind"] == "particle") & particles["duplicate_of"].isna()]
    for is_simulated, every in whole.groupby("is_simulated"):
        counted = every[~every["touches_edge"] & every["unlike_training"].isna()]
        novel = novel_fraction(counted["p_like_training"].to_numpy(dtype=float), config)
        about = {
            "synthesis_batch": place.batch,
            "aliquot_time": place.aliquot,
            "is_simulated": bool(is_simulated),
            "n_left_out": len(every) - len(counted),
            "n_micrographs": int(counted["micrograph_id"].nunique()),
            "n_particles": len(counted),
            "novel_fraction": novel,
        }
        rows += [about | {"rate": rate} | _rate(home, rate, counted, novel, config) for rate in _RATES]
    return rows


def _rate(
    home: HomeResource, rate: str, counted: "pd.DataFrame", novel: float | None, config: DefectRateConfig
) -> dict[str, Any]:
    """Return the numbers of one rate, or why there are none."""
    from nanodefect_assets.science.population.confusion_correction import corrected_rate

    empty = ("raw", "raw_low", "raw_high", "corrected", "corrected_low", "corrected_high", "p_alike")
    nothing: dict[str, Any] = dict.fromkeys((*empty, "model_version", "calibration_set"))
    try:
        version, record = _classifier(home, counted)
        known = {"model_version": version, "calibration_set": record.training_fingerprint}
        nothing |= known
        _check_novelty(novel, config)
        part, among = _RATES[rate]
        found = corrected_rate(_counts(counted), _confusion(record), part, among, config)
    except Refusal as refusal:
        return nothing | {"refused": str(refusal)}
    return known | {
        "raw": found.raw.value,
        "raw_low": found.raw.low,
        "raw_high": found.raw.high,
        "corrected": found.corrected.value,
        "corrected_low": found.corrected.low,
        "corrected_high": found.corrected.high,
        "p_alike": found.p_alike,
        "refused": None,
    }


def _check_novelty(novel: float | None, config: DefectRateConfig) -> None:
    if novel is not None and novel > config.max_novel_fraction:
        raise Refusal(
            "novel_regions",
            expected=f"at most {config.max_novel_fraction:.0%} of regions unlike the training of the classifier "
            f"({config.novel_p:.0%} by chance)",
            got=f"{novel:.0%}",
            advice="Train on regions of this microscope and material that experts have classed "
            "(hrtem/region_training_set), or simulate its contrast.",
        )


def _classifier(home: HomeResource, counted: "pd.DataFrame") -> "tuple[str, ModelRecord]":
    """Return version and record of the classifier that gave the classes.

    Raises
    ------
    Refusal
        If there are no particles, or several versions gave them.
    """
    from nanodefect_assets.stores.registry import SHIPPED, model_version, shipped_model

    versions = sorted(counted["model_version"].unique())
    if len(versions) != 1:
        raise Refusal(
            "no_single_classifier",
            expected="whole particles, like those of the training, classified by one model",
            got=", ".join(versions) or "none",
        )
    name, version = str(counted["model_name"].iloc[0]), str(versions[0])
    model = shipped_model(name) if version == SHIPPED else model_version(home.home, name, version)
    if model is None:
        raise Refusal("no_such_model", expected=f"the shipped {name}", got="none")
    return version, model.record


def _confusion(record: "ModelRecord") -> Any:
    from nanodefect_assets.defs.hrtem.faults import confusion_of

    return confusion_of(record)


def _counts(counted: "pd.DataFrame") -> Any:
    """Return the particles of each micrograph by class."""
    import numpy as np

    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    names, which = np.unique(counted["micrograph_id"].to_numpy().astype(str), return_inverse=True)
    counts = np.zeros((names.size, len(FAULT_CLASSES)), dtype=np.int64)
    classes = np.array([FAULT_CLASSES.index(name) for name in counted["class_name"]], dtype=np.int64)
    np.add.at(counts, (which, classes), 1)
    return counts


def _table(rows: list[dict[str, Any]]) -> str:
    """Write the rates of a batch as a Markdown table."""
    from nanodefect_assets.domain.keys import aliquot_label

    lines = ["| aliquot | rate | particles | micrographs | counted | corrected | 95 % from | to |", "|---" * 8 + "|"]
    for row in rows:
        numbers = [row[name] for name in ("raw", "corrected", "corrected_low", "corrected_high")]
        cells = [aliquot_label(str(row["aliquot_time"])), row["rate"], str(row["n_particles"])]
        cells += [str(row["n_micrographs"]), *("" if value is None else f"{value:.3f}" for value in numbers)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
