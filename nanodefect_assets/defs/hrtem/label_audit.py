"""Labels of regions that deserve a second look."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.faults import REGION_TRAINING_SET
from nanodefect_assets.defs.hrtem.region_data import RegionData, read_regions
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.hrtem.fault_params import FeatureParams, ForestParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.science.hrtem.label_audit import LabelDoubts

_ASSET = ("hrtem", "label_audit")
_MOST_DOUBTED = 0.1
_N_SHOWN, _N_LISTED = 12, 60
_PREVIEW_BYTES, _PICTURE_BYTES = 100_000, 400_000
PAGE = "label_audit.html"


class AuditParams(BaseModel):
    """How labels are doubted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_trees: int = Field(default=200, ge=10, le=5000, description="Trees of each forest.")
    n_folds: int = Field(default=5, ge=2, le=20, description="Parts into which micrographs are dealt.")
    seed: int = Field(default=2021, ge=0, description="Of folds and forests.")


class AuditConfig(AuditParams, dg.Config):
    """Launchpad form of `AuditParams`."""


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "region_training_set"]],
    group_name="hrtem",
    code_version="3",
    kinds={"sklearn", "parquet"},
    check_specs=[
        declare_check(
            _ASSET, "few_doubts", "No more than a tenth of the labels are confidently disagreed with.", partitions=None
        )
    ],
)
def label_audit(context: dg.AssetExecutionContext, config: AuditConfig, home: HomeResource) -> dg.MaterializeResult:
    """Labels of training regions that forests, trained on other micrographs, disagree with: ranked, with crops.

    The page lists the most doubtful first.
    """
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.domain.schemas import LABEL_AUDIT
    from nanodefect_assets.science.hrtem.fault_features import region_features
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, out_of_fold_probabilities
    from nanodefect_assets.science.hrtem.label_audit import doubt_labels
    from nanodefect_assets.stores.generations import require_generation

    source = require_generation(home.home, REGION_TRAINING_SET, Place())
    data = read_regions(source)
    forest = ForestParams(n_trees=config.n_trees, calibration="none")
    features = region_features(data.regions(), forest.features, FeatureParams())
    micrographs = data.rows["micrograph_id"].to_numpy().astype(str)
    rng = generator_for(config.seed, "hrtem/label_audit")
    probabilities = out_of_fold_probabilities(
        features, data.classes, micrographs, forest, n_folds=config.n_folds, rng=rng
    )
    doubts = doubt_labels(probabilities, data.classes)
    rows = data.rows[["region_id", "micrograph_id", "is_simulated", "class_name"]].assign(
        suggested_class=[FAULT_CLASSES[at] for at in doubts.suggested],
        margin=doubts.margin,
        is_issue=doubts.is_issue,
        doubt_rank=doubts.rank,
    )
    with making(context, home, inputs=[source], params=config) as out:
        out.n_items = len(rows)
        out.add_rows(LABEL_AUDIT, rows)
        (out.folder / PAGE).write_text(_page(rows.sort_values("doubt_rank"), data, doubts))
    share = float(doubts.is_issue.mean())
    return report(
        out,
        metadata={"n_labels": len(rows), "n_issues": int(doubts.is_issue.sum()), "issue_fraction": share},
        checks=[
            dg.AssetCheckResult(
                check_name="few_doubts",
                passed=share <= _MOST_DOUBTED,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"issue_fraction": share},
            )
        ],
        preview=_crops(data, doubts, _PREVIEW_BYTES),
    )


def _page(ranked: "pd.DataFrame", data: RegionData, doubts: "LabelDoubts") -> str:
    from nanodefect_assets.plots.page import PagePicture, PageSection, PageTable, build_page

    header = ("rank", "region", "label", "more probable", "margin")
    cells = tuple(
        (str(row.doubt_rank), str(row.region_id), str(row.class_name), str(row.suggested_class), f"{row.margin:.2f}")
        for row in ranked[ranked["class_name"] != ranked["suggested_class"]].head(_N_LISTED).itertuples()
    )
    lead = (
        f"{int(doubts.is_issue.sum())} of {len(ranked)} labels are confidently disagreed with. "
        "Listed are those of which another class is more probable, the most doubtful first."
    )
    crops = PagePicture(
        png=_crops(data, doubts, _PICTURE_BYTES), caption="The first of them: rank, label, what rather."
    )
    return build_page(
        "Label audit",
        [
            PageSection(
                heading="Most doubtful labels",
                paragraphs=("Classified by forests that saw no region of the same micrograph.",),
                tables=(PageTable(header=header, rows=cells),),
                pictures=(crops,),
            )
        ],
        lead=lead,
    )


def _crops(data: RegionData, doubts: "LabelDoubts", max_bytes: int) -> bytes:
    """Draw the most doubtful regions with their labels and what seems more probable."""
    import numpy as np

    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES

    panels = []
    first = np.argsort(doubts.rank)[:_N_SHOWN]
    for at in first:
        region = data.read(str(data.rows["region_id"].iloc[at]))
        caption = f"{doubts.rank[at]}: {FAULT_CLASSES[data.classes[at]]}\nrather {FAULT_CLASSES[doubts.suggested[at]]}"
        panels.append((caption, region.counts, region.mask.astype(int)))
    return figure_png(plot_mosaic(panels), max_bytes)
