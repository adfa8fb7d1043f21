"""What a model is, so that it can be applied safely, and why one model was put in the place of another."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from nanodefect_assets.domain.micrograph import Modality

ModelTask = Literal["segmentation", "fault_classification", "handedness"]
"""What a model is asked: where particles are, whether a particle has a fault, which hand a particle is."""

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""Name of a model: it becomes the name of a folder, so nothing but a slug is accepted."""

Range = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], Annotated[float, Field(ge=0, allow_inf_nan=False)]]
Interval = tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]]

_RANGE_TOLERANCE = 1e-6
"""Relative; a pixel size that was rounded on its way through a file's metadata still lies in the range it came from."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_ordered(**pairs: tuple[float, float] | None) -> None:
    for name, pair in pairs.items():
        if pair is not None and pair[0] > pair[1]:
            raise ValueError(f"Expected {name} as (low, high). Got {pair}.")


class Score(_Record):
    """One number by which a model was judged on data that it was not trained on."""

    value: float = Field(allow_inf_nan=False, description="The score; larger is better.")
    n: int = Field(ge=1, description="Independent items judged, such as micrographs.")
    interval: Interval | None = Field(default=None, description="95 % confidence interval, low and high.")

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        _check_ordered(interval=self.interval)
        return self


class Recipe(_Record):
    """A name and its parameters: how a network is built, or how counts are normalised before it sees them."""

    name: str = Field(min_length=1)
    params: dict[str, JsonValue] = Field(default_factory=dict)


class WeightsRecord(_Record):
    """The file that holds what was learnt."""

    format: Literal["safetensors", "skops"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    n_parameters: int | None = Field(default=None, ge=0, description="Numbers learnt; None where that has no meaning.")


class ModelRecord(_Record):
    """What a model is: all that is needed to build it, feed it, and know where it may be trusted."""

    kind: Literal["nanodefect/model"] = "nanodefect/model"
    version: Literal[1] = 1
    name: ModelName
    task: ModelTask
    architecture: Recipe
    normalisation: Recipe
    pixel_size_range_nm: Range | None = Field(default=None, description="Pixel sizes of the training; None: not known.")
    dose_range_e_per_nm2: Range | None = Field(default=None, description="Doses of the training; None: not known.")
    modalities: tuple[Modality, ...] = Field(min_length=1)
    materials: tuple[str, ...] = Field(default=(), description="Materials seen in training.")
    classes: tuple[str, ...] = Field(min_length=1, description="What the output channels mean, in order.")
    threshold: float | None = Field(default=None, ge=0, le=1, description="Probability above which a class is taken.")
    gate: Recipe | None = Field(
        default=None, description="Statistics of the training micrographs, to tell one unlike them; None: not known."
    )
    training_fingerprint: str = Field(min_length=1, description="SHA-256 over the training data.")
    seen: tuple[str, ...] | None = Field(
        default=None,
        description="Marks of the micrographs that its weights were fitted to or chosen by, those of the weights that "
        "it began with included; None: not known.",
    )
    is_simulated_training: bool = Field(description="Whether every image of the training was simulated.")
    code_version: str
    scores: dict[str, Score] = Field(default_factory=dict)
    libraries: dict[str, str] = Field(default_factory=dict, description="Versions of the libraries that trained it.")
    licence: str = ""
    notes: str = ""
    weights: WeightsRecord | None = Field(default=None, description="None for a method that has parameters only.")

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        _check_ordered(pixel_size_range_nm=self.pixel_size_range_nm, dose_range_e_per_nm2=self.dose_range_e_per_nm2)
        return self

    def has_seen(self, micrograph_id: str) -> bool:
        """Whether the model is known to have been fitted to a micrograph, or chosen by it; it then judges nothing."""
        return self.seen is not None and mark_of(micrograph_id) in self.seen

    def unlike_training(
        self, *, modality: Modality, pixel_size_nm: float | None, dose_e_per_nm2: float | None = None
    ) -> tuple[str, ...]:
        """Return in words what sets a micrograph apart from the training data; empty if nothing known does.

        An unknown pixel size counts where the model knows its own range, because scale decides what a network sees;
        an unknown dose does not, because most files say nothing of it.
        """
        found = []
        if modality not in self.modalities:
            found.append(f"{modality}, where the model was trained on {', '.join(self.modalities)}")
        if pixel_size_nm is None and self.pixel_size_range_nm is not None:
            found.append("no pixel size, where the model was trained on known ones")
        for what, unit, value, seen in (
            ("pixel size", "nm", pixel_size_nm, self.pixel_size_range_nm),
            ("dose", "e/nm2", dose_e_per_nm2, self.dose_range_e_per_nm2),
        ):
            if value is not None and seen is not None and not _lies_in(value, seen):
                found.append(f"{what} {value:g} {unit}, where the model was trained on {seen[0]:g} to {seen[1]:g}")
        return tuple(found)


def mark_of(micrograph_id: str) -> str:
    """Return the mark of a micrograph in `ModelRecord.seen`: the start of the SHA-256 of its identifier."""
    return hashlib.sha256(micrograph_id.encode()).hexdigest()[:12]


def marks_of(micrograph_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the marks of several micrographs, in order and each once."""
    return tuple(sorted(set(map(mark_of, micrograph_ids))))


