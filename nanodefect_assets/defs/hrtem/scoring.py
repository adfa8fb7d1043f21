"""How models fared on held-out patches, as rows and as numbers of a run."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.science.learning.networks import Network
    from nanodefect_assets.science.learning.scores import ConfusionCounts, ThresholdCounts

THRESHOLDS = tuple(number / 20 for number in range(1, 20))


def score_rows(run_id: str, counts: "ConfusionCounts", patches: "PatchSet") -> list[dict[str, Any]]:
    """Return the rows of `MODEL_SCORES` of one model, judged on `patches`."""
    sources = dict(zip(patches.micrograph_ids, patches.sources, strict=True))
    return [
        {
            "mlflow_run_id": run_id,
            "micrograph_id": micrograph_id,
            "is_simulated": sources[micrograph_id].is_simulated,
            "material": sources[micrograph_id].material,
            "modality": sources[micrograph_id].modality,
            **counted,
        }
        for micrograph_id, counted in counts.by_micrograph_and_class()
    ]


def pooled_metrics(counts: "ConfusionCounts") -> dict[str, float]:
    """Return the counts of all micrographs together and their ratios, by class."""
    from nanodefect_assets.science.learning.scores import dice, iou, precision, recall

    found = {"dice": counts.mean_dice}
    for ratio in (dice, iou, precision, recall):
        values = ratio(counts.pooled)
        found |= {
            f"{ratio.__name__}/{name}": float(value) for name, value in zip(counts.class_names, values, strict=True)
        }
    for true, row in zip(counts.class_names, counts.pooled, strict=True):
        found |= {f"n_px/{true}_found_as_{name}": float(n) for name, n in zip(counts.class_names, row, strict=True)}
    return {name: value for name, value in found.items() if value == value}


def count_thresholds(network: "Network", patches: "PatchSet", device: str) -> "ThresholdCounts":
    """Count, for each of `THRESHOLDS`, the pixels that are not support and those that a network takes for it."""
    import numpy as np

    from nanodefect_assets.domain.patches import UNLABELLED
    from nanodefect_assets.science.learning.apply import probabilities
    from nanodefect_assets.science.learning.scores import count_at_thresholds

    p_particle = 1 - probabilities(network, patches.images, device=device)[:, 0]
    is_particle = np.where(patches.classes == UNLABELLED, UNLABELLED, patches.classes > 0).astype(np.uint8)
    return count_at_thresholds(
        p_particle,
        is_particle,
        class_index=1,
        group=patches.group,
        n_micrographs=len(patches.micrograph_ids),
        thresholds=THRESHOLDS,
    )
