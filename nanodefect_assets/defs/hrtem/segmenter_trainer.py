"""Repeats of a network, trained, judged and registered."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.hrtem.networks import marks_seen, segmenter_record, unseen_by
from nanodefect_assets.defs.hrtem.scoring import count_thresholds, pooled_metrics
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import RunSize
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.params import Architecture, TrainingParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.science.learning.networks import Network
    from nanodefect_assets.science.learning.scores import ConfusionCounts
    from nanodefect_assets.science.learning.training import TrainingResult
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.registry import StoredModel
    from nanodefect_assets.stores.tracking import TrainingRun

_STUDY_BUDGET_S = 240.0
_FAST: dict[str, Any] = {"max_epochs": 2, "steps_per_epoch": 4, "n_per_batch": 2, "budget_s": None}
_N_SHOWN = 8


class RepeatParams(BaseModel):
    """How a segmenter's training is set up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["own", "thesis"] = Field(
        default="own", description="own: the parameters below. thesis: the published ones of each architecture."
    )
    n_repeats: int = Field(default=3, ge=1, le=20, description="Trainings on the same data with other random numbers.")
    seed: int = Field(default=2021, ge=0, description="The same seed on the same machine gives the same weights.")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Share of features dropped in the decoder.")
    start_version: str | None = Field(
        default=None,
        description="Version of a segmenter of the same architecture and classes whose weights training begins with, "
        "such as shipped; to adapt it to labels of your own. None: random weights.",
    )

    def training(self, params: TrainingParams, name: Architecture, run_size: RunSize) -> TrainingParams:
        """Return how one network is trained in a size of run; a study gives each the same processor time."""
        chosen = TrainingParams.thesis(name) if self.protocol == "thesis" else params
        if run_size == "fast":
            return chosen.model_copy(update=_FAST)
        if run_size == "study" and chosen.budget_s is None:
            return chosen.model_copy(update={"budget_s": _STUDY_BUDGET_S, "max_epochs": 10_000})
        return chosen


class SegmenterConfig(RepeatParams, TrainingParams, dg.Config):
    """Launchpad form of a segmenter's training."""

    def own_training(self) -> TrainingParams:
        """Return the part that `train` is given."""
        return TrainingParams.model_validate({name: getattr(self, name) for name in TrainingParams.model_fields})


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The sides of a training set."""

    train: "PatchSet"
    validation: "PatchSet"
    test: "PatchSet"
    micrographs: "pd.DataFrame"
    fingerprint: str
    start: "StoredModel | None"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One repeat."""

    repeat: int
    run_id: str
    network: "Network"
    result: "TrainingResult"
    counts: "ConfusionCounts"

    @property
    def validation_loss(self) -> float:
        """Loss on the validation side, after the best epoch."""
        return self.result.epochs[self.result.best_epoch - 1].validation_loss


def read_data(source: "StoredGeneration", start: "StoredModel | None") -> TrainingData:
    """Read the sides; micrographs that the weights have seen with which training begins judge nothing.

    Raises
    ------
    Refusal
        If nothing is left to judge by.
    """
    from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    reader = PatchSetReader(source.folder / FOLDER)
    test = reader.read("test")
    unseen = test if start is None else unseen_by(test, start.record)
    if not len(unseen):
        raise Refusal(
            "nothing_held_out",
            expected="held-out micrographs with labels, which the weights to begin with have not seen either",
            got=f"{len(test.micrograph_ids)} held out, and all of them seen" if len(test) else "none",
            advice="Add micrographs or take another field_seed in hrtem/training_set, raise test_fraction, or begin "
            "with other weights.",
        )
    return TrainingData(
        train=reader.read("train"),
        validation=reader.read("validation"),
        test=unseen,
        micrographs=source.rows(TRAINING_MICROGRAPHS),
        fingerprint=reader.combined_fingerprint,
        start=start,
    )


