"""Whether a region is like those that a classifier was trained on, by the features that the classifier sees."""

from collections.abc import Mapping
from math import ceil

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from scipy.spatial import cKDTree

from nanodefect_assets.science.hrtem.fault_forest import RegionSplit

_Features = Float[np.ndarray, "region feature"]

_MOST_REMEMBERED = 1000
"""Training regions that travel with a model: 200 kilobytes."""

_DECIMALS = 3
"""Of standardised features: what is stored must not be much larger than the forest."""


class NoveltyReference(BaseModel):
    """What a classifier remembers of the features of its training: numbers that JSON can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: tuple[float, ...] = Field(min_length=1, description="Mean of each feature over the training regions.")
    spread: tuple[float, ...] = Field(description="Its standard deviation; 0 for one that never varies.")
    vectors: tuple[tuple[float, ...], ...] = Field(
        min_length=1, description="Training regions, each feature less its centre in units of its spread."
    )
    distances: tuple[float, ...] = Field(
        min_length=1, description="From calibration regions to the nearest of the vectors, the least first."
    )

    @model_validator(mode="after")
    def _check_shapes(self) -> "NoveltyReference":
        n_features = len(self.centre)
        if any(len(row) != n_features for row in (self.spread, *self.vectors)):
            raise ValueError(f"Expected spread and vectors of {n_features} features. Got other lengths.")
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


def fit_novelty(features: _Features, split: RegionSplit) -> NoveltyReference:
    """Return where the training regions lie, and how far from them regions of other micrographs lie.

    Parameters
    ----------
    features : ndarray of shape (region, feature)
        Features of every region.
    split : RegionSplit
        The training side gives the vectors, the calibration side their distances.

    Notes
    -----
    A region is as far out as its Euclidean distance to the nearest training region, every feature in its standard
    deviations. Of simulated regions that were blurred or of which the scale was misstated, that told more than
    Mahalanobis distances to the classes. A feature that never varies in training tells nothing and is left aside.
    """
    seen = features[split.train]
    centre, spread = seen.mean(axis=0), seen.std(axis=0)
    spread = np.where(spread > 1e-9 * (1 + np.abs(seen).max(axis=0)), spread, 0.0)
    step = ceil(len(seen) / _MOST_REMEMBERED)
    vectors = np.round(_standardised(seen[::step], centre, spread), _DECIMALS)
    distances = _nearest(_standardised(features[split.calibration], centre, spread), vectors)
    return NoveltyReference(
        centre=tuple(centre.tolist()),
        spread=tuple(spread.tolist()),
        vectors=tuple(tuple(row) for row in vectors.tolist()),
        distances=tuple(np.sort(distances).tolist()),
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
    seen = _standardised(features, np.array(reference.centre), np.array(reference.spread))
    n_farther = known.size - np.searchsorted(known, _nearest(seen, np.array(reference.vectors)), side="left")
    return (1 + n_farther) / (1 + known.size)


def _standardised(
    features: _Features, centre: Float[np.ndarray, " feature"], spread: Float[np.ndarray, " feature"]
) -> _Features:
    return np.divide(features - centre, spread, out=np.zeros(features.shape), where=spread > 0)


def _nearest(seen: _Features, vectors: _Features) -> Float[np.ndarray, " region"]:
    return cKDTree(vectors).query(seen)[0] if len(seen) else np.empty(0)
