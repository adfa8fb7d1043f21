"""What the lattice of a region tells: its peaks, their streaks, and jumps of its phase across a plane."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy import fft
from scipy.ndimage import distance_transform_edt, maximum_filter

from nanodefect_assets.science.hrtem.fault_params import FeatureParams
from nanodefect_assets.science.hrtem.lattice_steps import WINDOW, describe_steps
from nanodefect_assets.science.hrtem.support import Support

LATTICE_FEATURES = (
    "n_peaks",
    "peak_strength_1",
    "peak_strength_2",
    "peak_strength_3",
    "peak_strength_4",
    "peak_frequency_1",
    "peak_frequency_2",
    "peak_angle_12",
    "peak_angle_13",
    "lattice_share",
    "concentration_max",
    "concentration_mean",
    "concentration_min",
    "streak_max",
    "streak_mean",
    "streak_agreement",
    "step_gain_max",
    "step_gain_mean",
    "step_phase_deg",
    "step_gain_top",
    "evenness_min",
)

_Power = Float[np.ndarray, "row half_col"]
_Field = Complex[np.ndarray, "row col"]

_EULER_GAMMA = 0.5772156649015329
_STRONG = 12.0
"""A peak this many times over the mean of its ring is a lattice's: among 5,000 frequencies noise gets there once in 30
regions."""

_PADDING = 1.25
_RIM = 0.35
"""Width of the soft rim of a region, relative to its radius."""
_N_DEMODULATED = 4


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Strongest peaks of a spectrum, one of each opposite pair, the strongest first.

    Attributes
    ----------
    rows, cols : ndarray of shape (n,)
        Places in the shifted spectrum, counted from its zero frequency, in its pixels.
    strengths : ndarray of shape (n,)
        Power over the mean of the ring.
    """

    rows: Int[np.ndarray, " n"]
    cols: Int[np.ndarray, " n"]
    strengths: Float[np.ndarray, " n"]


def lattice_features(
    image: Float[np.ndarray, "row col"],
    mask: Bool[np.ndarray, "row col"],
    pixel_size_nm: float,
    params: FeatureParams,
    support: Support | None = None,
) -> Float[np.ndarray, " feature"]:
    """Return the features `LATTICE_FEATURES` of a region.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        The box of a region, any unit.
    mask : ndarray of shape (row, col)
        Pixels of the region.
    pixel_size_nm : float
        Edge of a pixel.
    params : FeatureParams
        Band of the lattice and number of peaks.
    support : Support or None
        The support beside the particles, in the image's unit. None: peaks are measured by their own rings.

    Notes
    -----
    Strengths are logarithms of power over what the support would have there: amorphous support stays below 12 with few
    exceptions, whatever the film, the focus and the camera. Without a support they are over the mean of the region's
    own ring, from the mean logarithm, which a few peaks of a large region hardly move, and those of a small one do.
    *Concentration* is the share of the power around a peak that lies within the width that the region's size alone
    gives it: a plane that shifts the lattice splits peaks across it. *Streak* is how much longer than wide that power
    is, *agreement* how alike the streaks of several peaks point. *Step gain* is how much more of the demodulated
    lattice [1]_ adds up if it may jump in phase at the best straight line than if not; twins, of which a peak fills one
    side alone, show as low *evenness*.

    References
    ----------
    .. [1] M. J. Hytch, E. Snoeck, R. Kilaas, Ultramicroscopy 74, 131 (1998), doi:10.1016/S0304-3991(98)00035-7.
    """
    weights = mask.astype(np.float32) if support is None else _softened(mask)
    spectrum, side = _spectrum(image, weights)
    power = np.maximum(np.square(np.abs(spectrum)), np.finfo(np.float32).tiny)
    step_per_nm = 1 / (side * pixel_size_nm)
    background = _own_rings(power, side) if support is None else _of_support(support, side) * np.square(weights).sum()
    ratio, in_band = power / background, _lattice_band(side, step_per_nm, params)
    width_px = side / np.sqrt(4 / np.pi * mask.sum())
    peaks = _find_peaks(ratio, in_band, side, width_px, params.n_peaks)
    described = _describe_peaks(peaks, step_per_nm)
    share = float(power[in_band & (ratio > _STRONG)].sum() / max(power[in_band].sum(), np.finfo(float).tiny))
    n_demodulated = min(_N_DEMODULATED, peaks.rows.size, max(1, int((peaks.strengths > _STRONG).sum())))
    if n_demodulated == 0:
        return np.concatenate([described, [share], np.zeros(len(LATTICE_FEATURES) - described.size - 1)])
    patches = _patches(spectrum, peaks, n_demodulated, side)
    spread = _describe_spread(patches, width_px)
    steps = describe_steps(patches, mask, side)
    return np.concatenate([described, [share], spread, steps])


