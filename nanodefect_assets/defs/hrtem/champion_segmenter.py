"""Which segmenter is in use."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.networks import SEGMENTER, network_of, unseen_by
from nanodefect_assets.defs.hrtem.segmenter import TRAINING_SET
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.params import Architecture

if TYPE_CHECKING:
    from nanodefect_assets.domain.champion import ModelRecord, PromotionDecision
    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.science.learning.scores import ConfusionCounts
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.registry import StoredModel

_ASSET = ("hrtem", "champion_segmenter")
_SEGMENTER_ASSET = AssetName(group="hrtem", noun="segmenter")


class PromotionParams(BaseModel):
    """When a segmenter is put in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_dice: float = Field(default=0.5, ge=0, le=1, description="Dice on held-out micrographs that it must reach.")
    min_recall: float = Field(default=0.3, ge=0, le=1, description="Recall of every class that it must reach.")
    min_precision: float = Field(default=0.3, ge=0, le=1, description="Precision of every class that it must reach.")
    seed: int = Field(default=2021, ge=0, description="Of the resampling of micrographs.")
    version: str | None = Field(
        default=None, description="Registered version to judge. None: the best on the validation side of those current."
    )
    override_reason: str | None = Field(
        default=None, min_length=3, description="Puts `version` in use whatever the comparison says; it is recorded."
    )

    @model_validator(mode="after")
    def _check_override(self) -> "PromotionParams":
        if self.override_reason is not None and self.version is None:
            raise ValueError("Expected the version that override_reason is about. Got none.")
        return self


