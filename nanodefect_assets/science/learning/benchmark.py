"""Models beside one another on the same micrographs: counts are added, ratios come last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanodefect_assets.science.learning.benchmark_params import BenchmarkParams
from nanodefect_assets.science.learning.comparison import add_by_file, draw_micrographs

_Counts = Int[np.ndarray, "run micrograph class 3"]
_Draws = Int[np.ndarray, "resample micrograph"]

SCORES = ("dice", "iou", "precision", "recall")
BEST, MEAN = "best", "mean"

_COLUMNS = ["n_true_positive", "n_false_positive", "n_false_negative"]
_SHARE = (0.025, 0.975)
_LEAST_DEFINED = 0.5
"""Share of the resamples in which a score must be defined for its interval to mean something."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model in a comparison.

    Attributes
    ----------
    name : str
        Architecture, or classical method.
    runs : tuple of str
        Runs that trained it: one, or all repeats, of which the mean is scored.
    repeats : str
        ``best``, the repeat that is registered, or ``mean`` over all.
    trained_on : str or None
        Part of the training side that it learnt from; None for all of it.
    """

    name: str
    runs: tuple[str, ...]
    repeats: str
    trained_on: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """Held-out micrographs that are scored together; what is None is not parted by.

    Attributes
    ----------
    micrograph_ids : tuple of str
        The micrographs.
    is_simulated : bool
        Whether a computer made them; measured and simulated ones are never put together.
    material : str or None
        What all their particles are made of.
    dose_e_per_nm2, pixel_size_nm : (float, float) or None
        Range of each, with its lower end; from 0 or to infinity at the outside.
    """

    micrograph_ids: tuple[str, ...]
    is_simulated: bool
    material: str | None = None
    dose_e_per_nm2: tuple[float, float] | None = None
    pixel_size_nm: tuple[float, float] | None = None

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell of the grid of dose and pixel size."""
        return self.dose_e_per_nm2 is not None

    @property
    def name(self) -> str:
        """All in one text, which tells parts apart."""
        words = [self.material or "all"]
        for span, unit in ((self.dose_e_per_nm2, "e/nm2"), (self.pixel_size_nm, "nm")):
            if span is not None:
                words.append(f"{span[0]:g} to {span[1]:g} {unit}")
        return ", ".join(words)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % confidence interval over micrographs; what is not defined is None."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def columns(self, name: str) -> dict[str, float | None]:
        """Return it as columns of a table."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def parts_of(micrographs: pd.DataFrame, params: BenchmarkParams) -> list[Part]:
    """Part held-out micrographs: all, those of each material, and the grid of material, dose and pixel size.

    Parameters
    ----------
    micrographs : DataFrame
        ``micrograph_id``, ``is_simulated``, ``material``, ``dose_e_per_nm2`` and ``pixel_size_nm``; one whose dose or
        pixel size is not known is in no cell of the grid.
    params : BenchmarkParams
        Edges of the grid.
    """
    found = []
    for is_simulated, alike in micrographs.groupby("is_simulated"):
        simulated = bool(is_simulated)
        found.append(Part(micrograph_ids=_ids(alike), is_simulated=simulated))
        for material, own in alike.groupby("material"):
            found.append(Part(micrograph_ids=_ids(own), is_simulated=simulated, material=str(material)))
            found += _cells(own, simulated, str(material), params)
    return found


def _cells(own: pd.DataFrame, is_simulated: bool, material: str, params: BenchmarkParams) -> list[Part]:
    known = own.dropna(subset=["dose_e_per_nm2", "pixel_size_nm"])
    dose_at = np.digitize(known["dose_e_per_nm2"].to_numpy(float), params.dose_edges_e_per_nm2)
    pixel_at = np.digitize(known["pixel_size_nm"].to_numpy(float), params.pixel_edges_nm)
    return [
        Part(
            micrograph_ids=_ids(cell),
            is_simulated=is_simulated,
            material=material,
            dose_e_per_nm2=_span(params.dose_edges_e_per_nm2, int(dose)),
            pixel_size_nm=_span(params.pixel_edges_nm, int(pixel)),
        )
        for (dose, pixel), cell in known.groupby([dose_at, pixel_at])
    ]


def _ids(micrographs: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(micrographs["micrograph_id"]))


def _span(edges: Sequence[float], at: int) -> tuple[float, float]:
    ends = [0.0, *edges, np.inf]
    return float(ends[at]), float(ends[at + 1])


def tally(
    rows: pd.DataFrame, runs: Sequence[str], micrograph_ids: Sequence[str], class_names: Sequence[str]
) -> _Counts:
    """Return the pixels found rightly, found wrongly and missed, by run, micrograph and class.

    Frames of one file count as one micrograph.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table ``model_scores``.
    runs, micrograph_ids, class_names : sequence of str
        Which of them, and their order.

    Raises
    ------
    ValueError
        If a run was not judged on one of the micrographs.
    """
    keys = ["mlflow_run_id", "micrograph_id", "class_name"]
    wanted = pd.MultiIndex.from_product([runs, micrograph_ids, class_names], names=keys)
    found = rows.set_index(keys)[_COLUMNS].reindex(wanted)
    if (missing := found.isna().any(axis=1)).any():
        raise ValueError(f"Expected every model judged on the same micrographs. Missing: {found.index[missing][0]}.")
    counts = found.to_numpy(np.int64).reshape(len(runs), len(micrograph_ids), len(class_names), 3)
    return add_by_file(counts, micrograph_ids, axis=1)


def ratios(counts: Int[np.ndarray, "*batch class 3"]) -> dict[str, Float[np.ndarray, "*batch"]]:
    """Return the scores of counts, each the mean over classes; not a number where one of them is undefined."""
    both, wrong, missed = (counts[..., at].astype(np.float64) for at in range(3))
    found = {
        "dice": _ratio(2 * both, 2 * both + wrong + missed, empty=1),
        "iou": _ratio(both, both + wrong + missed, empty=1),
        "precision": _ratio(both, both + wrong),
        "recall": _ratio(both, both + missed),
    }
    return {name: values.mean(axis=-1) for name, values in found.items()}


def _ratio(part: np.ndarray, whole: np.ndarray, *, empty: float = np.nan) -> np.ndarray:
    return np.divide(part, whole, out=np.full(whole.shape, empty, dtype=np.float64), where=whole > 0)


def estimate(counts: _Counts, draws: _Draws) -> dict[str, Estimate]:
    """Return the scores of all micrographs together, the mean over runs, with their 95 % intervals.

    Parameters
    ----------
    counts : ndarray of shape (run, micrograph, class, 3)
        As `tally` returns them.
    draws : ndarray of shape (resample, micrograph)
        How often each micrograph is drawn; see `compare_dice` of the room for why micrographs are.

    Notes
    -----
    The interval is of these runs on other micrographs; by how much runs differ is told by their standard error.
    """
    values, drawn = _values(counts, draws)
    return {name: _estimate(float(values[name].mean()), drawn[name]) for name in SCORES}


def dice_ahead(first: _Counts, second: _Counts, draws: _Draws) -> Estimate:
    """Return by how much the Dice coefficient of `first` is above that of `second`, on the same draws."""
    (value, drawn), (other, other_drawn) = (_values(counts, draws) for counts in (first, second))
    return _estimate(float(value["dice"].mean() - other["dice"].mean()), drawn["dice"] - other_drawn["dice"])


def _values(counts: _Counts, draws: _Draws) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return scores by run, and the mean over runs of each resample."""
    drawn = ratios(np.tensordot(draws, counts, axes=(1, 1)))
    return ratios(counts.sum(axis=1)), {name: values.mean(axis=1) for name, values in drawn.items()}


