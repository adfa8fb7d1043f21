"""Networks trained on one material, and on several."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.scoring import pooled_metrics, score_rows
from nanodefect_assets.defs.hrtem.segmenter import TRAINING_SET
from nanodefect_assets.defs.hrtem.segmenter_trainer import RepeatParams
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import RunSize
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.params import Architecture, TrainingParams

if TYPE_CHECKING:
    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.science.learning.networks import Network
    from nanodefect_assets.science.learning.training import TrainingResult
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.patch_sets import PatchSetReader

_ASSET = ("hrtem", "material_study")
_STUDY = "one material or mixed"
_ARCHITECTURE: Architecture = "unet"
_MIN_DICE = 0.3


class MaterialParams(BaseModel):
    """Which materials are studied."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    single_materials: list[str] = Field(
        default=[], description="Materials that a network is trained on alone; empty: every one of the training side."
    )


class MaterialConfig(MaterialParams, RepeatParams, TrainingParams, dg.Config):
    """Launchpad form of the study."""

    def study_training(self, run_size: RunSize) -> TrainingParams:
        """Return how every network of the study is trained."""
        own = TrainingParams.model_validate({name: getattr(self, name) for name in TrainingParams.model_fields})
        return self.training(own, _ARCHITECTURE, run_size)


@dataclass(frozen=True, kw_only=True)
class _Side:
    """What one network is trained on.

    Attributes
    ----------
    name : str
        The material, or ``mixed`` and how many.
    train, validation : PatchSet
        To learn from, and to tell the best epoch by.
    material : str
        Material that it is judged on above all.
    """

    name: str
    train: "PatchSet"
    validation: "PatchSet"
    material: str


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "training_set"]],
    group_name="hrtem",
    code_version="1",
    kinds={"pytorch", "mlflow"},
    check_specs=[
        declare_check(
            _ASSET,
            "learnt_something",
            "Every network has a Dice of 0.3 or more on the material that it was trained on.",
            partitions=None,
        )
    ],
)
def material_study(
    context: dg.AssetExecutionContext,
    config: MaterialConfig,
    home: HomeResource,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult:
    """The small U-Net trained on one material alone, and on as many patches of all of them (table B.1).

    The networks are not registered; `hrtem/segmentation_benchmark` tells how they fare on each material.
    """
    from nanodefect_assets.domain.schemas import MODEL_SCORES, TRAININGS
    from nanodefect_assets.stores.generations import require_generation
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    source = require_generation(home.home, TRAINING_SET, Place())
    study = _Study(context, config, home, compute, tracking, PatchSetReader(source.folder / FOLDER))
    dices = {}
    with making(context, home, inputs=[source], params=config) as out:
        with tracking.training_run(context, home, study=_STUDY, params=config) as parent:
            for side in study.sides():
                for repeat in range(config.n_repeats):
                    row, scores = study.train(side, repeat, parent.run_id)
                    out.add_rows(TRAININGS, [row])
                    out.add_rows(MODEL_SCORES, scores)
                    dices[f"{side.name}, repeat {repeat}"] = _dice_on(scores, side.material)
    study.forget()
    low = {name: dice for name, dice in dices.items() if dice < _MIN_DICE}
    return report(
        out,
        metadata={f"dice_on_own/{name}": dice for name, dice in dices.items()},
        checks=[
            dg.AssetCheckResult(
                check_name="learnt_something",
                passed=not low,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"below": dg.MetadataValue.json(low), "min_dice": _MIN_DICE},
            )
        ],
    )


def _dice_on(scores: list[dict[str, Any]], material: str) -> float:
    """Return the Dice on one material of all classes but the support together."""
    support = scores[0]["class_name"]
    own = [row for row in scores if row["material"] == material and row["class_name"] != support]
    both = sum(row["n_true_positive"] for row in own)
    wrong = sum(row["n_false_positive"] + row["n_false_negative"] for row in own)
    return 2 * both / (2 * both + wrong) if both + wrong else 1.0


