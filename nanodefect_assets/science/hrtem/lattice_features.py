"""What the lattice of a region tells: its peaks, their streaks, and jumps of its phase across a plane."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy import fft
from scipy.ndimage import maximum_filter

from nanodefect_assets.science.hrtem.fault_params import FeatureParams

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
_WINDOW = 16
"""Edge of the patch of frequencies around a peak, in pixels of the spectrum: the demodulated lattice has as many."""

_SIGMA_PX = 3.0
_N_DIRECTIONS = 18
_N_STEPS = 16
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
    image: Float[np.ndarray, "row col"], mask: Bool[np.ndarray, "row col"], pixel_size_nm: float, params: FeatureParams
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

    Notes
    -----
    Strengths are logarithms of power over the mean of their ring; the mean comes from the mean logarithm, which a few
    peaks hardly move. *Concentration* is the share of the power around a peak that lies within the width that the
    region's size alone gives it: a plane that shifts the lattice splits peaks across it. *Streak* is how much longer
    than wide that power is, *agreement* how alike the streaks of several peaks point. *Step gain* is how much more of
    the demodulated lattice [1]_ adds up if it may jump in phase at the best straight line than if not; twins, of which
    a peak fills one side alone, show as low *evenness*.

    References
    ----------
    .. [1] M. J. Hytch, E. Snoeck, R. Kilaas, Ultramicroscopy 74, 131 (1998), doi:10.1016/S0304-3991(98)00035-7.
    """
    spectrum, side = _spectrum(image, mask)
    power = np.square(np.abs(spectrum))
    step_per_nm = 1 / (side * pixel_size_nm)
    ratio, in_band = _over_background(power, side, step_per_nm, params)
    width_px = side / np.sqrt(4 / np.pi * mask.sum())
    peaks = _find_peaks(ratio, in_band, side, width_px, params.n_peaks)
    described = _describe_peaks(peaks, step_per_nm)
    share = float(power[in_band & (ratio > _STRONG)].sum() / max(power[in_band].sum(), np.finfo(float).tiny))
    n_demodulated = min(_N_DEMODULATED, peaks.rows.size, max(1, int((peaks.strengths > _STRONG).sum())))
    if n_demodulated == 0:
        return np.concatenate([described, [share], np.zeros(len(LATTICE_FEATURES) - described.size - 1)])
    patches = _patches(spectrum, peaks, n_demodulated, side)
    spread = _describe_spread(patches, width_px)
    steps = _describe_steps(patches, mask, side)
    return np.concatenate([described, [share], spread, steps])


def _spectrum(image: Float[np.ndarray, "row col"], mask: Bool[np.ndarray, "row col"]) -> tuple[_Field, int]:
    """Return the half spectrum of the region without its mean, with room for the lattice not to wrap around."""
    side = max(fft.next_fast_len(int(_PADDING * max(image.shape)) + 1, real=True), 2 * _WINDOW)
    square = np.zeros((side, side), dtype=np.float32)
    square[: image.shape[0], : image.shape[1]] = np.where(mask, image - image[mask].mean(), 0)
    return fft.rfft2(square), side


@lru_cache(maxsize=64)
def _radii(side: int) -> tuple[Float[np.ndarray, "row half_col"], Int[np.ndarray, " n"]]:
    """Return the radius of each pixel of a half spectrum, in its pixels, and the number of its ring."""
    radii = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) * side
    return radii, np.rint(radii).astype(np.int64).ravel()


