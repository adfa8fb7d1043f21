"""Free parameters of a segmenter, tuned on micrographs that people have labelled."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from nanodefect_assets.domain.micrograph import LabelledMicrograph
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.params import SegmentationParams
from nanodefect_assets.science.hrtem.score import MaskScore, score_mask
from nanodefect_assets.science.hrtem.segment import segment_particles


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The best parameters, and all that were tried.

    Attributes
    ----------
    best : SegmentationParams
        Those of the largest mean Dice; of equal ones the first that was tried.
    scores : DataFrame
        A row for each trial: the parameters that were varied, ``mean_dice`` over micrographs, ``dice``, ``precision``
        and ``recall`` of all pixels together, and ``n_refused``, micrographs that could not be segmented.
    """

    best: SegmentationParams
    scores: pd.DataFrame

    def joined(self, further: "Tuning") -> "Tuning":
        """Return this and a further tuning as one; what only one of them varied is missing in rows of the other."""
        is_better = further.scores["mean_dice"].max() > self.scores["mean_dice"].max()
        scores = pd.concat([self.scores, further.scores], ignore_index=True)
        return Tuning(best=further.best if is_better else self.best, scores=scores)


def tune_on_grid(
    labelled: Sequence[LabelledMicrograph],
    start: SegmentationParams,
    choices: Mapping[str, Sequence[object]],
    *,
    material: str | Sequence[str | None] | None = None,
    executor: Executor | None = None,
    on_step: OnStep = ignore_progress,
) -> Tuning:
    """Try every combination of some parameters and return the best.

    Parameters
    ----------
    labelled : sequence of LabelledMicrograph
        The truth; every micrograph counts alike. Where labels are below 0 nothing is known, and nothing is counted.
        Judge the result on others.
    start : SegmentationParams
        Method, and all parameters that are not varied.
    choices : mapping of str to sequence
        Values to try, by parameter.
    material : str, sequence or None
        What the particles are made of: in all micrographs, or in each.
    executor : Executor or None
        Segments several micrographs at a time; None for one after another.
    on_step : callable
        Called after each combination.
    """
    _check_input(labelled, choices)
    combinations = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
    trials = []
    for done, changes in enumerate(combinations, start=1):
        trials.append(_try(labelled, _changed(start, changes), changes, material, executor))
        on_step(Progress(task="tuning", done=done, total=len(combinations), detail=str(changes)))
    return _tuning(trials)


