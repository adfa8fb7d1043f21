"""Methods without weights that find particles, tuned."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import dagster as dg
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.scoring import pooled_metrics, score_rows
from nanodefect_assets.defs.hrtem.segmenter import TRAINING_SET
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import RunSize
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.hrtem.params import ClassicalMethod

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd

    from nanodefect_assets.domain.champion import ModelRecord
    from nanodefect_assets.science.hrtem.classical import Search
    from nanodefect_assets.science.hrtem.tune import Tuning
    from nanodefect_assets.science.learning.scores import ConfusionCounts
    from nanodefect_assets.stores.patch_sets import PatchSetReader

_ASSET = ("hrtem", "classical_segmenters")
_STUDY = "classical segmenters"
_MAX_PATCHES: dict[RunSize, int] = {"fast": 4, "study": 40, "full": 150}
_MAX_TRIALS: dict[RunSize, int] = {"fast": 0, "study": 20, "full": 40}


def _check_methods(methods: list[str]) -> list[str]:
    known = get_args(ClassicalMethod)
    if unknown := sorted(set(methods) - set(known)):
        raise ValueError(f"Expected methods among {', '.join(known)}. Got {', '.join(unknown)}.")
    return list(dict.fromkeys(methods))


class TuningParams(BaseModel):
    """How far classical methods are tuned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: Annotated[list[str], AfterValidator(_check_methods)] = Field(
        default=list(get_args(ClassicalMethod)), min_length=1, description="Methods that are tuned."
    )
    max_patches: int | None = Field(
        default=None, ge=1, description="Training patches that are tried. None: 4, 40 or 150, by the size of the run."
    )
    max_trials: int | None = Field(
        default=None, ge=0, description="Combinations tried after the grid. None: 0, 20 or 40, by the size of the run."
    )


class TuningConfig(TuningParams, dg.Config):
    """Launchpad form of `TuningParams`."""