def _lies_in(value: float, seen: tuple[float, float]) -> bool:
    return seen[0] * (1 - _RANGE_TOLERANCE) <= value <= seen[1] * (1 + _RANGE_TOLERANCE)


class PromotionDecision(_Record):
    """Whether a model took the place of the one in use, and on what evidence. Larger scores are better."""

    kind: Literal["nanodefect/promotion"] = "nanodefect/promotion"
    version: Literal[1] = 1
    name: ModelName
    metric: str = Field(min_length=1, description="Score that decided, such as dice.")
    compared_on: str = Field(min_length=1, description="Held-out data on which both were judged, or its fingerprint.")
    challenger_version: str
    challenger: Score
    incumbent_version: str | None = Field(default=None, description="Model in use; 'shipped' for the package's own.")
    incumbent: Score | None = None
    difference_interval: Interval | None = Field(
        default=None, description="95 % confidence interval of challenger minus incumbent, paired by item."
    )
    checks: dict[str, bool] = Field(default_factory=dict, description="Checks of the challenger: passed or not.")
    override_reason: str | None = Field(default=None, min_length=3, description="Why a person decided otherwise.")
    is_promoted: bool
    reason: str

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        _check_ordered(difference_interval=self.difference_interval)
        if self.incumbent_version == self.challenger_version:
            raise ValueError(f"Expected two models to compare. Got version {self.challenger_version} twice.")
        if self.is_promoted and self.override_reason is None and (why_not := self._why_not()):
            raise ValueError(f"Expected a challenger that is better and passed its checks. Got: {why_not}.")
        return self

    def _why_not(self) -> str:
        if failed := sorted(name for name, passed in self.checks.items() if not passed):
            return f"failed {', '.join(failed)}"
        if self.incumbent_version is None:
            return ""
        if self.difference_interval is None:
            return f"not compared with version {self.incumbent_version}"
        if self.difference_interval[0] <= 0:
            return f"{self._comparison()}: not surely better"
        return ""

    def _comparison(self) -> str:
        low, high = self.difference_interval or (float("nan"), float("nan"))
        return f"{self.metric} {self.challenger.value:.4g}, difference {low:+.3g} to {high:+.3g}"

    @classmethod
    def judge(
        cls,
        *,
        name: str,
        metric: str,
        compared_on: str,
        challenger_version: str,
        challenger: Score,
        incumbent_version: str | None = None,
        incumbent: Score | None = None,
        difference_interval: tuple[float, float] | None = None,
        checks: Mapping[str, bool] | None = None,
        override_reason: str | None = None,
    ) -> Self:
        """Decide: promoted is what passed its checks and is better by the whole interval, or has nothing to beat."""
        draft = cls(
            name=name,
            metric=metric,
            compared_on=compared_on,
            challenger_version=challenger_version,
            challenger=challenger,
            incumbent_version=incumbent_version,
            incumbent=incumbent,
            difference_interval=difference_interval,
            checks=dict(checks or {}),
            override_reason=override_reason,
            is_promoted=False,
            reason="",
        )
        why_not = draft._why_not()
        if override_reason is not None:
            reason = f"by hand: {override_reason}" + (f" (although {why_not})" if why_not else "")
            return draft.model_copy(update={"is_promoted": True, "reason": reason})
        good = "nothing to beat" if incumbent_version is None else draft._comparison()
        return draft.model_copy(update={"is_promoted": not why_not, "reason": why_not or good})
