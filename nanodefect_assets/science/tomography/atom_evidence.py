"""What is an atom: more than noise can make, and not much fainter than the others; and of how many kinds they are."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import norm

from nanodefect_assets.science.tomography.atom_model import AtomState
from nanodefect_assets.science.tomography.precision import Precision
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

_CLASS_SEPARATION = 2.5
_SMALLEST_CLASS = 0.03
_N_SPLITS = 50


def is_atom(state: AtomState, precision: Precision, params: AtomFitParams) -> Bool[np.ndarray, " atom"]:
    """Return which atoms of a fit the images show.

    Notes
    -----
    An atom's intensity over its standard deviation must reach `needed_significance`, and its intensity a share of the
    median of those that do. The square of the first is twice the logarithm of the ratio of likelihoods with and
    without the atom, everything else fitted again.
    """
    significant = state.intensity > needed_significance(state, params.false_alarms) * precision.intensity
    if not significant.any():
        return significant
    return significant & (state.intensity >= params.min_share * float(np.median(state.intensity[significant])))


def needed_significance(state: AtomState, false_alarms: float) -> float:
    """Return how many standard deviations an intensity must have so that noise makes `false_alarms` atoms on average.

    Notes
    -----
    Noise has as many chances as places that do not overlap: the volume over that of a Gaussian of the atoms' width.
    """
    sigma_px = float(np.median(state.sigma_px))
    depth = max(state.shape)
    places = state.shape[0] * state.shape[1] * depth / (np.sqrt(2 * np.pi) * max(sigma_px, 0.5)) ** 3
    return float(norm.isf(false_alarms / max(places, 1.0)))


def intensity_classes(intensity: Float[np.ndarray, " atom"]) -> Int[np.ndarray, " atom"]:
    """Return 0 for the fainter and 1 for the brighter kind of atom; all 0 where they are of one kind.

    Notes
    -----
    Two kinds are told apart where logarithms of intensities are split so that the means lie more than 2.5 standard
    deviations from one another, within the halves, and neither half is smaller than 3 %. Half of one normal
    distribution and the other half lie 2.65 apart by that measure, so that a gap between the halves is asked for too:
    where they meet, atoms are fewer than in the middle of either.
    """
    positive = intensity > 0
    levels = np.log(np.where(positive, intensity, 1.0))
    classes = np.zeros(len(intensity), dtype=np.int64)
    if positive.sum() < 20:
        return classes
    split = _best_split(levels[positive])
    if split is not None:
        classes[positive & (levels > split)] = 1
    return classes


def _best_split(levels: Float[np.ndarray, " atom"]) -> float | None:
    low, high = np.quantile(levels, [0.005, 0.995])
    best, least = None, np.inf
    for split in np.linspace(low, high, _N_SPLITS)[1:-1]:
        above = levels > split
        share = float(above.mean())
        if not _SMALLEST_CLASS < share < 1 - _SMALLEST_CLASS:
            continue
        within = share * levels[above].var() + (1 - share) * levels[~above].var()
        if within < least:
            best, least = float(split), within
    if best is None:
        return None
    return best if _has_gap(levels, best, float(np.sqrt(least))) else None


def _has_gap(levels: Float[np.ndarray, " atom"], split: float, within: float) -> bool:
    centres = [float(np.median(levels[levels <= split])), float(np.median(levels[levels > split]))]
    if centres[1] - centres[0] < _CLASS_SEPARATION * within:
        return False
    width = 0.15 * (centres[1] - centres[0])
    between, *inside = (int((np.abs(levels - at) < width).sum()) for at in (np.mean(centres), *centres))
    return between < 0.5 * min(inside)