class Trainer:
    """Trains, judges and registers the repeats of one architecture."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        config: SegmenterConfig,
        home: HomeResource,
        compute: Compute,
        tracking: Tracking,
        name: Architecture,
        params: TrainingParams,
        data: TrainingData,
    ) -> None:
        self._context, self._config, self._home, self._compute = context, config, home, compute
        self._tracking, self._params, self._data = tracking, params, data
        self._name: Architecture = name

    def train(self, repeat: int, parent_run_id: str) -> Trained:
        """Train one repeat, or go on where it was interrupted, and judge it on the test side."""
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.learning.apply import judge
        from nanodefect_assets.science.learning.networks import build_network, load_weights
        from nanodefect_assets.science.learning.training import train

        rng = generator_for(self._config.seed, "hrtem/segmenter", self._name, str(repeat))
        data, device = self._data, self._compute.pick_device()
        network = build_network(
            self._name, n_classes=len(data.train.class_names), dropout=self._config.dropout, rng=rng
        )
        if data.start is not None:
            load_weights(network, data.start.weights())
        with self._tracking.training_run(
            self._context,
            self._home,
            name=f"{self._name}, repeat {repeat}",
            parent_run_id=parent_run_id,
            params=self._params,
            data_fingerprint=data.fingerprint,
        ) as run:
            result = train(
                network,
                data.train,
                data.validation,
                self._params,
                rng=rng,
                device=device,
                n_threads=self._compute.n_threads,
                on_step=log_steps(self._context.log),
                checkpoint=self._checkpoint(repeat),
            )
            _, counts = judge(network, data.test, device=device)
            trained = Trained(repeat=repeat, run_id=run.run_id, network=network, result=result, counts=counts)
            self._log(run, trained)
        return trained

    def register(self, best: Trained) -> dict[str, str]:
        """Keep the best repeat in the registry and return its name and version, as columns of `TRAININGS`."""
        from tempfile import TemporaryDirectory

        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.learning.comparison import score_dice
        from nanodefect_assets.stores.models import write_model
        from nanodefect_assets.stores.registry import register_model

        data, rng = self._data, generator_for(self._config.seed, "hrtem/segmenter", self._name, "score")
        record = segmenter_record(
            self._name,
            data.train,
            data.micrographs[data.micrographs["side"] == "train"],
            fingerprint=data.fingerprint,
            code_version=self._context.assets_def.code_versions_by_key[self._context.asset_key] or "0",
            scores={"dice": score_dice(best.counts, rng=rng)},
            architecture_params={"dropout": self._config.dropout},
            seen=marks_seen(data.train, data.validation, start=data.start.record if data.start else None),
            notes=f"Repeat {best.repeat} of {self._config.n_repeats}, the best on the validation side.",
        )
        with TemporaryDirectory(dir=self._home.home.prepare().mlflow) as draft:
            write_model(Path(draft), record, best.result.weights)
            version = register_model(self._home.home, Path(draft), mlflow_run_id=best.run_id)
        return {"model_name": record.name, "model_version": version}

    def row(self, trained: Trained) -> dict[str, Any]:
        """Return the row of `TRAININGS` of a repeat."""
        from nanodefect_assets.science.learning.networks import count_parameters

        result = trained.result
        best = result.epochs[result.best_epoch - 1]
        return {
            "mlflow_run_id": trained.run_id,
            "task": "segmentation",
            "architecture": self._name,
            "repeat": trained.repeat,
            "protocol": self._config.protocol,
            "start_version": self._config.start_version,
            "training_fingerprint": self._data.fingerprint,
            "is_simulated": bool(self._data.micrographs["is_simulated"].all()),
            "n_parameters": count_parameters(trained.network),
            "n_epochs": len(result.epochs),
            "best_epoch": result.best_epoch,
            "stopped": result.stopped,
            "validation_loss": best.validation_loss,
            "validation_dice": best.validation_dice,
            "used_s": sum(epoch.used_s for epoch in result.epochs),
            "wall_s": result.wall_s,
        }

    def forget(self) -> None:
        """Remove what interrupted trainings would need to go on."""
        for repeat in range(self._config.n_repeats):
            self._checkpoint(repeat).remove()

    def _checkpoint(self, repeat: int) -> "FileCheckpoint":
        from nanodefect_assets.stores.checkpoints import FileCheckpoint

        return FileCheckpoint(self._home.home.work / "segmenter" / f"{self._name}-{repeat}.checkpoint")

    def _log(self, run: "TrainingRun", trained: Trained) -> None:
        """Keep curves, counts and pictures of a repeat in MLflow."""
        from nanodefect_assets.plots.learning import plot_precision_recall, plot_training_curves

        curves = {
            name: [getattr(epoch, name) for epoch in trained.result.epochs]
            for name in ("train_loss", "validation_loss", "validation_dice")
        }
        for name, values in curves.items():
            run.log_curve(name, values, first_step=1)
        run.log_figure("curves.png", plot_training_curves(*curves.values()))
        run.log_metrics(pooled_metrics(trained.counts))
        counted = count_thresholds(trained.network, self._data.test, self._compute.pick_device())
        curves_by_threshold = (counted.thresholds, counted.precision, counted.recall, counted.dice)
        run.log_figure("precision_recall.png", plot_precision_recall(*curves_by_threshold, chosen=0.5))
        run.log_png("overlays.png", overlays(trained.network, self._data.test, self._compute.pick_device()))


def overlays(network: "Network", patches: "PatchSet", device: str) -> bytes:
    """Draw patches from all over a set with the outlines of what a network finds in them."""
    import numpy as np

    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.learning.apply import probabilities

    chosen = np.unique(np.linspace(0, len(patches) - 1, min(_N_SHOWN, len(patches))).round().astype(int))
    images = patches.images[chosen]
    found = probabilities(network, images, device=device).argmax(axis=1)
    names = [patches.micrograph_ids[group].rsplit("/", 1)[-1] for group in patches.group[chosen]]
    return figure_png(plot_mosaic(list(zip(names, images, found, strict=True))))
