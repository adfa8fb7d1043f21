"""Which hand each particle is."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_or_models_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, sample
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem.crop_sets import CropSet, read_crops
from nanodefect_assets.defs.sem.handedness_maker import HANDEDNESS_MODEL
from nanodefect_assets.defs.sem.handedness_registry import trained_of
from nanodefect_assets.domain.keys import Place

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.science.sem.answers import HandednessAnswers
    from nanodefect_assets.stores.generations import StoredGeneration

_ASSET = ("sem", "handedness")
_LARGEST_ERROR = 0.45
_SURE_AGREEMENT = 0.75
_MOST_UNSURE = 0.2
_N_SHOWN = 24


@dg.asset(
    key=list(_ASSET),
    deps=[["sem", "te_crops"], dg.AssetDep(["sem", "handedness_model"], partition_mapping=batch_of_sample)],
    partitions_def=sample,
    group_name="sem",
    code_version="2",
    kinds={"pytorch", "parquet"},
    automation_condition=when_inputs_or_models_pass(["sem", "handedness_model"]),
    check_specs=[
        declare_check(
            _ASSET,
            "answers_agree",
            "At least four fifths of the particles are called the same upright, upside down and mirrored.",
        ),
        declare_check(
            _ASSET,
            "no_image_flipped",
            "In no image is the batch's minority the majority beyond chance, as if the image had come in flipped.",
        ),
    ],
)
def handedness(context: dg.AssetExecutionContext, home: HomeResource, compute: Compute) -> dg.MaterializeResult:
    """Hand of every particle of a chiral sample, with its chance and how well the model agrees with itself.

    Empty until the batch has a model, and for one that is abstained from. Without an anchor particles are of the
    majority or the minority, and their hand stays open.
    """
    from nanodefect_assets.domain.schemas import HANDEDNESS, HANDEDNESS_MODELS
    from nanodefect_assets.stores.generations import current_generation

    crops = upstream(context, home, "sem", "te_crops")
    model = current_generation(home.home, HANDEDNESS_MODEL, Place(batch=place_of(context).batch))
    models = [] if model is None else _stated(model.rows(HANDEDNESS_MODELS))
    with making(context, home, inputs=[crops] + ([model] if model and models else [])) as out:
        out.add_rows(HANDEDNESS, [])
        found = read_crops([crops]) if models and models[0]["model_version"] is not None else None
        out.n_items = 0 if found is None else len(found.rows)
        if model is not None and found is not None and len(found.rows):
            was_seen = any(source.generation == crops.record.name for source in model.record.inputs)
            unseen = _unseen(model) if was_seen else {}
            out.add_rows(HANDEDNESS, _judge(home, compute, found, models[0], unseen, was_trained_on=was_seen))
    rows = upstream(context, home, *_ASSET).rows(HANDEDNESS)
    return report(
        out,
        metadata=_metadata(rows, models),
        checks=_checks(rows),
        preview=_preview(crops, rows) if len(rows) else None,
    )


def _stated(rows: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows with None for what is missing: pandas reads a missing text back as not-a-number."""
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in rows.to_dict(orient="records")
    ]


def _unseen(model: "StoredGeneration") -> dict[str, float]:
    """Return by particle what networks said that had not learnt from it; models made before that was kept have none."""
    from nanodefect_assets.domain.schemas import UNSEEN_HANDS

    if not model.rows_path(UNSEEN_HANDS).exists():
        return {}
    rows = model.rows(UNSEEN_HANDS)
    return dict(zip(rows["particle_id"], rows["log_odds"].astype(float), strict=True))


def _judge(
    home: HomeResource,
    compute: Compute,
    found: CropSet,
    model: dict[Any, Any],
    unseen: dict[str, float],
    *,
    was_trained_on: bool,
) -> list[dict[str, Any]]:
    """Return the rows of `HANDEDNESS` of a sample."""
    from nanodefect_assets.science.learning.devices import threads
    from nanodefect_assets.science.sem.answers import answer
    from nanodefect_assets.science.sem.mirror import scale_crops
    from nanodefect_assets.stores.registry import model_version

    stored = model_version(home.home, model["model_name"], model["model_version"])
    share = model["estimated_minority_share"]
    error = 0.0 if share is None else min(float(share), _LARGEST_ERROR)
    images = scale_crops(found.images)
    with threads(compute.n_threads):
        answers = answer(trained_of(stored), images, error_fraction=error, device=compute.pick_device())
    return [
        {
            **{name: row[name] for name in ("particle_id", "micrograph_id", "is_simulated")},
            **_said(answers, at, model["majority_hand"]),
            "log_odds_unseen": unseen.get(row["particle_id"]),
            "was_trained_on": was_trained_on,
            "model_version": stored.version,
        }
        for at, row in enumerate(found.rows.to_dict(orient="records"))
    ]


def _said(answers: "HandednessAnswers", at: int, majority_hand: str | None) -> dict[str, Any]:
    """Return what the model says of one particle; its hand only if that of the majority is known."""
    p_majority = float(answers.p_right[at])
    is_majority = bool(answers.log_odds[at] > 0)
    said: dict[str, Any] = {
        "log_odds": float(answers.log_odds[at]),
        "p_majority": p_majority,
        "agreement": float(answers.agreement[at]),
        "hand": None,
        "p_right": None,
    }
    if majority_hand in ("right", "left"):
        is_right = is_majority == (majority_hand == "right")
        said["hand"] = "right" if is_right else "left"
        said["p_right"] = p_majority if majority_hand == "right" else 1 - p_majority
    return said


def _metadata(rows: "pd.DataFrame", models: list[dict[Any, Any]]) -> dict[str, Any]:
    if not models:
        return {"n_particles": 0}
    n_minority = int((rows["log_odds"] <= 0).sum())
    share = {"minority_fraction": n_minority / len(rows)} if len(rows) else {}
    hand = models[0]["majority_hand"]
    return {
        "n_particles": len(rows),
        "n_minority": n_minority,
        **share,
        "majority_hand": hand if isinstance(hand, str) else "not known",
        "why": models[0]["reason"],
    }


def _checks(rows: "pd.DataFrame") -> list[dg.AssetCheckResult]:
    from nanodefect_assets.science.sem.production import flipped_suspects

    n_unsure = int((rows["agreement"] <= _SURE_AGREEMENT).sum())
    suspects = flipped_suspects((rows["log_odds"] <= 0).to_numpy(), rows["micrograph_id"].tolist())
    return [
        dg.AssetCheckResult(
            check_name="answers_agree",
            passed=n_unsure <= _MOST_UNSURE * len(rows),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"n_particles": len(rows), "n_unsure": n_unsure},
        ),
        dg.AssetCheckResult(
            check_name="no_image_flipped",
            passed=not suspects,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"suspects": dg.MetadataValue.json(list(suspects))},
        ),
    ]


def _preview(crops: "StoredGeneration", rows: "pd.DataFrame") -> bytes:
    from nanodefect_assets.plots.handedness import plot_crops
    from nanodefect_assets.plots.png import figure_png

    shown = read_crops([crops])
    first = rows.head(_N_SHOWN)
    called = first["hand"].fillna((first["log_odds"] > 0).map({True: "majority", False: "minority"}))
    titles = [f"{name}, agreement {share:g}" for name, share in zip(called, first["agreement"], strict=True)]
    return figure_png(plot_crops(list(shown.images[:_N_SHOWN]), titles))
