"""Trainings of a study of handedness, one after the other; what was finished before a stop is not done again."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import dagster as dg
from pydantic import BaseModel

from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.checkpoint import CheckpointState
from nanodefect_assets.science.sem.params import (
    USUAL,
    HandednessAugmentationParams,
    HandednessNetworkParams,
    HandednessStudyParams,
    HandednessTrainingParams,
    Method,
    StudyParams,
)

if TYPE_CHECKING:
    from nanodefect_assets.domain.progress import OnStep
    from nanodefect_assets.science.sem.study import KeptState, StudyCell
    from nanodefect_assets.science.sem.trained import HandednessRecipe
    from nanodefect_assets.science.synthetic.chiral_params import ChiralParticleParams
    from nanodefect_assets.stores.checkpoints import FileCheckpoint
    from nanodefect_assets.stores.tracking import TrainingRun

Params = TypeVar("Params", bound=BaseModel)

FAST_PARTICLES = 60
_REDUCED_PX = 64
_FAST: dict[str, Any] = {"max_epochs": 1, "patience": None, "batch_size": 32, "clean_epochs": 1}


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a study.

    Attributes
    ----------
    study : HandednessStudyParams
        Method, network, forget rate.
    repeat : int
        Number of the repeat.
    """

    study: HandednessStudyParams
    repeat: int

    @property
    def name(self) -> str:
        """Name, also of its files."""
        kind = "antisymmetric" if self.study.is_antisymmetric else "plain"
        return f"{self.study.method}-{kind}{self._variant}-{self.repeat}"

    @property
    def estimate_name(self) -> str | None:
        """Name of the label error's estimate that it needs, None if none: plain and antisymmetric ones share it."""
        needs_one = self.study.method == "co_teaching" and self.study.forget_rate is None
        return f"estimate{self._variant}-{self.repeat}" if needs_one else None

    @property
    def _variant(self) -> str:
        words = self.study.variant.replace(", ", "-").replace(" ", "-")
        return "" if self.study.variant == USUAL else f"-{words}"


def trainings_of(params: StudyParams, *, error_fraction: float) -> Iterator[Training]:
    """Yield what a study trains, repeat after repeat, so that an interrupted one has whole repeats."""
    for repeat in range(params.n_repeats):
        for method in params.methods:
            rate = error_fraction if method == "co_teaching" and params.forget_rate_from == "truth" else None
            for kind, optimiser in product(params.networks, params.optimisers):
                stated = {
                    "method": method,
                    "is_antisymmetric": kind == "antisymmetric",
                    "is_averaging": kind == "averaging",
                    "optimiser": None if optimiser == "own" else optimiser,
                    "max_contrast": params.max_contrast,
                    "max_zoom": params.max_zoom,
                    "forget_rate": rate,
                }
                yield Training(study=HandednessStudyParams.model_validate(stated), repeat=repeat)


def protocol_of(params: StudyParams, run_size: str) -> str:
    """Return how a study trains in a size of run."""
    if run_size == "fast":
        return "fast"
    if params.protocol != "by_size":
        return params.protocol
    return "reduced" if run_size == "study" else "own"


def recipe_of(protocol: str, method: Method, *, is_digits: bool) -> "HandednessRecipe":
    """Return how networks of a protocol are built and trained."""
    from nanodefect_assets.science.sem.trained import HandednessRecipe

    training, network = HandednessTrainingParams(), HandednessNetworkParams()
    if protocol == "fast":
        training, network = HandednessTrainingParams(**_FAST), HandednessNetworkParams(n_filters=4, n_hidden=8)
    elif protocol == "reduced":
        training = HandednessTrainingParams.reduced()
        if not is_digits:
            training, network = HandednessTrainingParams.reduced_for_crops(), HandednessNetworkParams.narrow()
    elif protocol == "thesis":
        training, network = HandednessTrainingParams.thesis(method), HandednessNetworkParams.thesis(method)
    augmentation = HandednessAugmentationParams.sevens() if is_digits else HandednessAugmentationParams()
    return HandednessRecipe(network=network, training=training, augmentation=augmentation)


def particles_of(params: StudyParams, run_size: str) -> "ChiralParticleParams":
    """Return a study's simulated particles: published and full ones in crops of 128 pixels, others of 64."""
    from nanodefect_assets.science.synthetic.chiral_params import ChiralParticleParams

    usual = ChiralParticleParams()
    protocols = usual.n_px if protocol_of(params, run_size) in ("own", "thesis") else _REDUCED_PX
    return usual.in_crops_of(params.crop_px or protocols)


