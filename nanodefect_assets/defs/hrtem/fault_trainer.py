"""How fault classifiers are trained on one training set, registered and put in use."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.hrtem.faults import FAULT_CLASSIFIER, classifier_record, classify, novelty_gate, rules_of
from nanodefect_assets.defs.hrtem.region_data import RegionData
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fault_params import FeatureParams, FeatureSet, ForestParams

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.domain.champion import ModelRecord, PromotionDecision, Recipe
    from nanodefect_assets.science.hrtem.fault_forest import ForestScores
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.registry import StoredModel
    from nanodefect_assets.stores.tracking import TrainingRun

_LEAST_UNSEEN = 2
"""Held-out micrographs: one alone does not tell by how much it differs from others."""


class JudgeParams(BaseModel):
    """How forests are compared, and when one is put in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    compare_features: bool = Field(
        default=True, description="Whether forests on the other feature sets are trained too, to compare."
    )
    min_balanced_accuracy: float = Field(default=0.7, ge=0, le=1, description="Needed to be put in use.")
    min_recall: float = Field(default=0.5, ge=0, le=1, description="Recall of every class needed to be put in use.")
    seed: int = Field(default=2021, ge=0, description="The same seed makes the same forest.")


class FaultClassifierConfig(JudgeParams, ForestParams, FeatureParams, dg.Config):
    """Launchpad form of how fault classifiers are made and judged."""

    def forest(self) -> ForestParams:
        """Return the forest that is to be registered."""
        return ForestParams.model_validate({name: getattr(self, name) for name in ForestParams.model_fields})

    def rings(self) -> FeatureParams:
        """Return the parameters of features."""
        return FeatureParams.model_validate({name: getattr(self, name) for name in FeatureParams.model_fields})


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One forest on one feature set, as judged on the held-out micrographs."""

    features: FeatureSet
    run_id: str
    estimator: Any
    scores: "ForestScores"
    probabilities: "np.ndarray"
    confusions: "np.ndarray"
    gate: "Recipe | None"


class FaultTrainer:
    """Trains, registers and judges forests on one training set."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        config: FaultClassifierConfig,
        home: HomeResource,
        tracking: Tracking,
        forest: ForestParams,
        data: RegionData,
    ) -> None:
        self._context, self._config, self._home, self._tracking = context, config, home, tracking
        self._forest, self._data = forest, data

    def train(self, features: FeatureSet, parent: "TrainingRun") -> Trained:
        """Train a forest on one feature set and judge it on the held-out micrographs."""
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.hrtem.fault_compare import confusions_by_micrograph
        from nanodefect_assets.science.hrtem.fault_features import region_features
        from nanodefect_assets.science.hrtem.fault_forest import (
            class_probabilities,
            fit_fault_forest,
            score_probabilities,
        )

        data, rng = self._data, generator_for(self._config.seed, "hrtem/fault_classifier", features)
        seen = region_features(data.regions(), features, self._config.rings())
        params, test = self._forest.model_copy(update={"features": features}), data.split.test
        with self._tracking.training_run(
            self._context,
            self._home,
            name=features,
            parent_run_id=parent.run_id,
            params=params,
            data_fingerprint=data.fingerprint,
        ) as run:
            estimator = fit_fault_forest(seen, data.classes, data.split, params, rng=rng)
            probabilities = class_probabilities(estimator, seen[test])
            scores = score_probabilities(probabilities, data.classes[test])
            self._log(run, features, estimator, scores, seen[test])
        return Trained(
            features=features,
            run_id=run.run_id,
            estimator=estimator,
            scores=scores,
            probabilities=probabilities,
            confusions=confusions_by_micrograph(probabilities, data.classes[test], self._held_out()),
            gate=novelty_gate(seen, data.split),
        )

    def _log(
        self, run: "TrainingRun", features: FeatureSet, estimator: Any, scores: "ForestScores", seen: "np.ndarray"
    ) -> None:
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.plots.confusion import plot_confusion
        from nanodefect_assets.science.hrtem.fault_features import feature_names
        from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, permutation_importance

        rng = generator_for(self._config.seed, "hrtem/fault_classifier", features, "importance")
        classes = self._data.classes[self._data.split.test]
        falls = permutation_importance(estimator, seen, classes, n_repeats=1, rng=rng).mean(axis=1)
        run.log_metrics(
            {
                "balanced_accuracy": scores.balanced_accuracy,
                "calibration_error": scores.calibration_error,
                "brier": scores.brier,
                **{
                    f"importance/{name}": float(fall) for name, fall in zip(feature_names(features), falls, strict=True)
                },
            }
        )
        run.log_figure("confusion.png", plot_confusion(scores.confusion, scores.reliability, FAULT_CLASSES))

    def record(self, best: Trained) -> "ModelRecord":
        """Return what the best forest is."""
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.hrtem.fault_compare import score_balanced

        rng = generator_for(self._config.seed, "hrtem/fault_classifier", "score")
        return classifier_record(
            self._data.rows,
            self._forest,
            self._config.rings(),
            self._data.rules,
            confusion=best.scores.confusion,
            score=score_balanced(best.confusions, rng=rng),
            gate=best.gate,
            fingerprint=self._data.fingerprint,
            code_version=self._context.assets_def.code_versions_by_key[self._context.asset_key] or "0",
            notes="Classes say what is visible along the beam, not what is there.",
        )

    def register(self, best: Trained, record: "ModelRecord") -> str:
        """Keep the best forest in the registry and return its version."""
        from tempfile import TemporaryDirectory

        from nanodefect_assets.stores.models import write_estimator
        from nanodefect_assets.stores.registry import register_model

        with TemporaryDirectory(dir=self._home.home.prepare().mlflow) as draft:
            write_estimator(Path(draft), record, best.estimator)
            return register_model(self._home.home, Path(draft), mlflow_run_id=best.run_id)

    def judge(self, best: Trained, version: str) -> "PromotionDecision":
        """Compare the forest with the classifier in use, and put it in use if it is surely better.

        Both are judged on the held-out micrographs that the one in use was neither trained nor calibrated on: sides are
        dealt anew for every training set. Where fewer than two are left, nothing is compared and the forest is not put
        in use, but kept with its scores.
        """
        from nanodefect_assets.domain.champion import PromotionDecision
        from nanodefect_assets.domain.randomness import generator_for
        from nanodefect_assets.science.hrtem.fault_compare import difference_interval, score_balanced
        from nanodefect_assets.stores.registry import model_in_use, promote, record_decision

        rng = generator_for(self._config.seed, "hrtem/fault_classifier", "judge")
        in_use = model_in_use(self._home.home, FAULT_CLASSIFIER)
        unseen = self._unseen_by(in_use)
        is_enough = in_use is None or int(unseen.sum()) >= _LEAST_UNSEEN
        confusions = best.confusions[unseen] if is_enough else best.confusions
        about: dict[str, Any] = {
            "name": FAULT_CLASSIFIER,
            "metric": "balanced_accuracy",
            "compared_on": self._compared_on(unseen, in_use),
            "challenger_version": version,
            "challenger": score_balanced(confusions, rng=rng),
            "incumbent_version": None if in_use is None else in_use.version,
            "checks": self._checks(best) | {f"{_LEAST_UNSEEN}_micrographs_new_to_both": is_enough},
        }
        if in_use is None or not is_enough:
            decision = PromotionDecision.judge(**about)
        else:
            before = self._as_used(in_use)[unseen]
            decision = PromotionDecision.judge(
                **about,
                incumbent=score_balanced(before, rng=rng),
                difference_interval=difference_interval(confusions, before, rng=rng),
            )
        home: Home = self._home.home
        (promote if decision.is_promoted else record_decision)(home, FAULT_CLASSIFIER, version, decision)
        return decision

    def _unseen_by(self, model: "StoredModel | None") -> "np.ndarray":
        """Return which held-out micrographs, in the order of their identifiers, a model is not known to have seen."""
        import numpy as np

        names = np.unique(self._held_out())
        return np.array([model is None or not model.record.has_seen(name) for name in names])

    def _held_out(self) -> "np.ndarray":
        """Return the micrograph of each held-out region."""
        return self._data.rows["micrograph_id"].to_numpy()[self._data.split.test].astype(str)

    def _compared_on(self, unseen: "np.ndarray", in_use: "StoredModel | None") -> str:
        """Return in words what both were judged on, and what takes from its worth."""
        said = f"{unseen.sum()} held-out micrographs of {self._data.fingerprint[:12]}"
        if in_use is not None and in_use.record.seen is None:
            return f"{said} (what the model in use was trained on is not known)"
        return said if unseen.all() else f"{said} ({(~unseen).sum()} more were seen by the model in use)"

    def _as_used(self, model: "StoredModel") -> "np.ndarray":
        """Return the confusions of the classifier in use on the held-out regions."""
        from nanodefect_assets.science.hrtem.fault_compare import confusions_by_micrograph

        if rules_of(model.record) != self._data.rules:
            raise Refusal(
                "other_regions",
                expected="a classifier in use that cuts regions by the rules of this training set",
                got="other rules",
                advice="Make hrtem/region_training_set by the same rules, or put the new version in use by hand.",
            )
        test = self._data.split.test
        probabilities = classify(model, model.estimator(), self._data.regions(test))
        return confusions_by_micrograph(probabilities, self._data.classes[test], self._held_out())

    def _checks(self, best: Trained) -> dict[str, bool]:
        import numpy as np

        confusion = best.scores.confusion
        recalls = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
        return {
            "accuracy_reached": best.scores.balanced_accuracy >= self._config.min_balanced_accuracy,
            "every_class_found": bool((recalls >= self._config.min_recall).all()),
        }
