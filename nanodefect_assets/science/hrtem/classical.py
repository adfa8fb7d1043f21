"""Segmenters that learn no weights, tuned and judged on the same patches as networks."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Bool

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.patches import UNLABELLED, PatchSet
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.params import ClassicalMethod, SegmentationParams
from nanodefect_assets.science.hrtem.segment import segment_particles
from nanodefect_assets.science.hrtem.tune import Tuning, tune_in_ranges, tune_on_grid
from nanodefect_assets.science.learning.scores import ConfusionCounts, count_confusion

_ANNULUS_PATCH_PX = 512
"""Edge of the patches that the published radii of the annulus are for."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What of a method is tuned.

    Attributes
    ----------
    start : SegmentationParams
        All that is not.
    choices : mapping of str to sequence
        Values of which every combination is tried.
    ranges : mapping of str to (float, float)
        Limits between which the best of them is then improved; may be empty.
    """

    start: SegmentationParams
    choices: Mapping[str, Sequence[object]]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that are tuned."""
        return tuple(dict.fromkeys((*self.choices, *self.ranges)))


def search_of(method: ClassicalMethod, *, patch_px: int) -> Search:
    """Return what of `method` is tuned on patches of an edge; radii of the annulus go with that edge."""
    scale = patch_px / _ANNULUS_PATCH_PX
    searches: dict[ClassicalMethod, Search] = {
        "otsu_intensity": Search(
            start=SegmentationParams(method="otsu_intensity"),
            choices={
                "smoothing_px": [0.0, 1.0, 2.0, 4.0],
                "opening_radius_px": [0, 2],
                "polarity": ["auto", "bright", "dark"],
            },
        ),
        "otsu_local_std": Search(
            start=SegmentationParams(method="otsu_local_std"),
            choices={"window_nm": [0.5, 1.0, 1.5, 2.5], "opening_radius_px": [0, 1, 4]},
        ),
        "fourier": Search(
            start=SegmentationParams(method="fourier"),
            choices={"coherence": [0.6, 0.85, 1.5, 3.0], "edge_fraction": [0.05, 0.2, 0.4]},
            ranges={"coherence": (0.4, 4.0), "edge_fraction": (0.0, 0.6), "false_alarm": (1e-5, 0.1)},
        ),
        "fourier_annulus": Search(
            start=SegmentationParams.thesis(),
            choices={
                "annulus_inner_px": [25 * scale, 50 * scale],
                "annulus_outer_px": [100 * scale, 200 * scale],
                "annulus_smoothing_px": [2.0, 6.0],
                "polarity": ["auto", "bright", "dark"],
            },
            ranges={"annulus_inner_px": (5 * scale, 100 * scale), "annulus_outer_px": (100 * scale, 250 * scale)},
        ),
    }
    return searches[method]


def tune_on_patches(
    patches: PatchSet,
    search: Search,
    *,
    max_patches: int,
    max_trials: int,
    executor: Executor | None = None,
    on_step: OnStep = ignore_progress,
) -> Tuning:
    """Tune a method on patches with labels, evenly from all over a set.

    Parameters
    ----------
    patches : PatchSet
        Of the training side.
    search : Search
        What is tuned.
    max_patches : int
        Patches that are tried at most.
    max_trials : int
        Combinations tried after those of the grid; 0 for none.
    executor, on_step
        As for `tune_on_grid`.
    """
    _check_two_classes(patches)
    chosen = np.unique(np.linspace(0, len(patches) - 1, min(max_patches, len(patches))).round().astype(int))
    labelled = [_labelled(patches, int(at)) for at in chosen]
    materials = [_material(patches, int(at)) for at in chosen]
    tuning = tune_on_grid(
        labelled, search.start, search.choices, material=materials, executor=executor, on_step=on_step
    )
    if not search.ranges or not max_trials:
        return tuning
    further = tune_in_ranges(
        labelled,
        tuning.best,
        search.ranges,
        max_trials=max_trials,
        material=materials,
        executor=executor,
        on_step=on_step,
    )
    return tuning.joined(further)


def judge_on_patches(
    patches: PatchSet, params: SegmentationParams, *, executor: Executor | None = None
) -> tuple[ConfusionCounts, int]:
    """Return the confusion counts of a method on patches, and how many of these it refused: nothing is found there."""
    _check_two_classes(patches)
    each, each_on = partial(_found, patches, params), executor.map if executor else map
    masks = list(each_on(each, range(len(patches))))
    predicted = np.array([np.zeros(patches.shape[1:]) if mask is None else mask for mask in masks], dtype=np.uint8)
    counts = count_confusion(
        predicted.reshape(patches.shape),
        patches.classes,
        group=patches.group,
        micrograph_ids=patches.micrograph_ids,
        class_names=patches.class_names,
    )
    return counts, sum(mask is None for mask in masks)


def _found(patches: PatchSet, params: SegmentationParams, at: int) -> Bool[np.ndarray, "row col"] | None:
    try:
        found = segment_particles(_micrograph(patches, at), params, material=_material(patches, at))
    except Refusal:
        return None
    return found.labels > 0


def _labelled(patches: PatchSet, at: int) -> LabelledMicrograph:
    classes = patches.classes[at].astype(np.int32)
    labels = np.where(classes == UNLABELLED, -1, classes)
    return LabelledMicrograph(micrograph=_micrograph(patches, at), labels=labels)


def _micrograph(patches: PatchSet, at: int) -> Micrograph:
    group, size_nm = int(patches.group[at]), float(patches.pixel_size_nm[at])
    return Micrograph(
        micrograph_id=patches.micrograph_ids[group],
        counts=patches.images[at],
        pixel_size_nm=None if np.isnan(size_nm) else size_nm,
        modality=patches.sources[group].modality if patches.sources else "hrtem",
        is_simulated=bool(patches.sources) and patches.sources[group].is_simulated,
    )


def _material(patches: PatchSet, at: int) -> str | None:
    return patches.sources[int(patches.group[at])].material if patches.sources else None


def _check_two_classes(patches: PatchSet) -> None:
    if len(patches.class_names) != 2:
        raise Refusal(
            "more_than_two_classes",
            expected="patches of support and one class, which is all that a threshold parts",
            got=", ".join(patches.class_names),
            advice="Make a training set with two classes to compare networks with classical methods.",
        )
    if not len(patches):
        raise Refusal("nothing_labelled", expected="labelled patches", got="none")