def tune_in_ranges(
    labelled: Sequence[LabelledMicrograph],
    start: SegmentationParams,
    ranges: Mapping[str, tuple[float, float]],
    *,
    max_trials: int,
    material: str | Sequence[str | None] | None = None,
    executor: Executor | None = None,
    on_step: OnStep = ignore_progress,
) -> Tuning:
    """Search for the best parameters between limits, from those of `start`, by the simplex of Nelder and Mead.

    Parameters
    ----------
    labelled, start, material, executor, on_step
        As for `tune_on_grid`.
    ranges : mapping of str to (float, float)
        Lowest and highest value of each parameter that is varied; parameters that are whole numbers are rounded.
    max_trials : int
        Combinations that are tried at most.

    Notes
    -----
    The simplex [1]_ needs no derivative, which a Dice of thresholded pixels has not. It finds the best nearby: let it
    start from the best of a grid. Ranges whose ends are positive and more than tenfold apart are searched by ratio.

    References
    ----------
    .. [1] J. A. Nelder, R. Mead, A simplex method for function minimization, Comput. J. 7, 308 (1965),
       doi:10.1093/comjnl/7.4.308.
    """
    _check_input(labelled, ranges)
    trials: list[_Trial] = []

    def loss(shares: np.ndarray) -> float:
        changes = {
            name: _between(start, name, limits, share)
            for (name, limits), share in zip(ranges.items(), shares, strict=True)
        }
        trials.append(_try(labelled, _changed(start, changes), changes, material, executor))
        on_step(Progress(task="tuning", done=min(len(trials), max_trials), total=max_trials, detail=str(changes)))
        return -trials[-1].mean_dice

    first = [_share(float(getattr(start, name)), limits) for name, limits in ranges.items()]
    simplex = np.array([first, *(_moved(first, at) for at in range(len(first)))])
    options = {"maxfev": max_trials, "initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-4}
    minimize(loss, first, method="Nelder-Mead", bounds=[(0, 1)] * len(first), options=options)
    return _tuning(trials)


@dataclass(frozen=True, kw_only=True)
class _Trial:
    params: SegmentationParams
    changes: Mapping[str, object]
    mean_dice: float
    total: MaskScore
    n_refused: int


def _check_input(labelled: Sequence[LabelledMicrograph], varied: Mapping[str, Any]) -> None:
    if not labelled:
        raise Refusal("nothing_labelled", expected="labelled micrographs to tune on", got="none")
    if not varied or any(len(values) == 0 for values in varied.values()):
        raise ValueError(f"Expected parameters to vary, with values. Got {dict(varied)}.")


def _changed(start: SegmentationParams, changes: Mapping[str, object]) -> SegmentationParams:
    return SegmentationParams.model_validate(start.model_dump() | dict(changes))


def _try(
    labelled: Sequence[LabelledMicrograph],
    params: SegmentationParams,
    changes: Mapping[str, object],
    material: str | Sequence[str | None] | None,
    executor: Executor | None,
) -> _Trial:
    materials = [material] * len(labelled) if material is None or isinstance(material, str) else material
    if len(materials) != len(labelled):
        raise ValueError(f"Expected a material for each of {len(labelled)} micrographs. Got {len(materials)}.")
    each, each_on = partial(_score_one, params=params), executor.map if executor else map
    outcomes: Iterator[tuple[MaskScore, bool]] = each_on(each, labelled, materials)
    found = list(outcomes)
    scores = [score for score, _ in found]
    return _Trial(
        params=params,
        changes=changes,
        mean_dice=float(np.mean([score.dice for score in scores])),
        total=sum(scores[1:], start=scores[0]),
        n_refused=sum(is_refused for _, is_refused in found),
    )


def _score_one(one: LabelledMicrograph, material: str | None, *, params: SegmentationParams) -> tuple[MaskScore, bool]:
    """Score one micrograph; one that is refused counts as one where nothing was found.

    Pixels of which nothing is known pass for support that was found to be support, which changes no score.
    """
    truth = one.labels > 0
    try:
        found = segment_particles(one.micrograph, params, material=material).labels > 0
    except Refusal:
        return score_mask(np.zeros_like(truth), truth), True
    return score_mask(found & (one.labels >= 0), truth), False


def _tuning(trials: Sequence[_Trial]) -> Tuning:
    rows = [
        {
            **trial.changes,
            "mean_dice": trial.mean_dice,
            "dice": trial.total.dice,
            "precision": trial.total.precision,
            "recall": trial.total.recall,
            "n_refused": trial.n_refused,
        }
        for trial in trials
    ]
    best = max(trials, key=lambda trial: trial.mean_dice)
    return Tuning(best=best.params, scores=pd.DataFrame(rows))


def _is_by_ratio(limits: tuple[float, float]) -> bool:
    return 0 < 10 * limits[0] < limits[1]


def _between(start: SegmentationParams, name: str, limits: tuple[float, float], share: float) -> float | int:
    low, high = limits
    value = low * (high / low) ** share if _is_by_ratio(limits) else low + share * (high - low)
    is_whole = type(start).model_fields[name].annotation is int
    return round(value) if is_whole else float(value)


def _share(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    if not low < high:
        raise ValueError(f"Expected ranges as (low, high). Got {limits}.")
    value = min(max(value, low), high)
    return float(np.log(value / low) / np.log(high / low)) if _is_by_ratio(limits) else (value - low) / (high - low)


def _moved(first: Sequence[float], at: int) -> list[float]:
    """Return a corner of the first simplex: a quarter of the range away, to the side with room."""
    moved = list(first)
    moved[at] += 0.25 if first[at] <= 0.5 else -0.25
    return moved
