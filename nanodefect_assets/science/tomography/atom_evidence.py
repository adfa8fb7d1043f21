"""What is an atom: more than noise can make, and not much fainter than the others; and of how many kinds they are."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq

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
    Solves `expected_false_atoms` = `false_alarms`, above the value where the formula is largest.
    """
    most, fewest = np.sqrt(3.0), 30.0
    if expected_false_atoms(state, most) <= false_alarms:
        return float(most)
    return float(brentq(lambda level: np.log(expected_false_atoms(state, level) / false_alarms), most, fewest))


def expected_false_atoms(state: AtomState, significance: float) -> float:
    """Return how many maxima noise alone has above a significance, in the whole volume, on average.

    Notes
    -----
    Significance over all places is a Gaussian random field, whose high maxima number V sqrt(det L) (u^2 - 1)
    exp(-u^2 / 2) / (2 pi)^2 (R. J. Adler, The Geometry of Random Fields, 1981; K. J. Worsley et al., Hum. Brain Mapp.
    4, 58, 1996, table II). L is the covariance of its gradient: the mean over the views of P' P / (2 sigma^2), for in
    each view P the field is correlated as a Gaussian of sigma sqrt(2) is wide.
    """
    sigma_px = max(float(np.median(state.sigma_px)), 0.5)
    across = state.geometry.rotations[:, :2]
    gradient = np.einsum("vpa,vpb->ab", across, across) / (2 * len(across) * sigma_px**2)
    n_voxels = state.shape[0] * state.shape[1] * max(state.shape)
    density = np.sqrt(np.linalg.det(gradient)) / (2 * np.pi) ** 2
    return float(n_voxels * density * (significance**2 - 1) * np.exp(-0.5 * significance**2))


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
