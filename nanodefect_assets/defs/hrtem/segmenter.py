"""Networks that find particles, trained."""

from typing import TYPE_CHECKING, get_args

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.networks import starting_model
from nanodefect_assets.defs.hrtem.scoring import pooled_metrics, score_rows
from nanodefect_assets.defs.hrtem.segmenter_trainer import (
    SegmenterConfig,
    Trained,
    Trainer,
    TrainingData,
    overlays,
    read_data,
)
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.learning.params import Architecture

if TYPE_CHECKING:
    from nanodefect_assets.stores.generations import GenerationWriter

_ASSET = ("hrtem", "segmenter")
TRAINING_SET = AssetName(group="hrtem", noun="training_set")
_STUDY = "segmenters"
_MIN_DICE = 0.5
_MOST_APART = 0.1

architecture = dg.StaticPartitionsDefinition(list(get_args(Architecture)))


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "training_set"]],
    partitions_def=architecture,
    group_name="hrtem",
    code_version="2",
    kinds={"pytorch", "mlflow"},
    check_specs=[
        declare_check(
            _ASSET,
            "learnt_something",
            "The best repeat has a Dice of one half or more on micrographs that it was not trained on.",
            partitions=architecture,
        ),
        declare_check(
            _ASSET,
            "repeats_agree",
            "Dice on held-out micrographs differs by less than 0.1 between repeats.",
            partitions=architecture,
        ),
    ],
)
def segmenter(
    context: dg.AssetExecutionContext,
    config: SegmenterConfig,
    home: HomeResource,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult:
    """Networks of one architecture, trained several times; the best on the validation side is registered in MLflow.

    None is in use by that: `hrtem/champion_segmenter` judges and promotes. A training that was interrupted goes on
    where it stopped.
    """
    from nanodefect_assets.domain.schemas import MODEL_SCORES, TRAININGS
    from nanodefect_assets.stores.generations import require_generation

    name: Architecture = context.partition_key  # pyright: ignore[reportAssignmentType]
    source = require_generation(home.home, TRAINING_SET, Place())
    data = read_data(source, None if config.start_version is None else starting_model(home.home, config.start_version))
    params = config.training(config.own_training(), name, home.run_size)
    trainer = Trainer(context, config, home, compute, tracking, name, params, data)
    with making(context, home, inputs=[source], params=config) as out:
        with tracking.training_run(
            context, home, study=_STUDY, params=params, data_fingerprint=data.fingerprint
        ) as parent:
            trained = [trainer.train(repeat, parent.run_id) for repeat in range(config.n_repeats)]
            best = min(trained, key=lambda one: one.validation_loss)
            registered = trainer.register(best)
            parent.log_metrics({"dice": best.counts.mean_dice, "best_repeat": best.repeat})
        for one in trained:
            row = trainer.row(one) | (registered if one is best else {})
            out.add_rows(TRAININGS, [row])
            out.add_rows(MODEL_SCORES, score_rows(one.run_id, one.counts, data.test))
    trainer.forget()
    return _reported(out, trained, best, registered, data)


def _reported(
    out: "GenerationWriter", trained: list[Trained], best: Trained, registered: dict[str, str], data: TrainingData
) -> dg.MaterializeResult:
    scores = [one.counts.mean_dice for one in trained]
    lines = ["| class | Dice | IoU | precision | recall |", "|---|---|---|---|---|"]
    pooled = pooled_metrics(best.counts)
    for name in data.train.class_names:
        values = (pooled.get(f"{ratio}/{name}") for ratio in ("dice", "iou", "precision", "recall"))
        lines.append(f"| {name} | " + " | ".join("" if value is None else f"{value:.3f}" for value in values) + " |")
    return report(
        out,
        metadata={
            "dice": best.counts.mean_dice,
            "validation_loss": best.validation_loss,
            "model_version": registered["model_version"],
            "training_fingerprint": data.fingerprint,
            "held_out": dg.MetadataValue.md("\n".join(lines)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="learnt_something",
                passed=scores[best.repeat] >= _MIN_DICE,
                metadata={"dice": scores[best.repeat]},
            ),
            dg.AssetCheckResult(
                check_name="repeats_agree",
                passed=max(scores) - min(scores) < _MOST_APART,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"dice": scores},
            ),
        ],
        preview=overlays(best.network, data.test, "cpu"),
    )
