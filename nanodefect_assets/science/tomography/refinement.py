"""Refinement of atoms against the projections themselves: all atoms and all tilts at once."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.domain.traced_atoms import TracedAtoms
from nanodefect_assets.science.tomography.atom_evidence import is_atom
from nanodefect_assets.science.tomography.atom_halo import with_best_halo
from nanodefect_assets.science.tomography.atom_images import Images
from nanodefect_assets.science.tomography.atom_model import AtomState, AtomStep, Freedom, LinearImages
from nanodefect_assets.science.tomography.missing_atoms import find_missing
from nanodefect_assets.science.tomography.normal_equations import Preconditioner, solve_normal
from nanodefect_assets.science.tomography.peak_search import merge_near
from nanodefect_assets.science.tomography.pixel_noise import PixelNoise, measure_noise
from nanodefect_assets.science.tomography.precision import Precision, measure_precision
from nanodefect_assets.science.tomography.reconstruct import border_level
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

_START_SIGMA_ANGSTROM = 0.5
_DAMPING = 1e-3
_LARGEST_MOVE_ANGSTROM = 0.4
_LARGEST_LOG = 0.3
_SMALLEST_SIGMA_PX = 0.5
"""Narrower is no atom that an image could show, but one bright pixel."""
_FAINT = 1e-3
_N_ALONE = 2
_N_HALVINGS = 4
_N_QUICK = 2
"""Draws of noise while atoms still come and go."""
_ADDED = -1
_ATOMS_PER_TILT = 0.5
"""With fewer, tilts are not fitted."""
_N_INNER = 15
_INNER_TOLERANCE = 0.03


@dataclass(frozen=True, kw_only=True)
class RefinedAtoms:
    """Atoms, and the image model that they are part of.

    Attributes
    ----------
    atoms : TracedAtoms
        What is claimed.
    state : AtomState
        The image model.
    noise : PixelNoise
        What the model leaves over.
    chi_squared : float
        Mean of residual^2 / variance.
    start_index : ndarray of int, of shape (atom,)
        Which of the starts each atom was; -1 for those found in what the model left over. Of atoms that were fitted
        again, which atom of the image model.
    """

    atoms: TracedAtoms
    state: AtomState
    noise: PixelNoise
    chi_squared: float
    start_index: np.ndarray


def refine_atoms(
    series: TiltSeries,
    positions_angstrom: Float[np.ndarray, "start 3"],
    params: AtomFitParams,
    *,
    rng: np.random.Generator,
    on_step: OnStep = ignore_progress,
) -> RefinedAtoms:
    """Fit atoms to all images of an aligned tilt series, and leave out what is none.

    Parameters
    ----------
    series : TiltSeries
        Calibrated, aligned images.
    positions_angstrom : ndarray of shape (start, 3)
        Where atoms may be, to about half an angstrom; too many rather than too few.
    params : AtomFitParams
        Settings.
    rng : Generator
        Draws the noise from which uncertainties come.
    on_step : callable
        Told of every step.

    Notes
    -----
    Weighted least squares with Gauss-Newton steps. Weights are one over the variance that the model expects, refitted
    at each step, which for counted electrons leads to the maximum of the likelihood. Every image has a background of
    its own. A common shift of all images and a common factor cannot be told from positions and intensities: they are
    taken out of the tilts.

    Raises
    ------
    Refusal
        If the images are not calibrated or nothing was given to start from.
    """
    state, index = _start(series, positions_angstrom), np.arange(len(positions_angstrom))
    n_round = 0
    while len(state):
        state, freedom = _anchored(series, state, params)
        state, linear, noise = _fit(series.images, state, freedom, params, n_round, on_step)
        kept = _kept(state, measure_precision(linear, min(params.n_samples, _N_QUICK), rng=rng), params)
        missing = np.empty((0, 3))
        if n_round < min(params.n_searches, params.n_rounds):
            missing = find_missing(state, series.images - state.images(), linear.weights, params)
        if (len(kept) == len(state) and not len(missing)) or n_round == params.n_rounds:
            precision = measure_precision(linear, params.n_samples, rng=rng)
            kept = _kept(state, precision, params)
            return RefinedAtoms(
                atoms=_claims(state.taken(kept), precision.taken(kept)),
                state=state,
                noise=noise,
                chi_squared=_chi_squared(series.images, state, noise),
                start_index=index[kept],
            )
        state, n_round = state.taken(kept).joined(missing), n_round + 1
        index = np.concatenate([index[kept], np.full(len(missing), _ADDED)])
    return _nothing(series, state)


def refit_atoms(
    series: TiltSeries,
    traced: RefinedAtoms,
    params: AtomFitParams,
    *,
    rng: np.random.Generator,
    on_step: OnStep = ignore_progress,
) -> RefinedAtoms:
    """Fit atoms again from where they stand, at the angles and shifts of the series; no atom is looked for.

    Parameters are those of `refine_atoms`.
    """
    freedom = Freedom(own_widths=params.fits_widths, tilts=params.fits_tilts)
    moved = replace(traced.state, geometry=series.geometry)
    state, linear, noise = _fit(series.images, moved, freedom, params, 1, on_step)
    precision = measure_precision(linear, params.n_samples, rng=rng)
    kept = _kept(state, precision, params)
    return RefinedAtoms(
        atoms=_claims(state.taken(kept), precision.taken(kept)),
        state=state,
        noise=noise,
        chi_squared=_chi_squared(series.images, state, noise),
        start_index=kept,
    )


def _start(series: TiltSeries, positions_angstrom: Float[np.ndarray, "start 3"]) -> AtomState:
    """Return a state in which all atoms share what is brighter than the images' borders."""
    if series.pixel_size_nm is None:
        raise Refusal("uncalibrated", expected="a tilt series with a pixel size", got="none")
    if not len(positions_angstrom):
        raise Refusal("no_candidates", expected="candidates for atoms", got="none", advice="Nothing rises above noise.")
    if not np.isfinite(series.images).all():
        raise Refusal("not_finite", expected="finite values in every image", got="others")
    images, background = series.images, border_level(series.images).astype(float)
    total = float(np.median(images.sum(axis=(1, 2), dtype=float) - background * images[0].size))
    n_atoms = len(positions_angstrom)
    return AtomState(
        positions_angstrom=np.array(positions_angstrom, dtype=float),
        intensity=np.full(n_atoms, max(total, float(np.ptp(images)) * _FAINT) / n_atoms),
        sigma_angstrom=np.full(n_atoms, _START_SIGMA_ANGSTROM),
        geometry=series.geometry,
        factors=series.factors.astype(float),
        background=background,
        pixel_size_angstrom=10 * series.pixel_size_nm,
        shape=(images.shape[1], images.shape[2]),
    )