@dataclass(frozen=True, kw_only=True)
class StudyRunner:
    """Runs the trainings of one part of a study, each in an MLflow run of its own, and keeps their rows.

    Attributes
    ----------
    study, images : str
        As in the table `studies`.
    error_percent : float
        Share of wrong labels.
    fingerprint : str
        SHA-256 over the images.
    population : str or None
        In what the particles differ from the study's usual ones, in words.
    train : callable
        Trains and judges one: given the training, recipe, device, progress callback, and what is kept of it.
    """

    context: dg.AssetExecutionContext
    home: HomeResource
    compute: Compute
    tracking: Tracking
    params: StudyParams
    study: str
    images: str
    error_percent: float
    fingerprint: str
    population: str | None = None
    train: "Callable[[Training, HandednessRecipe, str, OnStep, KeptState], StudyCell]"

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of `STUDIES` for each training."""
        todo = list(trainings_of(self.params, error_fraction=self.error_percent / 100))
        rows: list[Any] = []
        for n, training in enumerate(todo):
            kept = self._checkpoint(training.name, "row").load()
            self.context.log.info(
                f"{training.name} on {self.images}: {n + 1} of {len(todo)}{' (kept)' if kept else ''}"
            )
            rows.append(self._run(training) if kept is None else kept.record["row"])
        return rows

    def forget(self) -> None:
        """Remove what an interrupted study would need to go on."""
        for training in trainings_of(self.params, error_fraction=self.error_percent / 100):
            for kind in ("row", "checkpoint"):
                self._checkpoint(training.name, kind).remove()
            if training.estimate_name:
                for kind in ("estimate", "judges"):
                    self._checkpoint(training.estimate_name, kind).remove()

    def _run(self, training: Training) -> dict[str, Any]:
        from nanodefect_assets.science.learning.devices import threads

        protocol, recipe = protocol_of(self.params, self.home.run_size), self._recipe(training.study.method)
        tracked = self.tracking.training_run(
            self.context,
            self.home,
            name=f"{self.images} {self.error_percent:g} % {training.name}",
            study=self.study,
            params=recipe.training.to_the_end() if training.study.method == "co_teaching" else recipe.training,
            data_fingerprint=self.fingerprint,
        )
        with threads(self.compute.n_threads), tracked as run:
            # The protocol's optimiser is logged already, and MLflow takes no second value.
            run.log_params(training.study.model_dump(exclude={"optimiser"}) | {"variant": training.study.variant})
            device, on_step = self.compute.pick_device(), log_steps(self.context.log)
            cell = self.train(training, recipe, device, on_step, self._kept(training))
            row = self._row(cell, protocol) | {"mlflow_run_id": run.run_id}
            _log(run, cell)
        self._checkpoint(training.name, "row").save(CheckpointState(arrays={}, record={"row": row}))
        self._checkpoint(training.name, "checkpoint").remove()
        return row

    def _recipe(self, method: Method) -> "HandednessRecipe":
        protocol = protocol_of(self.params, self.home.run_size)
        recipe = recipe_of(protocol, method, is_digits=self.images == "sevens")
        if self.params.max_epochs:
            recipe = replace(recipe, training=recipe.training.for_epochs(self.params.max_epochs))
        return recipe.settled(self.compute.pick_device())

    def _row(self, cell: "StudyCell", protocol: str) -> dict[str, Any]:
        from nanodefect_assets.domain.schemas import STUDIES
        from nanodefect_assets.science.sem.table import tabulate_cells

        found = json.loads(tabulate_cells([cell]).to_json(orient="records"))[0]
        is_co_teaching = cell.study.method == "co_teaching"
        stated = {
            "study": self.study,
            "images": self.images,
            "is_simulated": self.images != "sevens",
            "error_percent": self.error_percent,
            "forget_rate_from": self.params.forget_rate_from if is_co_teaching else "none",
            "protocol": protocol,
        }
        more = self.params.departures + ([self.population] if self.population else [])
        if more:
            stated["variant"] = ", ".join([*([] if found["variant"] == USUAL else [found["variant"]]), *more])
        return {name: value for name, value in (found | stated).items() if name in STUDIES.names}

    def _kept(self, training: Training) -> "KeptState":
        """Return what an interrupted training has left; its estimate and judges serve all that share the name."""
        from nanodefect_assets.science.sem.noise import LabelErrorEstimate
        from nanodefect_assets.science.sem.study import KeptState

        own = self._checkpoint(training.name, "checkpoint")
        if training.estimate_name is None:
            return KeptState(training=own)
        place, judges = (self._checkpoint(training.estimate_name, kind) for kind in ("estimate", "judges"))

        def keep(estimate: LabelErrorEstimate) -> None:
            place.save(CheckpointState(arrays={}, record={"estimate": asdict(estimate)}))
            judges.remove()

        left = place.load()
        made = None if left is None else LabelErrorEstimate(**cast(dict[str, Any], left.record["estimate"]))
        return KeptState(training=own, judges=judges, estimate=made, on_estimate=keep)

    def _checkpoint(self, name: str, kind: str) -> "FileCheckpoint":
        """Return where a state is kept: another place for other parameters, images or code."""
        from nanodefect_assets.stores.checkpoints import FileCheckpoint

        code = self.context.assets_def.code_versions_by_key[self.context.asset_key]
        recipes = [self._recipe(method).text for method in get_args(Method)]
        words = [self.params.model_dump_json(), *recipes, self.fingerprint, code or "", self.images]
        digest = hashlib.sha256("\n".join([*words, f"{self.error_percent:g}"]).encode()).hexdigest()[:16]
        return FileCheckpoint(self.home.home.work / "sem" / self.study / digest / f"{name}.{kind}")


def own_params(config: BaseModel, kind: type[Params]) -> Params:
    """Return the part of a Launchpad form that is science's."""
    return kind.model_validate({name: getattr(config, name) for name in kind.model_fields})


def _log(run: "TrainingRun", cell: "StudyCell") -> None:
    """Keep the curves and figures of a training in MLflow."""
    run.log_metrics(
        {
            "accuracy": cell.balanced.accuracy,
            "accuracy_both_ways": cell.balanced_both_ways.accuracy,
            "left_fraction": cell.skewed.left_fraction,
            "best_epoch": cell.trained.best_epoch,
        }
    )
    for name in ("train_loss", "validation_loss", "rescaled_loss"):
        run.log_curve(name, [float(value) for value in getattr(cell.trained, name)])