class _Study:
    """Trains a network on parts of the training side."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        config: MaterialConfig,
        home: HomeResource,
        compute: Compute,
        tracking: Tracking,
        reader: "PatchSetReader",
    ) -> None:
        self._context, self._config, self._home = context, config, home
        self._compute, self._tracking = compute, tracking
        self._fingerprint, self._params = reader.combined_fingerprint, config.study_training(home.run_size)
        self._train, self._validation, self._test = (reader.read(side) for side in ("train", "validation", "test"))
        self._checkpoints: list[FileCheckpoint] = []

    def sides(self) -> list[_Side]:
        """Return, for each material, its own patches and as many of all.

        Raises
        ------
        Refusal
            If there is one material only, or one that was asked for is not there.
        """
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.hrtem.mix import mixed_subset, of_material

        present = sorted({source.material for source in self._train.sources if source.material is not None})
        wanted = self._config.single_materials or present
        unknown = sorted(set(wanted) - set(present))
        if len(present) < 2 or unknown:
            raise Refusal(
                "too_few_materials",
                expected="two materials or more on the training side, and studied ones among them",
                got=", ".join(present) + (f"; asked for {', '.join(unknown)}" if unknown else "") or "none",
            )
        sides = []
        for material in wanted:
            alone = of_material(self._train, material)
            rng = generator_for(self._config.seed, "hrtem/material_study", material)
            mixed = mixed_subset(self._train, len(alone), rng=rng)
            own = of_material(self._validation, material)
            sides.append(_Side(name=material, train=alone, validation=own, material=material))
            name = f"mixed, as many as {material}"
            sides.append(_Side(name=name, train=mixed, validation=self._validation, material=material))
        return sides

    def train(self, side: _Side, repeat: int, parent_run_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Train one repeat; return its row of `TRAININGS` and its rows of `MODEL_SCORES`."""
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.learning.apply import judge
        from nanodefect_assets.science.learning.networks import build_network
        from nanodefect_assets.science.learning.training import train

        rng = generator_for(self._config.seed, "hrtem/material_study", side.name, str(repeat))
        device, n_classes = self._compute.pick_device(), len(self._train.class_names)
        network = build_network(_ARCHITECTURE, n_classes=n_classes, dropout=self._config.dropout, rng=rng)
        with self._tracking.training_run(
            self._context,
            self._home,
            name=f"{side.name}, repeat {repeat}",
            parent_run_id=parent_run_id,
            params=self._params,
            data_fingerprint=side.train.fingerprint,
        ) as run:
            result = train(
                network,
                side.train,
                side.validation,
                self._params,
                rng=rng,
                device=device,
                n_threads=self._compute.n_threads,
                on_step=log_steps(self._context.log),
                checkpoint=self._checkpoint(side.name, repeat),
            )
            _, counts = judge(network, self._test, device=device)
            run.log_metrics(pooled_metrics(counts))
        row = self._row(network, result, side.train)
        row |= {"mlflow_run_id": run.run_id, "repeat": repeat, "trained_on": side.name}
        return row, score_rows(run.run_id, counts, self._test)

    def forget(self) -> None:
        """Remove what interrupted trainings would need to go on."""
        for checkpoint in self._checkpoints:
            checkpoint.remove()

    def _checkpoint(self, name: str, repeat: int) -> "FileCheckpoint":
        from hashlib import sha256

        from nanodefect_assets.stores.checkpoints import FileCheckpoint

        digest = sha256(name.encode()).hexdigest()[:12]
        checkpoint = FileCheckpoint(self._home.home.work / "material_study" / f"{digest}-{repeat}.checkpoint")
        self._checkpoints.append(checkpoint)
        return checkpoint

    def _row(self, network: "Network", result: "TrainingResult", train_set: "PatchSet") -> dict[str, Any]:
        from nanodefect_assets.science.learning.networks import count_parameters

        best = result.epochs[result.best_epoch - 1]
        return {
            "task": "segmentation",
            "architecture": _ARCHITECTURE,
            "protocol": self._config.protocol,
            "training_fingerprint": self._fingerprint,
            "is_simulated": all(train_set.sources[group].is_simulated for group in set(train_set.group.tolist())),
            "n_parameters": count_parameters(network),
            "n_epochs": len(result.epochs),
            "best_epoch": result.best_epoch,
            "stopped": result.stopped,
            "validation_loss": best.validation_loss,
            "validation_dice": best.validation_dice,
            "used_s": sum(epoch.used_s for epoch in result.epochs),
            "wall_s": result.wall_s,
        }
