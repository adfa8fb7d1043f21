"""What the page of the segmentation benchmark shows: tables as Markdown, and charts."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_NO_SCORE = "-"


def benchmark_table(scores: "pd.DataFrame") -> str:
    """Return table 3.1 as Markdown: all micrographs and those of each material, with the published scores beside."""
    from nanodefect_assets.science.hrtem.published import TABLE_3_1

    chosen = scores[(scores["trained_on"] == "all") & scores["dose_from_e_per_nm2"].isna()]
    lines = [
        "Scores on held-out micrographs, with 95 % intervals over n independent units: files, or blocks where one file "
        "was parted. Published: of other, measured micrographs.",
        "",
        "| images | part | method | repeats | n | Dice | precision | recall | IoU | published Dice |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in chosen.sort_values(["is_simulated", "part", "dice"], ascending=[True, True, False]).to_dict("records"):
        published = TABLE_3_1.get((row["method"], row["part"]), {}).get("dice")
        repeats = "best" if row["repeats"] == "best" else f"mean of {row['n_repeats']}"
        cells = [_images(row), row["part"], row["method"], repeats, str(row["n_independent"])]
        cells += [interval_text(row, name) for name in ("dice", "precision", "recall", "iou")]
        lines.append("| " + " | ".join([*cells, _NO_SCORE if published is None else f"{published:.2f}"]) + " |")
    return "\n".join(lines)


def material_table(scores: "pd.DataFrame") -> str:
    """Return table B.1 as Markdown: a network trained on one material or on as many patches of all, by material."""
    from nanodefect_assets.science.hrtem.published import TABLE_B_1

    chosen = scores[(scores["trained_on"] != "all") & scores["dose_from_e_per_nm2"].isna()]
    if chosen.empty:
        return "Materialise hrtem/material_study for this table."
    lines = [
        "| images | judged on | trained on | repeats | n | Dice | precision | recall | published Dice (CdSe) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in chosen.sort_values(["is_simulated", "part", "trained_on"]).to_dict("records"):
        key = "mixed" if str(row["trained_on"]).startswith("mixed") else str(row["trained_on"])
        published = TABLE_B_1.get(key, {}).get("dice") if row["part"] == "CdSe" else None
        cells = [_images(row), row["part"], row["trained_on"], str(row["n_repeats"]), str(row["n_independent"])]
        cells += [interval_text(row, name) for name in ("dice", "precision", "recall")]
        lines.append("| " + " | ".join([*cells, _NO_SCORE if published is None else f"{published:.2f}"]) + " |")
    return "\n".join(lines)


def _images(row: dict[Any, Any]) -> str:
    return "simulated" if row["is_simulated"] else "measured"


def interval_text(row: dict[Any, Any], name: str) -> str:
    """Return a score and its interval as text."""
    value, low, high = (row[column] for column in (name, f"{name}_low", f"{name}_high"))
    if value is None or value != value:
        return _NO_SCORE
    return f"{value:.3f}" if low is None or low != low else f"{value:.3f} ({low:.3f} to {high:.3f})"


def _shown_images(scores: "pd.DataFrame") -> bool:
    """Return whether simulated micrographs are drawn: only where there are no measured ones."""
    return bool(scores["is_simulated"].all())


def preview(scores: "pd.DataFrame") -> bytes:
    """Draw the Dice of every segmenter on all micrographs, with its interval and the published one."""
    import numpy as np

    from nanodefect_assets.plots.learning import plot_scores
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.hrtem.published import TABLE_3_1

    simulated = _shown_images(scores)
    chosen = scores[(scores["part"] == "all") & (scores["repeats"] == "best") & (scores["is_simulated"] == simulated)]
    chosen = chosen[chosen["trained_on"] == "all"]
    values = chosen[["dice", "dice_low", "dice_high"]].to_numpy(dtype=float)
    errors = np.abs(values[:, 1:] - values[:, :1]).T
    marks = [TABLE_3_1.get((name, "all"), {}).get("dice", np.nan) for name in chosen["method"]]
    kind = "simulated" if simulated else "measured"
    label = f"Dice, {kind} held-out micrographs; circles: published, other micrographs"
    return figure_png(plot_scores(list(chosen["method"]), values[:, 0], errors, score=label, marks=marks))


def threshold_picture(scores: "pd.DataFrame", thresholds: "pd.DataFrame") -> bytes | None:
    """Draw precision and recall of the best network against the threshold, by material; None without networks."""
    from nanodefect_assets.plots.learning import plot_threshold_curves
    from nanodefect_assets.plots.png import figure_png

    simulated = _shown_images(scores)
    whole = scores[(scores["part"] == "all") & (scores["is_simulated"] == simulated)]
    ranked = whole[whole["method"].isin(set(thresholds["method"]))].sort_values("dice")
    if ranked.empty:
        return None
    best = ranked.iloc[-1]["method"]
    rows = thresholds[(thresholds["method"] == best) & (thresholds["is_simulated"] == simulated)]
    curves = {}
    for material, own in rows.groupby("material", dropna=False):
        positive, taken = own["n_true_positive"], own["n_true_positive"] + own["n_false_positive"]
        precision, recall = positive / taken.where(taken > 0), positive / (positive + own["n_false_negative"])
        curves[f"{best}, {material}"] = (list(own["threshold"]), list(precision), list(recall))
    return figure_png(plot_threshold_curves(curves, chosen=0.5))
