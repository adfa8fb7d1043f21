"""Architectures of networks beside one another."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.contenders import ARCHITECTURES, Gathered, gather
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

_ASSET = ("hrtem", "architecture_study")
_MOST_UNEQUAL = 1.5
_N_PATCHES = 3


@dg.asset(
    key=list(_ASSET),
    deps=[["hrtem", "training_set"], ["hrtem", "segmenter"]],
    group_name="hrtem",
    code_version="2",
    kinds={"parquet"},
    check_specs=[
        declare_check(
            _ASSET,
            "all_architectures_trained",
            "Every architecture was trained on the training set in force.",
            partitions=None,
        ),
        declare_check(
            _ASSET,
            "equal_budgets",
            "No architecture had more than one and a half times the processor time of another.",
            partitions=None,
        ),
        declare_check(
            _ASSET,
            "repeated",
            "Every architecture was trained twice or more, so that errors are known.",
            partitions=None,
        ),
    ],
)
def architecture_study(context: dg.AssetExecutionContext, home: HomeResource, compute: Compute) -> dg.MaterializeResult:
    """Architectures of networks, trained on the same data: mean and standard error over repeats (table 4.1).

    Those that were not trained on the training set in force, or began with the weights of another network, are left
    out, and said to be missing.
    """
    from nanodefect_assets.domain.schemas import ARCHITECTURE_SCORES

    found = gather(home.home, with_classical=False, only_from_random=True)
    if found.trainings.empty or found.held_out.empty:
        raise Refusal(
            "nothing_to_compare",
            expected="networks trained on the training set in force, which holds micrographs out",
            got="; ".join(f"{name}: {why}" for name, why in found.missing.items()) or "no held-out micrographs",
            advice="Materialise hrtem/segmenter for some architectures, such as by the job study_architectures.",
        )
    with making(context, home, inputs=found.inputs) as out:
        rows = [row for name in ARCHITECTURES for row in _rows(found, name)]
        out.n_items = len(rows)
        out.add_rows(ARCHITECTURE_SCORES, rows)
    return report(
        out,
        metadata={
            **{f"dice/{row['architecture']}": row["dice"] for row in rows},
            "training_fingerprint": found.fingerprint,
            "missing": dg.MetadataValue.json(found.missing),
            "scores": dg.MetadataValue.md(architecture_table(rows, found.missing)),
        },
        checks=_checks(rows, found.missing),
        preview=_preview(home, found, compute),
    )


def _rows(found: Gathered, name: str) -> list[dict[str, Any]]:
    """Return the rows of an architecture: of measured micrographs, and of simulated ones."""
    from nanodefect_assets.science.hrtem.published import TABLE_4_1
    from nanodefect_assets.science.learning.benchmark import over_repeats, tally

    repeats = found.trainings[found.trainings["architecture"] == name]
    if repeats.empty:
        return []
    about = _about(found, name, repeats)
    published = TABLE_4_1.get(name, {})
    rows = []
    for is_simulated, held_out in found.held_out.groupby("is_simulated"):
        counts = tally(found.scores, list(repeats["mlflow_run_id"]), list(held_out["micrograph_id"]), found.class_names)
        scored = over_repeats(counts)
        rows.append(
            about
            | {
                "is_simulated": bool(is_simulated),
                "n_micrographs": len(held_out),
                **{key: scored[key][0] for key in ("dice", "iou")},
                **{f"{key}_se": _known(scored[key][1]) for key in ("dice", "iou")},
                **{f"published_{key}": published.get(key) for key in ("dice", "iou")},
            }
        )
    return rows


def _about(found: Gathered, name: str, repeats: "pd.DataFrame") -> dict[str, Any]:
    return {
        "training_fingerprint": found.fingerprint,
        "architecture": name,
        "protocol": str(repeats["protocol"].iloc[0]),
        "n_repeats": len(repeats),
        "n_parameters": int(repeats["n_parameters"].iloc[0]),
        "n_epochs": _known(float(repeats["n_epochs"].astype(float).mean())),
        "used_s": float(repeats["used_s"].mean()),
        "wall_s": float(repeats["wall_s"].mean()),
    }


def _known(value: float) -> float | None:
    return None if value != value else value


def architecture_table(rows: list[dict[str, Any]], missing: dict[str, str]) -> str:
    """Return table 4.1 as Markdown, the best on top, with the published scores beside, and what is missing."""
    lines = [
        "Mean ± standard error over repeats, held-out micrographs. Used: processor time of a training. Published: of "
        "other, measured micrographs, without errors.",
        "",
        "| images | architecture | repeats | Dice | IoU | numbers | epochs | used (s) | published Dice, IoU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["is_simulated"], -row["dice"])):
        published = [row["published_dice"], row["published_iou"]]
        cells = [
            "simulated" if row["is_simulated"] else "measured",
            row["architecture"],
            str(row["n_repeats"]),
            _with_error(row["dice"], row["dice_se"]),
            _with_error(row["iou"], row["iou_se"]),
            f"{row['n_parameters']:,}",
            "-" if row["n_epochs"] is None else f"{row['n_epochs']:.1f}",
            f"{row['used_s']:.0f}",
            "-" if None in published else f"{published[0]:.2f}, {published[1]:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"Missing: {name}, {why}." for name, why in missing.items())])


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


def _checks(rows: list[dict[str, Any]], missing: dict[str, str]) -> list[dg.AssetCheckResult]:
    used_s = {row["architecture"]: row["used_s"] for row in rows}
    once = sorted({row["architecture"] for row in rows if row["n_repeats"] < 2})
    return [
        dg.AssetCheckResult(
            check_name="all_architectures_trained",
            passed=not missing,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"missing": dg.MetadataValue.json(missing)},
        ),
        dg.AssetCheckResult(
            check_name="equal_budgets",
            passed=max(used_s.values()) <= _MOST_UNEQUAL * min(used_s.values()),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"used_s": dg.MetadataValue.json(used_s)},
        ),
        dg.AssetCheckResult(
            check_name="repeated",
            passed=not once,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"trained_once": dg.MetadataValue.json(once)},
        ),
    ]


def _preview(home: HomeResource, found: Gathered, compute: Compute) -> bytes:
    """Draw held-out patches with the outlines of the truth and of what each network finds (figs. 4.4 and 4.5)."""
    import numpy as np

    from nanodefect_assets.defs.hrtem.networks import SEGMENTER, network_of
    from nanodefect_assets.domain.patches import UNLABELLED
    from nanodefect_assets.plots.images import plot_mosaic
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.learning.apply import probabilities
    from nanodefect_assets.stores.registry import model_version

    test = found.test_side()
    chosen = np.unique(np.linspace(0, len(test) - 1, min(_N_PATCHES, len(test))).round().astype(int))
    images, truth = test.images[chosen], test.classes[chosen].astype(int)
    truth[truth == UNLABELLED] = 0
    columns: dict[str, np.ndarray] = {"truth": truth}
    for name, version in found.registered().items():
        network = network_of(model_version(home.home, SEGMENTER, version))
        columns[name] = probabilities(network, images, device=compute.pick_device()).argmax(axis=1)
    tiles = [(name, images[at], labels[at]) for at in range(len(chosen)) for name, labels in columns.items()]
    return figure_png(plot_mosaic(tiles, n_cols=len(columns)))
