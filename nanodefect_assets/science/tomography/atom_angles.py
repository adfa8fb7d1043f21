"""True angles of a tilt series from its atoms: few numbers that all images share, where a volume has as many as voxels.

A volume follows the noise of each image, and its reprojections then draw the angles towards those that made it.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.atom_images import N_SHAPES, Images, draw
from nanodefect_assets.science.tomography.atom_model import AtomState
from nanodefect_assets.science.tomography.refinement import RefinedAtoms, refit_atoms
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

_DIFFERENCE_DEG = 0.01
_LARGEST_STEP_PX = 1.0
_N_ANGLES, _N_FREE = 3, 5
"""Of each image: three angles; and with them its shifts, which were free before."""
_PER_NUMBER = 2.0
"""By how much the sum of squares must fall for each number that is fitted, as H. Akaike has it."""
_N_ITERATIONS = 4
"""Of fitting atoms where angles have changed a little."""


@dataclass(frozen=True, kw_only=True)
class AngleFit:
    """Atoms fitted together with angles.

    Attributes
    ----------
    traced : RefinedAtoms
        Atoms at the angles found, whose state has these.
    gain : float
        By how much the sum of residual^2 / variance over all pixels fell.
    n_free : int
        Numbers that were fitted for it.
    """

    traced: RefinedAtoms
    gain: float
    n_free: int

    @property
    def is_better(self) -> bool:
        """Whether the images fit better than more numbers alone would make them."""
        return self.gain > _PER_NUMBER * self.n_free


def fit_angles(
    series: TiltSeries,
    traced: RefinedAtoms,
    params: AtomFitParams,
    *,
    rng: np.random.Generator,
    on_step: OnStep = ignore_progress,
) -> AngleFit:
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

    Notes
    -----
    Angles are drawn towards those of the series as if these were known to `angle_sd_deg`. A turn of the whole sample
    changes no image: what angles mean together is free.
    """
    weights = traced.noise.weights(traced.state.images())
    before, nominal = _misfit(series.images, traced.state, weights), series.geometry
    for n in range(params.n_angle_rounds):
        geometry = _stepped(series.images, traced, nominal, params.angle_sd_deg)
        series = replace(series, geometry=geometry)
        traced = refit_atoms(series, traced, params.model_copy(update={"n_iterations": _N_ITERATIONS}), rng=rng)
        on_step(Progress(task="fitting angles to atoms", done=n + 1, total=params.n_angle_rounds))
    return AngleFit(
        traced=traced,
        gain=before - _misfit(series.images, traced.state, weights),
        n_free=_N_ANGLES * len(series),
    )


def _misfit(images: Images, state: AtomState, weights: Images) -> float:
    return float(np.sum(weights * (images - state.images()) ** 2, dtype=float))


def _stepped(images: Images, traced: RefinedAtoms, nominal: TiltGeometry, sd_deg: float) -> TiltGeometry:
    """Return angles and shifts after a Gauss-Newton step of each image, its atoms held."""
    state = traced.state
    expected = state.images()
    weights, missing = traced.noise.weights(expected), images - expected
    changes = _changes(state)
    euler_deg, shifts_px = state.geometry.euler_deg.copy(), state.geometry.shifts_px.copy()
    pull = np.zeros(_N_FREE)
    pull[:_N_ANGLES] = 1 / sd_deg**2
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
