"""True angles of a tilt series from its atoms: few numbers that all images share, where a volume has as many as voxels.

A volume follows the noise of each image, and its reprojections then draw the angles towards those that made it.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.angles import turns_between_deg
from nanodefect_assets.science.tomography.atom_images import N_SHAPES, Images, draw
from nanodefect_assets.science.tomography.atom_model import AtomState
from nanodefect_assets.science.tomography.refinement import RefinedAtoms, refit_atoms
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

_DIFFERENCE_DEG = 0.01
_LARGEST_STEP_PX = 1.0
_N_ANGLES, _N_FREE = 3, 5
"""Of each image: three angles; and with them its shifts, which were free before."""
_FIELD_PX = 6
"""Edge of the fields of a chessboard: wider than an atom's image usually is."""
_STANDARD_ERRORS = 2.0
_MOST_WANDERED = 2.0
"""Of what is not known of angles, root mean square: those that went further fit what the image model lacks."""
_N_ITERATIONS = 4
"""Of fitting atoms where angles have changed a little."""


def fit_angles(
    series: TiltSeries,
    traced: RefinedAtoms,
    params: AtomFitParams,
    *,
    rng: np.random.Generator,
    on_step: OnStep = ignore_progress,
) -> RefinedAtoms | None:
    """Fit the angles of all images to the atoms, and the atoms again, in turns.

    Parameters
    ----------
    series : TiltSeries
        The images that the atoms were traced in.
    traced : RefinedAtoms
        Atoms at the angles of the series.
    params : AtomFitParams
        Settings.
    rng : Generator
        Draws the noise from which uncertainties come.
    on_step : callable
        Told of every round.

    Returns
    -------
    traced : RefinedAtoms or None
        Atoms at the angles found, which its state has; None where the images do not tell of other angles.

    Notes
    -----
    Angles are drawn towards those of the series as if these were known to `angle_sd_deg`. A turn of the whole sample
    changes no image: what angles mean together is free.
    """
    gains = foretold_gains(series.images, traced, params.angle_sd_deg)
    if not gains.mean() > _STANDARD_ERRORS * gains.std(ddof=1) / np.sqrt(len(gains)):
        return None
    nominal, again = series.geometry, params.model_copy(update={"n_iterations": _N_ITERATIONS})
    for n in range(params.n_angle_rounds):
        series = replace(series, geometry=_stepped(series.images, traced, nominal, params.angle_sd_deg))
        traced = refit_atoms(series, traced, again, rng=rng)
        on_step(Progress(task="fitting angles to atoms", done=n + 1, total=params.n_angle_rounds))
    wandered_deg = float(np.sqrt((turns_between_deg(traced.state.geometry, nominal) ** 2).sum(axis=1).mean()))
    return traced if wandered_deg < _MOST_WANDERED * params.angle_sd_deg else None


def foretold_gains(images: Images, traced: RefinedAtoms, sd_deg: float) -> Float[np.ndarray, " tilt"]:
    """Return by how much the sum of residual^2 / variance falls where angles are foretold by other pixels.

    Notes
    -----
    Pixels of each image are parted like a chessboard; a step of angles and shifts from the black fields is applied to
    the white ones, and the other way round. A true turn helps both. Noise, and what the image model lacks round single
    atoms, such as their tails, is not the same in both.
    """
    state = traced.state
    expected = state.images()
    weights, missing, changes = traced.noise.weights(expected), images - expected, _changes(state)
    black = _chessboard(images.shape[1:])
    gains = np.zeros(len(images))
    for n in range(len(images)):
        columns = np.stack([change[n].ravel() for change in changes]).astype(float)
        parts = []
        for field in (black.ravel(), ~black.ravel()):
            weighted = columns * (weights[n].ravel() * field)
            parts.append((weighted @ columns.T, weighted @ missing[n].ravel()))
        for (known, slope), (other, other_slope) in (parts, parts[::-1]):
            step = np.linalg.lstsq(known + np.diag(_pull(sd_deg)), slope, rcond=None)[0]
            gains[n] += 2 * step @ other_slope - step @ other @ step
    return gains


def _chessboard(shape: tuple[int, ...]) -> Bool[np.ndarray, "row col"]:
    rows, cols = (np.arange(n) // _FIELD_PX for n in shape)
    return (rows[:, None] + cols) % 2 == 0


def _pull(sd_deg: float) -> Float[np.ndarray, " free"]:
    pull = np.zeros(_N_FREE)
    pull[:_N_ANGLES] = 1 / sd_deg**2
    return pull


def _stepped(images: Images, traced: RefinedAtoms, nominal: TiltGeometry, sd_deg: float) -> TiltGeometry:
    """Return angles and shifts after a Gauss-Newton step of each image, its atoms held."""
    state = traced.state
    expected = state.images()
    weights, missing = traced.noise.weights(expected), images - expected
    changes = _changes(state)
    euler_deg, shifts_px = state.geometry.euler_deg.copy(), state.geometry.shifts_px.copy()
    pull = _pull(sd_deg)
    for n in range(len(images)):
        columns = np.stack([change[n].ravel() for change in changes]).astype(float)
        weighted = columns * weights[n].ravel()
        away = np.zeros(_N_FREE)
        away[:_N_ANGLES] = euler_deg[n] - nominal.euler_deg[n]
        slope = weighted @ missing[n].ravel() - pull * away
        step = np.linalg.lstsq(weighted @ columns.T + np.diag(pull), slope, rcond=None)[0]
        euler_deg[n] += np.clip(step[:3], -sd_deg, sd_deg)
        shifts_px[n] += np.clip(step[3:5], -_LARGEST_STEP_PX, _LARGEST_STEP_PX)
    return TiltGeometry(euler_deg=euler_deg, shifts_px=shifts_px)


def _changes(state: AtomState) -> list[Images]:
    """Return by how much images change for a degree of each angle, and a pixel along rows and columns."""
    places = []
    for axis in range(_N_ANGLES):
        euler_deg = state.geometry.euler_deg.copy()
        euler_deg[:, axis] += _DIFFERENCE_DEG
        turned = replace(state, geometry=replace(state.geometry, euler_deg=euler_deg))
        places.append((turned.places_px - state.places_px) / _DIFFERENCE_DEG)
    places += [np.broadcast_to(one, state.places_px.shape) for one in np.eye(2)]
    return [_moved(state, one) for one in places]


def _moved(state: AtomState, by_px: Float[np.ndarray, "tilt atom 2"]) -> Images:
    """Return by how much images change where every atom moves in them."""
    shapes = np.zeros((*state.brightness.shape, N_SHAPES))
    shapes[:, :, 1:3] = state.brightness[:, :, None] * by_px
    return state.with_halo(draw(state.places_px, state.sigma_px, shapes, state.shape))
