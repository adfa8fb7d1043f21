"""How well masks agree with what experts drew."""

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.hrtem.finding import DRAWN
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.resources import HomeResource


class MaskScoreParams(BaseModel):
    """When masks and labels agree well enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_dice: float = Field(
        default=0.5, ge=0, le=1, description="Dice of all labelled pixels of the sample that passes."
    )


class MaskScoreConfig(MaskScoreParams, dg.Config):
    """Launchpad form of `MaskScoreParams`."""


@dg.asset(
    key=["hrtem", "mask_scores"],
    deps=[["hrtem", "segmentation"], ["samples", "annotations"]],
    partitions_def=sample,
    group_name="hrtem",
    code_version="2",
    kinds={"parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("hrtem", "mask_scores"),
        declare_check(
            ("hrtem", "mask_scores"),
            "agrees_with_labels",
            "Dice of the masks against the expert labels, over all labelled pixels; passes where nothing is labelled.",
        ),
    ],
)
def mask_scores(context: dg.AssetExecutionContext, config: MaskScoreConfig, home: HomeResource) -> dg.MaterializeResult:
    """Agreement of the segmenter's masks of a sample with its expert labels, in pixels; drawn masks are left out."""
    from nanodefect_assets.domain.schemas import MASK_SCORES, MASKS
    from nanodefect_assets.science.hrtem.score import MaskScore, score_mask

    masks = upstream(context, home, "hrtem", "segmentation")
    truth = upstream(context, home, "samples", "annotations")
    labels, drawn = masks.arrays("labels"), truth.arrays("annotations")
    found = masks.rows(MASKS).set_index("micrograph_id")
    by_hand = set(found.index[found["segmenter_name"] == DRAWN])
    total = MaskScore(n_true_positive=0, n_false_positive=0, n_false_negative=0, n_true_negative=0)
    with making(context, home, inputs=[masks, truth], params=config) as out:
        out.add_rows(MASK_SCORES, [])
        for file_id in drawn:
            micrograph_id = str(drawn.attributes(file_id)["micrograph_id"])
            if micrograph_id not in labels or micrograph_id in by_hand:
                continue
            with out.item(file_id):
                score = score_mask(labels.read(micrograph_id) > 0, drawn.read(file_id))
                total = total + score
                row = {
                    "micrograph_id": micrograph_id,
                    "is_simulated": bool(found.loc[micrograph_id, "is_simulated"]),
                    "label_file_id": file_id,
                    "n_true_positive": score.n_true_positive,
                    "n_false_positive": score.n_false_positive,
                    "n_false_negative": score.n_false_negative,
                    "n_true_negative": score.n_true_negative,
                }
                out.add_rows(MASK_SCORES, [row])
    n_scored = out.n_rows(MASK_SCORES)
    ratios = {"dice": total.dice, "iou": total.iou, "precision": total.precision, "recall": total.recall}
    shown = {name: value for name, value in ratios.items() if n_scored and value == value}
    return report(
        out,
        metadata={"n_scored": n_scored, **shown},
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="agrees_with_labels",
                passed=n_scored == 0 or total.dice >= config.min_dice,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"min_dice": config.min_dice, **shown, **tested(n_scored)},
            ),
        ],
    )
