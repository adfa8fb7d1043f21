"""Whether a region is like those that a classifier was trained on, by the features that the classifier sees."""

from collections.abc import Mapping
from math import ceil

import numpy as np
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from sklearn.covariance import LedoitWolf

from nanodefect_assets.science.hrtem.fault_forest import RegionSplit

_Features = Float[np.ndarray, "region feature"]

_DIGITS = 6
"""Of stored numbers: a card that travels with a model need not hold more."""


class NoveltyReference(BaseModel):
    """What a classifier remembers of the features of its training: numbers that JSON can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    means: tuple[tuple[float, ...], ...] = Field(min_length=1, description="Mean features of each class.")
    axes: tuple[tuple[float, ...], ...] = Field(
        description="Matrix that takes features apart from a mean to coordinates of unit scatter."
    )
    distances: tuple[float, ...] = Field(
        min_length=1, description="Of regions that neither mean nor matrix saw, the nearest first."
    )

    @model_validator(mode="after")
    def _check_shapes(self) -> "NoveltyReference":
        n_features = len(self.axes)
        if any(len(row) != n_features for row in (*self.means, *self.axes)):
            raise ValueError(f"Expected means and axes of {n_features} features. Got other lengths.")
        return self

    def to_params(self) -> dict[str, JsonValue]:
        """Return it as the parameters of a recipe."""
        return self.model_dump(mode="json")

    @classmethod
    def from_params(cls, params: Mapping[str, JsonValue]) -> "NoveltyReference":
        """Read what `to_params` returned."""
        return cls.model_validate(dict(params))


def least_calibration(false_alarm: float) -> int:
    """Return how many calibration regions it takes to call a region novel at a false-alarm rate."""
    return ceil(1 / false_alarm - 1 - 1e-9)


def fit_novelty(features: _Features, classes: Int[np.ndarray, " region"], split: RegionSplit) -> NoveltyReference:
    """Return where the training regions lie, and how far from them regions of other micrographs lie.

    Parameters
    ----------
    features : ndarray of shape (region, feature)
        Features of every region.
    classes : ndarray of shape (region,)
        Class of every region.
    split : RegionSplit
        The training side gives means and scatter, the calibration side distances.

    Notes
    -----
    A region is as far out as its Mahalanobis distance to the nearest class; all classes share one scatter [1]_, shrunk
    towards that of independent features [2]_. A feature that never varies in training tells nothing and is left aside.

    References
    ----------
    .. [1] K. Lee, K. Lee, H. Lee, J. Shin, Adv. Neural Inf. Process. Syst. 31, 7167 (2018), arXiv:1807.03888, eq. 2.
    .. [2] O. Ledoit, M. Wolf, J. Multivar. Anal. 88, 365 (2004), doi:10.1016/S0047-259X(03)00096-4.
    """
    seen, said = features[split.train], classes[split.train]
    known, which = np.unique(said, return_inverse=True)
    means = np.stack([seen[said == one].mean(axis=0) for one in known])
    spread = seen.std(axis=0)
    is_varying = spread > 1e-9 * (1 + np.abs(seen).max(axis=0))
    scales = np.divide(1, spread, out=np.zeros_like(spread), where=is_varying)
    scatter = LedoitWolf(assume_centered=True).fit((seen - means[which]) * scales)
    axes = scales[:, None] * np.linalg.cholesky(scatter.precision_)
    means, axes = _rounded(means), _rounded(axes)
    return NoveltyReference(
        means=_tuples(means),
        axes=_tuples(axes),
        distances=tuple(np.sort(_rounded(_distances(features[split.calibration], means, axes))).tolist()),
    )


def p_like_training(features: _Features, reference: NoveltyReference) -> Float[np.ndarray, " region"]:
    """Return the share of regions like the training that lie at least as far out as each region.

    Parameters
    ----------
    features : ndarray of shape (region, feature)
        Features of any number of regions.
    reference : NoveltyReference
        From `fit_novelty`.

    Notes
    -----
    Split conformal prediction [1]_: of regions like those of the calibration side a share of at most p has a value of
    at most p, whatever the distribution of features. The least value is 1 / (n + 1) for n calibration regions.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World (2005), section 4.1,
       doi:10.1007/b106715.
    """
    known = np.array(reference.distances)
    distances = _distances(features, np.array(reference.means), np.array(reference.axes))
    n_farther = known.size - np.searchsorted(known, distances, side="left")
    return (1 + n_farther) / (1 + known.size)


def _distances(
    features: _Features, means: Float[np.ndarray, "class feature"], axes: Float[np.ndarray, "feature axis"]
) -> Float[np.ndarray, " region"]:
    apart = features @ axes - (means @ axes)[:, None]
    return np.sqrt(np.square(apart).sum(axis=-1).min(axis=0))


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return numbers as they are stored, so that distances are the same before and after."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values.ravel()]).reshape(values.shape)


def _tuples(rows: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in rows.tolist())