def _anchored(series: TiltSeries, state: AtomState, params: AtomFitParams) -> tuple[AtomState, Freedom]:
    """Return what may change; where atoms are few, with factors and shifts of tilts as the series has them.

    Three numbers of each image that are fitted to noise take up 3 of chi-squared: all of it would count for a single
    atom, which then stands 7 standard deviations out of the noise of 19 images.
    """
    if params.fits_tilts and _ATOMS_PER_TILT * len(series) > len(state):
        state = replace(state, geometry=series.geometry, factors=series.factors.astype(float))
        return state, Freedom(own_widths=params.fits_widths, tilts=False)
    return state, Freedom(own_widths=params.fits_widths, tilts=params.fits_tilts)


def _fit(
    images: Images, state: AtomState, freedom: Freedom, params: AtomFitParams, n_round: int, on_step: OnStep
) -> tuple[AtomState, LinearImages, PixelNoise]:
    """Return the state that fits best, and the equations there."""
    # Tilts and halo are fitted once atoms stand about where they belong.
    is_first = n_round == 0
    for n in range(params.n_iterations):
        free = replace(freedom, tilts=freedom.tilts and not (is_first and n < _N_ALONE))
        noise, weights, residual = _noise(images, state)
        if params.fits_halo and n >= (_N_ALONE if is_first else 0):
            state = with_best_halo(state, images, weights)
            residual = images - state.images()
        linear = LinearImages(state, weights, free)
        gradient = linear.gradient_of(weights * residual)
        step = solve_normal(linear, gradient, Preconditioner(linear, _DAMPING), _N_INNER, _INNER_TOLERANCE)
        state, moved_pm = _stepped(images, state, _shortened(step), weights, residual)
        on_step(
            Progress(
                task="refining",
                done=n + 1,
                total=params.n_iterations,
                detail=f"round {n_round + 1}, {len(state)} atoms moved {moved_pm:.2f} pm",
            )
        )
        if moved_pm < params.tolerance_pm and n > _N_ALONE:
            break
    noise, weights, _ = _noise(images, state)
    return state, LinearImages(state, weights, freedom), noise