def _estimate(value: float, drawn: Float[np.ndarray, " resample"]) -> Estimate:
    defined = drawn[np.isfinite(drawn)]
    if not np.isfinite(value):
        return Estimate(value=None)
    if defined.size <= _LEAST_DEFINED * drawn.size or not drawn.size:
        return Estimate(value=value)
    low, high = np.quantile(defined, _SHARE)
    return Estimate(value=value, low=float(low), high=float(high))


def over_repeats(counts: _Counts) -> Mapping[str, tuple[float, float]]:
    """Return mean and standard error over runs of each score of all micrographs together; NaN for one run."""
    n_runs = len(counts)
    return {
        name: (float(values.mean()), float(values.std(ddof=1) / np.sqrt(n_runs)) if n_runs > 1 else float("nan"))
        for name, values in ratios(counts.sum(axis=1)).items()
    }


def score_contenders(
    rows: pd.DataFrame,
    contenders: Sequence[Contender],
    parts: Sequence[Part],
    *,
    class_names: Sequence[str],
    params: BenchmarkParams,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Score every contender on every part.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table ``model_scores``.
    contenders : sequence of Contender
        Models.
    parts : sequence of Part
        Held-out micrographs.
    class_names : sequence of str
        Classes but the support.
    params : BenchmarkParams
        How often micrographs are drawn again.
    rng : Generator
        Draws them, the same ones for all contenders.

    Returns
    -------
    DataFrame
        Columns of the table ``benchmark_scores``, but for the fingerprint.
    """
    found = []
    for part in parts:
        counts = [tally(rows, one.runs, part.micrograph_ids, class_names) for one in contenders]
        draws = draw_micrographs(counts[0].shape[1] if counts else 0, params.n_resamples, rng)
        leader = _leader(contenders, counts)
        for one, own in zip(contenders, counts, strict=True):
            behind = Estimate(value=None) if leader is None or own is leader else dice_ahead(leader, own, draws)
            columns = (estimate(own, draws)[name].columns(name) for name in SCORES)
            scored = {key: value for named in columns for key, value in named.items()}
            found.append(_described(one, part) | scored | behind.columns("dice_behind"))
    return pd.DataFrame(found)


def _leader(contenders: Sequence[Contender], counts: Sequence[_Counts]) -> _Counts | None:
    """Return the counts of the registered repeat with the largest Dice of those trained on the whole side."""
    own = [got for one, got in zip(contenders, counts, strict=True) if one.repeats == BEST and one.trained_on is None]
    return max(own, key=lambda got: float(ratios(got.sum(axis=1))["dice"].mean()), default=None)


def _described(one: Contender, part: Part) -> dict[str, object]:
    dose, pixel = part.dose_e_per_nm2 or (None, None), part.pixel_size_nm or (None, None)
    return {
        "method": one.name,
        "trained_on": one.trained_on or "all",
        "repeats": one.repeats,
        "n_repeats": len(one.runs),
        "part": part.name,
        "is_simulated": part.is_simulated,
        "material": part.material,
        "dose_from_e_per_nm2": dose[0],
        "dose_to_e_per_nm2": _finite(dose[1]),
        "pixel_from_nm": pixel[0],
        "pixel_to_nm": _finite(pixel[1]),
        "n_micrographs": len(part.micrograph_ids),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or np.isinf(value) else value