def _over_background(
    power: _Power, side: int, step_per_nm: float, params: FeatureParams
) -> tuple[_Power, Bool[np.ndarray, "row half_col"]]:
    """Return power over the mean of each ring, and which frequencies may be those of a lattice."""
    radii, rings = _radii(side)
    logs = np.log(np.maximum(power, np.finfo(np.float32).tiny)).ravel()
    means = np.bincount(rings, logs) / np.maximum(np.bincount(rings), 1) + _EULER_GAMMA
    low, high = params.lattice_per_nm
    in_band = (radii * step_per_nm >= low) & (radii * step_per_nm <= high) & (radii < side / 2 - 1)
    return np.exp(logs - means[rings]).reshape(power.shape), in_band


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
    reach = np.arange(-_WINDOW // 2, _WINDOW // 2)
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
    places = np.arange(-_WINDOW // 2, _WINDOW // 2)
    radii = np.hypot(places[:, None], places)
    rim = (radii > _WINDOW / 2 - 2) & (radii <= _WINDOW / 2)
    power = np.maximum(power - np.median(power[:, rim], axis=1)[:, None, None], 0)
    near, around = radii <= 1.22 * width_px, radii <= min(3.0 * width_px, _WINDOW / 2)
    totals = np.maximum((power * around).sum(axis=(1, 2)), np.finfo(np.float64).tiny)
    concentration = (power * near).sum(axis=(1, 2)) / totals
    rows, cols = places[:, None] * np.ones(_WINDOW), np.ones((_WINDOW, 1)) * places
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


@lru_cache(maxsize=1)
def _directions() -> Float[np.ndarray, "direction step pixel"]:
    """Return which pixels of a demodulated lattice lie on which side strip, for every direction: 1 or 0."""
    places = np.arange(_WINDOW) / _WINDOW
    rows, cols = (part.ravel() for part in np.meshgrid(places, places, indexing="ij"))
    angles = np.pi * np.arange(_N_DIRECTIONS) / _N_DIRECTIONS
    along = np.sin(angles)[:, None] * rows + np.cos(angles)[:, None] * cols
    along = along - along.min(axis=1, keepdims=True)
    edges = np.linspace(0, np.sqrt(2), _N_STEPS + 1)[1:]
    return (along[:, None, :] < edges[:, None]).astype(np.float32)


def _describe_steps(
    patches: Complex[np.ndarray, "peak row col"], mask: Bool[np.ndarray, "row col"], side: int
) -> Float[np.ndarray, " feature"]:
    """Return how much more of each demodulated lattice adds up if its phase may jump at a straight line."""
    places = np.arange(-_WINDOW // 2, _WINDOW // 2)
    taper = np.exp(-np.square(np.hypot(places[:, None], places)) / (2 * _SIGMA_PX**2))
    fields = fft.ifft2(fft.ifftshift(patches * taper, axes=(1, 2)), axes=(1, 2)).astype(np.complex64)
    weights = _coarse_mask(mask, side)
    fields = _without_ramp(fields, weights).reshape(len(fields), -1) * weights.ravel()
    totals = np.maximum(np.abs(fields).sum(axis=1), np.finfo(np.float32).tiny)
    whole = fields.sum(axis=1)
    strips = _directions().reshape(-1, _WINDOW**2)
    first = (fields @ strips.T).reshape(len(fields), _N_DIRECTIONS, _N_STEPS)
    second = whole[:, None, None] - first
    gains = (np.abs(first) + np.abs(second) - np.abs(whole)[:, None, None]) / totals[:, None, None]
    best = gains.reshape(len(fields), -1).argmax(axis=1)
    at = np.arange(len(fields))
    gain = gains.reshape(len(fields), -1)[at, best]
    jump = np.angle(first.reshape(len(fields), -1)[at, best] * second.reshape(len(fields), -1)[at, best].conj())
    top = int(gain.argmax())
    evenness = _evenness(np.abs(fields), weights.ravel())
    return np.array([gain.max(), gain.mean(), np.rad2deg(np.abs(jump[top])), gain[0], evenness.min()])


def _coarse_mask(mask: Bool[np.ndarray, "row col"], side: int) -> Float[np.ndarray, "row col"]:
    """Return the share of each pixel of a demodulated lattice that the region fills."""
    rows, cols = np.nonzero(mask)
    flat = (rows * _WINDOW // side) * _WINDOW + cols * _WINDOW // side
    return (np.bincount(flat, minlength=_WINDOW**2) * (_WINDOW / side) ** 2).reshape(_WINDOW, _WINDOW)


def _without_ramp(
    fields: Complex[np.ndarray, "peak row col"], weights: Float[np.ndarray, "row col"]
) -> Complex[np.ndarray, "peak row col"]:
    """Turn phases back by the median slope: peaks lie between the pixels of a spectrum, and a jump is no slope."""
    places = np.arange(_WINDOW)
    along_rows = _median_turn(fields[:, 1:] * fields[:, :-1].conj(), weights[1:] * weights[:-1])
    along_cols = _median_turn(fields[:, :, 1:] * fields[:, :, :-1].conj(), weights[:, 1:] * weights[:, :-1])
    ramp = along_rows[:, None, None] * places[:, None] + along_cols[:, None, None] * places
    return fields * np.exp(-1j * ramp)


def _median_turn(
    products: Complex[np.ndarray, "peak row col"], weights: Float[np.ndarray, "row col"]
) -> Float[np.ndarray, " peak"]:
    """Return the median angle over pixels that the region fills at least by half, in radians."""
    middle = np.angle((products * weights).sum(axis=(1, 2)))
    inside = weights > min(0.5, weights.max(initial=0) / 2)
    if not inside.any():
        return middle
    return middle + np.median(np.angle(products[:, inside] * np.exp(-1j * middle)[:, None]), axis=1)


def _evenness(moduli: Float[np.ndarray, "peak pixel"], weights: Float[np.ndarray, " pixel"]) -> np.ndarray:
    """Return (mean of the moduli)^2 over the mean of their squares, over the region: 1 where a lattice fills it."""
    share = weights / max(weights.sum(), np.finfo(np.float64).tiny)
    moduli = np.divide(moduli, weights, out=np.zeros_like(moduli), where=weights > 0)
    return np.square(moduli @ share) / np.maximum(np.square(moduli) @ share, np.finfo(np.float64).tiny)