def _softened(mask: Bool[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    """Return a mask that rises from its outline inwards: a hard outline gives strong peaks others beside them."""
    rim_px = max(_RIM * np.sqrt(mask.sum() / np.pi), 1.0)
    depths_px = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.minimum(depths_px / rim_px, 1).astype(np.float32)


def _spectrum(image: Float[np.ndarray, "row col"], weights: Float[np.ndarray, "row col"]) -> tuple[_Field, int]:
    """Return the half spectrum of the region without its mean, with room for the lattice not to wrap around."""
    side = max(fft.next_fast_len(int(_PADDING * max(image.shape)) + 1, real=True), 2 * WINDOW)
    square = np.zeros((side, side), dtype=np.float32)
    mean = (image * weights).sum() / weights.sum()
    square[: image.shape[0], : image.shape[1]] = weights * (image - mean)
    return fft.rfft2(square), side


@lru_cache(maxsize=64)
def _radii(side: int) -> tuple[Float[np.ndarray, "row half_col"], Int[np.ndarray, " n"]]:
    """Return the radius of each pixel of a half spectrum, in its pixels, and the number of its ring."""
    radii = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) * side
    return radii, np.rint(radii).astype(np.int64).ravel()


def _own_rings(power: _Power, side: int) -> _Power:
    """Return the mean power of the ring of each frequency, from the mean logarithm."""
    _, rings = _radii(side)
    logs = np.log(power).ravel()
    means = np.bincount(rings, logs) / np.maximum(np.bincount(rings), 1) + _EULER_GAMMA
    return np.exp(means[rings]).reshape(power.shape)


def _of_support(support: Support, side: int) -> _Power:
    """Return the power that a pixel of support gives to each frequency."""
    radii, _ = _radii(side)
    return support.power_at(radii / side)


def _lattice_band(side: int, step_per_nm: float, params: FeatureParams) -> Bool[np.ndarray, "row half_col"]:
    """Return which frequencies may be those of a lattice."""
    radii, _ = _radii(side)
    low, high = params.lattice_per_nm
    return (radii * step_per_nm >= low) & (radii * step_per_nm <= high) & (radii < side / 2 - 1)


def _find_peaks(ratio: _Power, in_band: Bool[np.ndarray, "row half_col"], side: int, width_px: float, n: int) -> Peaks:
    """Return maxima further apart than a peak that a plane across the region splits in two."""
    reach = 2 * int(np.ceil(2 * width_px)) + 1
    is_peak = in_band & (ratio == maximum_filter(ratio, reach, mode="nearest"))
    is_peak[side // 2 + 1 :, 0] = False  # column 0 holds both of a pair
    rows, cols = np.nonzero(is_peak)
    order = np.argsort(-ratio[rows, cols], kind="stable")[:n]
    rows, cols = rows[order], cols[order]
    return Peaks(rows=np.where(rows > side // 2, rows - side, rows), cols=cols, strengths=ratio[rows, cols])


def _describe_peaks(peaks: Peaks, step_per_nm: float) -> Float[np.ndarray, " feature"]:
    """Return number, strengths, frequencies and angles of the peaks; zeros where there are too few."""
    strengths = np.zeros(4)
    found = np.log(peaks.strengths[:4])
    strengths[: found.size] = found
    frequencies, angles = np.zeros(2), np.zeros(2)
    radii = np.hypot(peaks.rows, peaks.cols)[:2] * step_per_nm
    frequencies[: radii.size] = radii
    turns = np.rad2deg(np.arctan2(peaks.rows, peaks.cols))[:3]
    between = np.abs((turns[1:] - turns[:1] + 90) % 180 - 90) if turns.size else turns
    angles[: between.size] = between
    return np.concatenate([[np.count_nonzero(peaks.strengths > _STRONG)], strengths, frequencies, angles])


def _patches(spectrum: _Field, peaks: Peaks, n: int, side: int) -> Complex[np.ndarray, "peak row col"]:
    """Return the spectrum around each of the first peaks; beyond the half that is kept, its mirrored conjugate."""
    reach = np.arange(-WINDOW // 2, WINDOW // 2)
    rows = peaks.rows[:n, None, None] + reach[:, None]
    cols = peaks.cols[:n, None, None] + reach
    is_mirrored = cols < 0
    rows, cols = np.where(is_mirrored, -rows, rows) % side, np.abs(cols)
    is_beyond = cols > side // 2
    rows, cols = np.where(is_beyond, -rows, rows) % side, np.where(is_beyond, side - cols, cols)
    values = spectrum[rows, cols]
    return np.where(is_mirrored ^ is_beyond, values.conj(), values)


def _describe_spread(patches: Complex[np.ndarray, "peak row col"], width_px: float) -> Float[np.ndarray, " feature"]:
    """Return concentration and streaks of the power around peaks."""
    power = np.square(np.abs(patches))
    places = np.arange(-WINDOW // 2, WINDOW // 2)
    radii = np.hypot(places[:, None], places)
    rim = (radii > WINDOW / 2 - 2) & (radii <= WINDOW / 2)
    power = np.maximum(power - np.median(power[:, rim], axis=1)[:, None, None], 0)
    near, around = radii <= 1.22 * width_px, radii <= min(3.0 * width_px, WINDOW / 2)
    totals = np.maximum((power * around).sum(axis=(1, 2)), np.finfo(np.float64).tiny)
    concentration = (power * near).sum(axis=(1, 2)) / totals
    rows, cols = places[:, None] * np.ones(WINDOW), np.ones((WINDOW, 1)) * places
    moment = power * around / totals[:, None, None]
    rr, cc, rc = ((moment * one).sum(axis=(1, 2)) for one in (rows**2, cols**2, rows * cols))
    tilt = (cc - rr + 2j * rc) / np.maximum(rr + cc, 1e-9)
    streaks = np.abs(tilt)
    agreement = np.abs(tilt.sum()) / max(streaks.sum(), 1e-9)
    return np.array(
        [
            concentration.max(),
            concentration.mean(),
            concentration.min(),
            streaks.max(),
            streaks.mean(),
            agreement,
        ]
    )