class PromotionConfig(PromotionParams, dg.Config):
    """Launchpad form of `PromotionParams`."""


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What was decided, and the model in use after it."""

    decision: "PromotionDecision | None"
    in_use: "StoredModel"


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "segmenter"], ["hrtem", "training_set"]],
    group_name="hrtem",
    code_version="2",
    kinds={"mlflow"},
    check_specs=[
        declare_check(
            _ASSET, "model_is_whole", "The model in use can be read and is the one that was stored.", partitions=None
        )
    ],
)
def champion_segmenter(
    context: dg.AssetExecutionContext, config: PromotionConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """The segmenter in use: a new one takes its place only if it is surely better on held-out micrographs.

    The challenger is the one with the largest Dice on the validation side among the current segmenters of all
    architectures. It and the model in use are judged on the test side of the training set, paired by micrograph; what
    either of them was trained on judges nothing.
    """
    from nanodefect_assets.domain.schemas import CHAMPIONS
    from nanodefect_assets.stores.models import check_model

    judged = _judge(home.home, config, compute)
    with making(context, home, params=config) as out:
        out.n_items = 1
        out.add_rows(CHAMPIONS, [_row(home.home, judged.in_use)])
    decision = judged.decision
    said = "No other model than the one in use." if decision is None else decision.reason
    return report(
        out,
        metadata={
            "model_version": judged.in_use.version,
            "is_promoted": decision is not None and decision.is_promoted,
            "decision": said,
            **({} if decision is None else _scores(decision)),
            "card": dg.MetadataValue.md(card_of(judged.in_use)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="model_is_whole",
                passed=check_model(judged.in_use.folder) == judged.in_use.record,
                metadata={"folder": dg.MetadataValue.path(judged.in_use.folder)},
            )
        ],
    )


def _judge(home: "Home", config: PromotionConfig, compute: Compute) -> _Judged:
    """Compare the challenger with the model in use, and put it in use if it is better.

    Raises
    ------
    Refusal
        If there is neither a model in use nor one to judge.
    """
    from nanodefect_assets.stores.registry import model_in_use, model_version, promote, record_decision

    in_use = model_in_use(home, SEGMENTER)
    version = config.version or _best_version(home)
    if version is None or (in_use is not None and in_use.version == version):
        if in_use is None:
            raise Refusal(
                "no_segmenter",
                expected="a registered segmenter, or one that ships with the package",
                got="none",
                advice="Materialise hrtem/training_set and hrtem/segmenter first.",
            )
        return _Judged(decision=None, in_use=in_use)
    challenger = model_version(home, SEGMENTER, version)
    decision = _decide(home, config, compute, challenger, in_use)
    if not decision.is_promoted:
        record_decision(home, SEGMENTER, version, decision)
        if in_use is None:
            raise Refusal("no_segmenter", expected="a segmenter that passes its checks", got=decision.reason)
        return _Judged(decision=decision, in_use=in_use)
    promote(home, SEGMENTER, version, decision)
    return _Judged(decision=decision, in_use=challenger)


def _best_version(home: "Home") -> str | None:
    """Return the best version on the validation side among the segmenters of the current training set."""
    import pandas as pd

    from nanodefect_assets.domain.schemas import TRAININGS
    from nanodefect_assets.stores.generations import current_generation

    fingerprint = _training_fingerprint(home)
    found = [current_generation(home, _SEGMENTER_ASSET, Place(study=name)) for name in get_args(Architecture)]
    parts = [made.rows(TRAININGS) for made in found if made is not None]
    rows = pd.concat(parts) if parts else pd.DataFrame(columns=list(TRAININGS.names))
    rows = rows[rows["model_version"].notna() & (rows["training_fingerprint"] == fingerprint)]
    return None if rows.empty else str(rows.sort_values("validation_dice").iloc[-1]["model_version"])


def _training_fingerprint(home: "Home") -> str | None:
    from nanodefect_assets.stores.generations import current_generation
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    made = current_generation(home, TRAINING_SET, Place())
    return None if made is None else PatchSetReader(made.folder / FOLDER).combined_fingerprint


def _decide(
    home: "Home",
    config: PromotionConfig,
    compute: Compute,
    challenger: "StoredModel",
    in_use: "StoredModel | None",
) -> "PromotionDecision":
    from nanodefect_assets.domain.champion import PromotionDecision
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.science.learning.comparison import compare_dice, score_dice
    from nanodefect_assets.stores.generations import require_generation
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    reader = PatchSetReader(require_generation(home, TRAINING_SET, Place()).folder / FOLDER)
    records = [model.record for model in (challenger, in_use) if model is not None]
    test, rng = _held_out(reader.read("test"), records, config), generator_for(config.seed, "hrtem/champion_segmenter")
    counts = judge_as_used(challenger, test, compute)
    about: dict[str, Any] = {
        "name": SEGMENTER,
        "metric": "dice",
        "compared_on": f"{len(test.micrograph_ids)} held-out micrographs of {reader.combined_fingerprint[:12]}"
        f"{_what_was_seen(test, records)}",
        "challenger_version": challenger.version,
        "checks": _checks(counts, config),
        "override_reason": config.override_reason,
    }
    if in_use is None or in_use.record.classes != challenger.record.classes:
        incumbent = None if in_use is None else in_use.version
        return PromotionDecision.judge(**about, challenger=score_dice(counts, rng=rng), incumbent_version=incumbent)
    compared = compare_dice(counts, judge_as_used(in_use, test, compute), rng=rng)
    return PromotionDecision.judge(
        **about,
        challenger=compared.challenger,
        incumbent_version=in_use.version,
        incumbent=compared.incumbent,
        difference_interval=compared.difference_interval,
    )


def _held_out(test: "PatchSet", records: "list[ModelRecord]", config: PromotionConfig) -> "PatchSet":
    """Return the test side without what one of the models has seen, in training on an earlier set for example.

    Where a person decides and nothing is left, all of it is taken: the record says so.

    Raises
    ------
    Refusal
        If nothing is left to judge by.
    """
    unseen = unseen_by(test, *records)
    if len(unseen):
        return unseen
    if config.override_reason is None or not len(test):
        raise Refusal(
            "nothing_held_out",
            expected="held-out micrographs that neither the model in use nor its challenger was trained on",
            got=f"{len(test.micrograph_ids)} micrographs on the test side, of which they have seen all",
            advice="Add labelled micrographs, or take another field_seed in hrtem/training_set; or decide yourself, "
            "with version and override_reason.",
        )
    return test


def _what_was_seen(test: "PatchSet", records: "list[ModelRecord]") -> str:
    """Return in words what takes from the worth of a comparison; nothing if nothing does."""
    n_seen = sum(any(record.has_seen(name) for record in records) for name in test.micrograph_ids)
    words = [f"{n_seen} of them seen in training"] if n_seen else []
    if any(record.seen is None for record in records):
        words.append("what one of the two was trained on is not known")
    return f" ({'; '.join(words)})" if words else ""


def judge_as_used(model: "StoredModel", test: "PatchSet", compute: Compute) -> "ConfusionCounts":
    """Return the confusion counts of a model on patches, brought to its own scale of counts where that differs."""
    from nanodefect_assets.science.learning.apply import judge

    own = model.record.normalisation
    patches = test if own == test.normalisation else _normalised_for(model, test)
    return judge(network_of(model), patches, device=compute.pick_device())[1]


def _normalised_for(model: "StoredModel", test: "PatchSet") -> "PatchSet":
    """Bring patches to the scale of another model.

    A patch is then normalised on its own, as the model would a micrograph of that size. Scales of pixels must agree.
    """
    from dataclasses import replace

    import numpy as np

    from nanodefect_assets.science.imaging.normalise import normalise

    recipe = model.record.normalisation
    if recipe.params.get("common_pixel_size_nm") is not None:
        raise Refusal(
            "other_pixel_scale",
            expected="a model in use that takes micrographs at their own pixel size, as this training set has them",
            got=f"one that brings them to {recipe.params['common_pixel_size_nm']} nm",
            advice="Make the training set with the same common_pixel_size_nm, or promote by hand with a reason.",
        )
    images = np.stack([normalise(image, recipe) for image in test.images]).astype(np.float32)
    return replace(test, images=images, normalisation=recipe)


def _checks(counts: "ConfusionCounts", config: PromotionConfig) -> dict[str, bool]:
    from nanodefect_assets.science.learning.scores import precision, recall

    return {
        "dice_reached": counts.mean_dice >= config.min_dice,
        "every_class_found": bool((recall(counts.pooled) >= config.min_recall).all()),
        "every_class_precise": bool((precision(counts.pooled) >= config.min_precision).all()),
    }


def _row(home: "Home", model: "StoredModel") -> dict[str, Any]:
    """Return the row of `CHAMPIONS` of the model in use, with the decision that put it there."""
    from nanodefect_assets.stores.registry import SHIPPED, decision_of

    record = model.record
    decision = None if model.version == SHIPPED else decision_of(home, record.name, model.version)
    found: dict[str, Any] = {
        "model_name": record.name,
        "model_version": model.version,
        "mlflow_run_id": model.mlflow_run_id,
        "architecture": record.architecture.name,
        "is_simulated": record.is_simulated_training,
        "training_fingerprint": record.training_fingerprint,
        "reason": "comes with the package" if decision is None else decision.reason,
    }
    if decision is None:
        return found
    low, high = decision.difference_interval or (None, None)
    return found | {
        "metric": decision.metric,
        "compared_on": decision.compared_on,
        "score": decision.challenger.value,
        "incumbent_version": decision.incumbent_version,
        "incumbent_score": None if decision.incumbent is None else decision.incumbent.value,
        "difference_low": low,
        "difference_high": high,
    }


def _scores(decision: "PromotionDecision") -> dict[str, float]:
    found = {"challenger_dice": decision.challenger.value}
    return found if decision.incumbent is None else found | {"incumbent_dice": decision.incumbent.value}


def card_of(model: "StoredModel") -> str:
    """Return a model's card as Markdown."""
    from nanodefect_assets.domain.model_card import model_card

    return model_card(model.record, model.version)