@dataclass(frozen=True, kw_only=True)
class _Tuned:
    """One method."""

    run_id: str
    version: str
    tuning: "Tuning"
    validation: "ConfusionCounts"
    untuned_validation: "ConfusionCounts"
    test: "ConfusionCounts"
    n_refused: int
    row: dict[str, Any]


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "training_set"]],
    group_name="hrtem",
    code_version="1",
    kinds={"mlflow"},
    check_specs=[
        declare_check(
            _ASSET,
            "tuning_helps",
            "No method has a smaller Dice on the validation side, which it was not tuned on, than before it was tuned.",
            partitions=None,
        )
    ],
)
def classical_segmenters(
    context: dg.AssetExecutionContext,
    config: TuningConfig,
    home: HomeResource,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult:
    """Otsu's threshold and the Fourier filter, their free parameters tuned on the training side.

    Each is registered in MLflow under the name of its method, with parameters and no weights, and judged on the test
    side, as networks are.
    """
    from nanodefect_assets.domain.schemas import MODEL_SCORES, TRAININGS
    from nanodefect_assets.stores.generations import require_generation
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    source = require_generation(home.home, TRAINING_SET, Place())
    reader = PatchSetReader(source.folder / FOLDER)
    tuner, test = _Tuner(context, config, home, tracking, reader, _micrographs(source)), reader.read("test")
    with making(context, home, inputs=[source], params=config) as out:
        with compute.executor() as executor:
            tuned: dict[str, _Tuned] = {
                method: tuner.tune(cast("ClassicalMethod", method), executor) for method in config.methods
            }
        for one in tuned.values():
            out.add_rows(TRAININGS, [one.row])
            out.add_rows(MODEL_SCORES, score_rows(one.run_id, one.test, test))
    return report(
        out,
        metadata={
            **{f"dice/{method}": one.test.mean_dice for method, one in tuned.items()},
            **{f"n_refused/{method}": one.n_refused for method, one in tuned.items()},
            "training_fingerprint": reader.combined_fingerprint,
            "tuned": dg.MetadataValue.md(_table(tuned)),
        },
        checks=[_tuning_helps(tuned)],
    )


def _micrographs(source: Any) -> "pd.DataFrame":
    from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS

    return source.rows(TRAINING_MICROGRAPHS)


class _Tuner:
    """Tunes, judges and registers methods."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        config: TuningConfig,
        home: HomeResource,
        tracking: Tracking,
        reader: "PatchSetReader",
        micrographs: "pd.DataFrame",
    ) -> None:
        self._context, self._config, self._home, self._tracking = context, config, home, tracking
        self._micrographs, self._fingerprint = micrographs, reader.combined_fingerprint
        self._train, self._validation, self._test = (reader.read(side) for side in ("train", "validation", "test"))

    def tune(self, method: ClassicalMethod, executor: "Executor") -> _Tuned:
        """Tune one method on the training side and judge it on the others."""
        from nanodefect_assets.science.hrtem.classical import judge_on_patches, search_of, tune_on_patches

        search, size = search_of(method, patch_px=self._train.shape[1]), self._home.run_size
        with self._tracking.training_run(
            self._context,
            self._home,
            name=method,
            study=_STUDY,
            params=self._config,
            data_fingerprint=self._fingerprint,
        ) as run:
            started = time.perf_counter(), time.process_time()
            tuning = tune_on_patches(
                self._train,
                search,
                max_patches=self._config.max_patches or _MAX_PATCHES[size],
                max_trials=_MAX_TRIALS[size] if self._config.max_trials is None else self._config.max_trials,
                executor=executor,
                on_step=log_steps(self._context.log),
            )
            used = time.perf_counter() - started[0], time.process_time() - started[1]
            validation, untuned = (
                judge_on_patches(self._validation, params, executor=executor)[0]
                for params in (tuning.best, search.start)
            )
            test, n_refused = judge_on_patches(self._test, tuning.best, executor=executor)
            run.log_params({"tuned": {name: getattr(tuning.best, name) for name in search.names}})
            run.log_text("trials.csv", tuning.scores.to_csv(index=False))
            run.log_metrics(pooled_metrics(test) | {"n_refused": n_refused})
            version = self._register(method, tuning, test, run.run_id)
        row = self._row(method, search, validation, used) | {"mlflow_run_id": run.run_id, "model_version": version}
        return _Tuned(
            run_id=run.run_id,
            version=version,
            tuning=tuning,
            validation=validation,
            untuned_validation=untuned,
            test=test,
            n_refused=n_refused,
            row=row,
        )

    def _row(
        self,
        method: ClassicalMethod,
        search: "Search",
        validation: "ConfusionCounts",
        used: tuple[float, float],
    ) -> dict[str, Any]:
        return {
            "task": "segmentation",
            "architecture": method,
            "repeat": 0,
            "protocol": "thesis" if method == "fourier_annulus" else "own",
            "model_name": method,
            "training_fingerprint": self._fingerprint,
            "is_simulated": bool(self._micrographs["is_simulated"].all()),
            "n_parameters": len(search.names),
            "validation_dice": validation.mean_dice,
            "used_s": used[1],
            "wall_s": used[0],
        }

    def _register(self, method: ClassicalMethod, tuning: "Tuning", test: "ConfusionCounts", run_id: str) -> str:
        """Keep the tuned parameters in the registry and return their version."""
        from tempfile import TemporaryDirectory

        from nanodefect_assets.stores.models import write_model
        from nanodefect_assets.stores.registry import register_model

        with TemporaryDirectory(dir=self._home.home.prepare().mlflow) as draft:
            write_model(Path(draft), self._record(method, tuning, test), None)
            return register_model(self._home.home, Path(draft), mlflow_run_id=run_id)

    def _record(self, method: ClassicalMethod, tuning: "Tuning", test: "ConfusionCounts") -> "ModelRecord":
        from nanodefect_assets.defs.hrtem.held_out import units_of
        from nanodefect_assets.defs.hrtem.networks import method_record
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.learning.comparison import score_dice

        rng = generator_for(0, "hrtem/classical_segmenters", method)
        return method_record(
            method,
            tuning.best.model_dump(mode="json"),
            self._train,
            self._micrographs[self._micrographs["side"] == "train"],
            fingerprint=self._fingerprint,
            code_version=self._context.assets_def.code_versions_by_key[self._context.asset_key] or "0",
            scores={"dice": score_dice(test, units=units_of(self._micrographs), rng=rng)},
        )


def _table(tuned: dict[str, _Tuned]) -> str:
    lines = ["| method | Dice, test side | refused | tuned parameters |", "|---|---|---|---|"]
    for method, one in tuned.items():
        varied = [name for name in one.tuning.scores.columns if name in type(one.tuning.best).model_fields]
        words = ", ".join(f"{name} = {_shown(getattr(one.tuning.best, name))}" for name in varied)
        lines.append(f"| {method} | {one.test.mean_dice:.3f} | {one.n_refused} | {words} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _tuning_helps(tuned: dict[str, _Tuned]) -> dg.AssetCheckResult:
    worse = {
        method: {"tuned": one.validation.mean_dice, "untuned": one.untuned_validation.mean_dice}
        for method, one in tuned.items()
        if one.validation.mean_dice < one.untuned_validation.mean_dice
    }
    return dg.AssetCheckResult(
        check_name="tuning_helps",
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"worse": dg.MetadataValue.json(worse)},
    )