def _noise(images: Images, state: AtomState) -> tuple[PixelNoise, Images, Images]:
    expected = state.images()
    noise = measure_noise(expected, images - expected)
    return noise, noise.weights(expected), images - expected


def _shortened(step: AtomStep) -> AtomStep:
    """Return a step in which no atom moves further than it may, and no width changes by more than a third."""
    length = np.linalg.norm(step.atoms[:, :3], axis=1)
    atoms = step.atoms.copy()
    atoms[:, :3] *= np.minimum(1, _LARGEST_MOVE_ANGSTROM / np.maximum(length, 1e-12))[:, None]
    atoms[:, 4] = np.clip(atoms[:, 4], -_LARGEST_LOG, _LARGEST_LOG)
    tilts = step.tilts.copy()
    tilts[:, :3] = np.clip(tilts[:, :3], -_LARGEST_LOG, _LARGEST_LOG)
    return AtomStep(atoms=atoms, tilts=tilts, log_width=float(np.clip(step.log_width, -_LARGEST_LOG, _LARGEST_LOG)))


def _stepped(
    images: Images, state: AtomState, step: AtomStep, weights: Images, residual: Images
) -> tuple[AtomState, float]:
    """Return the state after a step that is halved until the misfit does not grow, and how far atoms moved."""
    before = float(np.sum(weights * residual**2, dtype=float))
    for n in range(_N_HALVINGS):
        share = 0.5**n
        trial = _no_spikes(_without_gauge(state.moved(step.plus(share - 1, step))))
        if float(np.sum(weights * (images - trial.images()) ** 2, dtype=float)) <= before:
            return trial, 100 * share * float(np.median(np.linalg.norm(step.atoms[:, :3], axis=1)))
    return state, 0.0


def _no_spikes(state: AtomState) -> AtomState:
    return replace(
        state, sigma_angstrom=np.maximum(state.sigma_angstrom, _SMALLEST_SIGMA_PX * state.pixel_size_angstrom)
    )


def _without_gauge(state: AtomState) -> AtomState:
    """Return an equal state whose tilts have a mean factor of 1 and no shift that atoms could explain."""
    mean = float(state.factors.mean())
    onto = state.onto_pixels.reshape(-1, 3)
    moved, *_ = np.linalg.lstsq(onto, state.geometry.shifts_px.ravel(), rcond=None)
    shifts = state.geometry.shifts_px - (onto @ moved).reshape(-1, 2)
    return replace(
        state,
        factors=state.factors / mean,
        intensity=state.intensity * mean,
        positions_angstrom=state.positions_angstrom + moved,
        geometry=replace(state.geometry, shifts_px=shifts),
    )


def _kept(state: AtomState, precision: Precision, params: AtomFitParams) -> Int[np.ndarray, " kept"]:
    """Return the atoms that the images show, and of two that are one the brighter."""
    shown = np.flatnonzero(is_atom(state, precision, params))
    if len(shown) < 2:
        return shown
    _, stays = merge_near(state.positions_angstrom[shown], state.intensity[shown], params.merge_angstrom)
    return shown[stays]


def _claims(state: AtomState, precision: Precision) -> TracedAtoms:
    return TracedAtoms(
        positions_angstrom=state.positions_angstrom,
        position_sigma_pm=100 * precision.positions_angstrom,
        intensity=state.intensity,
        intensity_sigma=precision.intensity,
        sigma_angstrom=state.sigma_angstrom,
    )


def _chi_squared(images: Images, state: AtomState, noise: PixelNoise) -> float:
    expected = state.images()
    return float(np.mean(noise.weights(expected) * (images - expected) ** 2, dtype=float))


def _nothing(series: TiltSeries, state: AtomState) -> RefinedAtoms:
    """Return what is left when nothing was an atom."""
    none = Precision(positions_angstrom=np.empty((0, 3)), intensity=np.empty(0))
    state = replace(state, background=series.images.mean(axis=(1, 2), dtype=float))
    noise, _, _ = _noise(series.images, state)
    return RefinedAtoms(
        atoms=_claims(state, none),
        state=state,
        noise=noise,
        chi_squared=_chi_squared(series.images, state, noise),
        start_index=np.empty(0, dtype=np.int64),
    )
