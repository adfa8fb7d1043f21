"""Forests that tell what a region shows, trained and judged; the best one in use."""

from typing import Any, get_args

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.fault_trainer import FaultClassifierConfig, FaultTrainer, Trained
from nanodefect_assets.defs.hrtem.faults import REGION_TRAINING_SET
from nanodefect_assets.defs.hrtem.region_data import RegionData, read_regions
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.hrtem.fault_params import FeatureSet

_ASSET = ("hrtem", "fault_classifier")
_FAST_TREES = 60


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "region_training_set"]],
    group_name="hrtem",
    code_version="3",
    kinds={"sklearn", "mlflow"},
    check_specs=[
        declare_check(
            _ASSET, "good_enough", "Balanced accuracy on held-out micrographs reaches the least.", partitions=None
        ),
        declare_check(
            _ASSET,
            "probabilities_mean_what_they_say",
            "Probabilities of predictions differ from the share that was right by less than 0.1 on average.",
            partitions=None,
        ),
    ],
)
def fault_classifier(
    context: dg.AssetExecutionContext, config: FaultClassifierConfig, home: HomeResource, tracking: Tracking
) -> dg.MaterializeResult:
    """Random forest that tells what a region shows, with probabilities; in use if it is surely better than before.

    The published five features, the same in nm, and richer ones are compared on the same held-out micrographs.
    """
    from nanodefect_assets.domain.schemas import FAULT_SCORES
    from nanodefect_assets.stores.generations import require_generation

    source = require_generation(home.home, REGION_TRAINING_SET, Place())
    data = read_regions(source)
    forest = config.forest()
    if home.run_size == "fast":
        forest = forest.model_copy(update={"n_trees": min(forest.n_trees, _FAST_TREES)})
    trainer = FaultTrainer(context, config, home, tracking, forest, data)
    compared: tuple[FeatureSet, ...] = get_args(FeatureSet) if config.compare_features else ()
    sets: list[FeatureSet] = [forest.features, *(name for name in compared if name != forest.features)]
    with making(context, home, inputs=[source], params=config) as out:
        with tracking.training_run(context, home, params=forest, data_fingerprint=data.fingerprint) as parent:
            trained = [trainer.train(features, parent) for features in sets]
            best = trained[0]
            record = trainer.record(best)
            version = trainer.register(best, record)
            decision = trainer.judge(best, version)
            parent.log_metrics({"balanced_accuracy": best.scores.balanced_accuracy})
        out.n_items = len(data.rows)
        for one in trained:
            out.add_rows(FAULT_SCORES, _score_rows(one))
    return report(
        out,
        metadata={
            "balanced_accuracy": best.scores.balanced_accuracy,
            "calibration_error": best.scores.calibration_error,
            "model_version": version,
            "is_promoted": decision.is_promoted,
            "decision": decision.reason,
            "training_fingerprint": data.fingerprint,
            "compared": dg.MetadataValue.md(_table(trained)),
            "by_condition": dg.MetadataValue.md(_conditions_table(data, best)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="good_enough",
                passed=best.scores.balanced_accuracy >= config.min_balanced_accuracy,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"balanced_accuracy": best.scores.balanced_accuracy},
            ),
            dg.AssetCheckResult(
                check_name="probabilities_mean_what_they_say",
                passed=best.scores.calibration_error < 0.1,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"calibration_error": best.scores.calibration_error},
            ),
        ],
        preview=_preview(best),
    )


def _score_rows(trained: Trained) -> list[dict[str, Any]]:
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    return [
        {
            "mlflow_run_id": trained.run_id,
            "feature_set": trained.features,
            "true_class": true,
            "found_class": found,
            "n_regions": int(trained.scores.confusion[row, col]),
        }
        for row, true in enumerate(FAULT_CLASSES)
        for col, found in enumerate(FAULT_CLASSES)
    ]


def _table(trained: list[Trained]) -> str:
    lines = ["| features | balanced accuracy | calibration error | Brier |", "|---|---|---|---|"]
    for one in trained:
        scores = one.scores
        numbers = (scores.balanced_accuracy, scores.calibration_error, scores.brier)
        lines.append(f"| {one.features} | " + " | ".join(f"{value:.3f}" for value in numbers) + " |")
    return "\n".join(lines)


def _conditions_table(data: RegionData, best: Trained) -> str:
    """Write how good classes and probabilities are against dose and pixel size, on held-out regions."""
    from nanodefect_assets.science.hrtem.fault_compare import score_by_condition

    test = data.split.test
    lines = ["| condition | from | to | regions | balanced accuracy | calibration error |", "|---" * 6 + "|"]
    for name, unit in (("dose_e_per_nm2", "e/nm2"), ("pixel_size_nm", "nm/px")):
        values = data.rows[name].to_numpy(dtype=float)[test]
        for one in score_by_condition(values, best.probabilities, data.classes[test]):
            scores = f"{one.balanced_accuracy:.3f} | {one.calibration_error:.3f}"
            lines.append(f"| {name} | {one.low:.3g} {unit} | {one.high:.3g} {unit} | {one.n_regions} | {scores} |")
    return "\n".join(lines)


def _preview(best: Trained) -> bytes:
    from nanodefect_assets.plots.confusion import plot_confusion
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    title = f"{best.features}: balanced accuracy {best.scores.balanced_accuracy:.2f}, held out"
    return figure_png(plot_confusion(best.scores.confusion, best.scores.reliability, FAULT_CLASSES, title=title))
