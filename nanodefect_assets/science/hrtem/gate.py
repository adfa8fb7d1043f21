"""Whether a micrograph is like those that a model was trained on, by its spectrum and its grey levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from scipy.spatial import cKDTree

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.spectrum import patch_spectra, ring_numbers

_Image = Float[np.ndarray, "row col"]
_Vectors = Float[np.ndarray, "micrograph statistic"]

_PATCH_PX, _MAX_PATCHES = 256, 64
_BAND_EDGES = np.geomspace(1 / 64, 0.5, 11)
_QUANTILES = (0.01, 0.25, 0.75, 0.99)
_MANY_LEVELS = 65536
STATISTICS: tuple[str, ...] = (
    *(f"log_power_{1 / high:.3g}_to_{1 / low:.3g}_px" for low, high in pairwise(_BAND_EDGES)),
    "log_peak_over_ring",
    *(f"quantile_{quantile:g}" for quantile in _QUANTILES),
    "log_n_levels",
    "clipped_fraction",
)
"""What `describe_micrograph` measures, in order."""


class GateReference(BaseModel):
    """Statistics of the micrographs that a model was trained on: numbers that JSON can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: tuple[str, ...] = STATISTICS
    vectors: tuple[tuple[float, ...], ...] = Field(min_length=2, description="One row for each micrograph.")

    @model_validator(mode="after")
    def _check_shape(self) -> "GateReference":
        if self.statistics != STATISTICS:
            raise ValueError(f"Expected the statistics {', '.join(STATISTICS)}. Got {', '.join(self.statistics)}.")
        if not all(len(vector) == len(STATISTICS) and np.isfinite(vector).all() for vector in self.vectors):
            raise ValueError(f"Expected {len(STATISTICS)} finite numbers for each micrograph. Got others.")
        return self

    def to_params(self) -> dict[str, JsonValue]:
        """Return it as the parameters of a recipe."""
        return self.model_dump(mode="json")

    @classmethod
    def from_params(cls, params: Mapping[str, JsonValue]) -> "GateReference":
        """Read what `to_params` returned."""
        return cls.model_validate(dict(params))


@dataclass(frozen=True, kw_only=True)
class GateVerdict:
    """How a micrograph compares with the training.

    Attributes
    ----------
    p_value : float
        Share of micrographs like the training that lie at least as far out, at least 1 / (n + 1).
    distance : float
        To the nearest training micrograph, every statistic in its standard deviations over training and micrograph.
    is_flagged : bool
        Whether `p_value` is at most the false-alarm rate that was asked for.
    farthest : tuple of str
        The three statistics that lie farthest out, the farthest first.
    """

    p_value: float
    distance: float
    is_flagged: bool
    farthest: tuple[str, ...]


def describe_micrograph(counts: _Image) -> Float[np.ndarray, " statistic"]:
    """Return the statistics of a micrograph by which it is compared: `STATISTICS`, float64.

    Parameters
    ----------
    counts : ndarray of shape (row, col)
        Finite intensities, at least 32 pixels wide and high. Gain and offset do not matter.

    Notes
    -----
    Power is that of patches of up to 256 pixels, mean over patches, relative to the whole from 64 pixels to Nyquist,
    in bands of cycles per pixel, because that is what a network sees; of noise the share at high frequencies tells the
    dose. Quantiles are counted from the median, in units of the standard deviation. A pixel is clipped where it has the
    least or the largest intensity, which in an image that is not happens once.
    """
    patch_px = min(_PATCH_PX, *counts.shape)
    if patch_px < 32:
        raise Refusal(
            "micrograph_too_small", expected="at least 32 by 32 pixels", got=f"{counts.shape[0]} by {counts.shape[1]}"
        )
    low, high = float(counts.min()), float(counts.max())
    if not np.isfinite([low, high]).all() or low == high:
        raise Refusal("blank_micrograph", expected="finite intensities with contrast", got=f"from {low:g} to {high:g}")
    clipped = np.count_nonzero(counts == low) + np.count_nonzero(counts == high) - 2
    thinned = counts[:: max(1, counts.shape[0] // 1024), :: max(1, counts.shape[1] // 1024)]
    levels = np.log10(min(len(np.unique(thinned)), _MANY_LEVELS))
    middle, spread = np.median(thinned), float(thinned.std(dtype=np.float64)) or 1.0
    quantiles = (np.quantile(thinned, _QUANTILES) - middle) / spread
    scaled = (counts.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.concatenate([_log_powers(scaled, patch_px), quantiles, [levels, clipped / counts.size]])


def fit_gate(vectors: _Vectors) -> GateReference:
    """Return what a model remembers of its training micrographs, one vector of `describe_micrograph` for each.

    Vectors must be independent of one another, as those of patches of one micrograph are not.
    """
    return GateReference(vectors=tuple(tuple(float(value) for value in vector) for vector in vectors))


def judge_micrograph(
    vector: Float[np.ndarray, " statistic"], reference: GateReference, *, false_alarm: float
) -> GateVerdict:
    """Compare a micrograph with the training of a model.

    Parameters
    ----------
    vector : ndarray of shape (statistic,)
        From `describe_micrograph`.
    reference : GateReference
        From `fit_gate`.
    false_alarm : float
        Share of micrographs like the training that may be flagged, such as 0.05.

    Raises
    ------
    Refusal
        If the training is too small to flag anything at that rate: it takes 1 / false_alarm - 1 micrographs.

    Notes
    -----
    Full conformal prediction [1]_: every micrograph, of the training and the one at hand alike, has a distance to the
    nearest of all others. Under exchangeability the rank of the one at hand is uniform, so that it is flagged with a
    probability of at most `false_alarm`, whatever the distribution. Nearest neighbours serve a training of several
    materials and pixel sizes, which is no one cloud.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World (2005), section 2.2,
       doi:10.1007/b106715.
    """
    if not 0 < false_alarm < 1:
        raise ValueError(f"Expected false_alarm between 0 and 1. Got {false_alarm}.")
    n_needed = ceil(1 / false_alarm - 1 - 1e-9)
    if len(reference.vectors) < n_needed:
        raise Refusal(
            "training_too_small_for_gate",
            expected=f"at least {n_needed} training micrographs to flag with a false-alarm rate of {false_alarm:g}",
            got=str(len(reference.vectors)),
            advice="Train on more micrographs, or allow more false alarms.",
        )
    standard = _standardised(np.vstack([np.asarray(reference.vectors), vector]))
    distances = cKDTree(standard).query(standard, k=2)[0][:, 1]
    # The rank counts the micrograph itself, and ties: nearest neighbours of one another are equally far.
    p_value = float(np.mean(distances >= distances[-1] * (1 - 1e-9)))
    order = np.argsort(-np.abs(standard[-1]))[:3]
    return GateVerdict(
        p_value=p_value,
        distance=float(distances[-1]),
        is_flagged=p_value <= false_alarm,
        farthest=tuple(STATISTICS[at] for at in order),
    )


def describe_all(micrographs: Sequence[_Image]) -> _Vectors:
    """Return the statistics of several micrographs, one row each."""
    return np.stack([describe_micrograph(counts) for counts in micrographs])


def _log_powers(scaled: _Image, patch_px: int) -> Float[np.ndarray, " statistic"]:
    """Return the log10 share of power in each band, and of the highest peak over the mean of its ring."""
    spectra = list(patch_spectra(scaled, patch_px, _MAX_PATCHES))
    power = np.mean(spectra, axis=0, dtype=np.float64)
    rings = ring_numbers(patch_px)
    n, sums = np.bincount(rings.ravel()), np.bincount(rings.ravel(), weights=power.ravel())
    radii = np.arange(len(n)) / patch_px
    is_seen = (radii >= _BAND_EDGES[0]) & (radii <= 0.5)
    tiny = sums[is_seen].sum() * 1e-12 + np.finfo(float).tiny
    profile = sums / n
    shares = [_mean_between(radii, profile, low, high) for low, high in pairwise(_BAND_EDGES)]
    peak = max(float(((spectrum / np.maximum(profile, tiny)[rings])[is_seen[rings]]).max()) for spectrum in spectra)
    return np.append(np.log10((np.array(shares) + tiny) / (profile[is_seen].mean() + tiny)), np.log10(max(peak, 1.0)))


def _mean_between(radii: np.ndarray, profile: np.ndarray, low: float, high: float) -> float:
    """Return the mean of a profile in a band; that of the nearest ring where the band holds none."""
    inside = (radii >= low) & (radii < high)
    if not inside.any():
        return float(profile[np.argmin(np.abs(radii - (low + high) / 2))])
    return float(profile[inside].mean())


def _standardised(vectors: _Vectors) -> _Vectors:
    """Return vectors of mean 0 and variance 1 in each statistic; one that never varies is 0 throughout."""
    apart = vectors - vectors.mean(axis=0)
    spread = apart.std(axis=0)
    is_varying = spread > 1e-9 * (1 + np.abs(vectors).max(axis=0))
    return np.where(is_varying, apart / np.where(is_varying, spread, 1.0), 0.0)
