"""True angles of a tilt series: every image matched to reprojections by three Euler angles and two shifts.

References
----------
.. [1] J. Dengler, Ultramicroscopy 30, 337 (1989), doi:10.1016/0304-3991(89)90063-4: projection matching.
.. [2] K. Levenberg, Q. Appl. Math. 2, 164 (1944): damped least squares.
"""

from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.align import match_images
from nanodefect_assets.science.tomography.alignment_params import RefinementParams
from nanodefect_assets.science.tomography.backends import make_projector
from nanodefect_assets.science.tomography.fasta import fasta
from nanodefect_assets.science.tomography.grids import coarser_series
from nanodefect_assets.science.tomography.params import FastaParams
from nanodefect_assets.science.tomography.projector import Views, Volume3D
from nanodefect_assets.science.tomography.quality import r_factor, r_factors
from nanodefect_assets.science.tomography.shifting import common_shift, shifts_of_move, slopes_of

_SHIFT_SPREAD_PX = 1.0
_DIFFERENCE_DEG = 0.2
"""Between the projections whose difference stands for a derivative."""


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """Angles and shifts as refined, and how they came there.

    Attributes
    ----------
    geometry : TiltGeometry
        Refined angles and shifts, in pixels of the series.
    r_factor_history : ndarray of shape (round,)
        sum||y| - |A x|| / sum|y| of each round's volume, before its angles were changed.
    r_factors : ndarray of shape (tilt,)
        The same of each tilt, in the last round.
    change_history_deg : ndarray of shape (round,)
        Root mean square change of the angles in each round.
    euler_history_deg, r_factors_history : ndarray of shape (round, tilt, 3) and (round, tilt)
        Angles after each round, and the R-factor of each tilt before them.
    """

    geometry: TiltGeometry
    r_factor_history: Float[np.ndarray, " round"]
    r_factors: Float[np.ndarray, " tilt"]
    change_history_deg: Float[np.ndarray, " round"]
    euler_history_deg: Float[np.ndarray, "round tilt 3"]
    r_factors_history: Float[np.ndarray, "round tilt"]


@dataclass(kw_only=True)
class _State:
    """Where refinement stands between two rounds, on its own grid."""

    geometry: TiltGeometry
    volume: Volume3D | None
    r_history: list[float]
    changes_deg: list[float]
    eulers_deg: list[np.ndarray]
    tilt_r_history: list[np.ndarray]

    def as_checkpoint(self, rng: np.random.Generator) -> CheckpointState:
        """Return what is needed to go on, the random numbers' state too."""
        arrays = {
            "euler_deg": self.geometry.euler_deg,
            "shifts_px": self.geometry.shifts_px,
            "eulers_deg": np.array(self.eulers_deg),
            "tilt_r_history": np.array(self.tilt_r_history),
            **({} if self.volume is None else {"volume": self.volume}),
        }
        record = {"r_history": self.r_history, "changes_deg": self.changes_deg, "rng": rng.bit_generator.state}
        return CheckpointState(arrays=arrays, record=cast("dict", record))

    @classmethod
    def of_checkpoint(cls, state: CheckpointState, rng: np.random.Generator) -> Self:
        """Return the state that `as_checkpoint` kept, and set the random numbers where they were."""
        record = cast("dict", state.record)
        rng.bit_generator.state = record["rng"]
        arrays = state.arrays
        return cls(
            geometry=TiltGeometry(euler_deg=arrays["euler_deg"], shifts_px=arrays["shifts_px"]),
            volume=arrays.get("volume"),
            r_history=list(record["r_history"]),
            changes_deg=list(record["changes_deg"]),
            eulers_deg=list(arrays["eulers_deg"]),
            tilt_r_history=list(arrays["tilt_r_history"]),
        )


def refine_angles(
    series: TiltSeries,
    params: RefinementParams,
    *,
    rng: np.random.Generator,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = ignore_progress,
) -> Refinement:
    """Refine angles and shifts of an aligned tilt series.

    Parameters
    ----------
    series : TiltSeries
        Aligned images with nominal angles, zero beside the sample.
    params : RefinementParams
        Settings.
    rng : Generator
        Draws the trials.
    checkpoint : Checkpoint or None
        Where the state is kept after each round, and from which a killed run goes on.
    on_step : callable
        Told of every round.

    Notes
    -----
    Each round reconstructs with the angles at hand, from the volume before, and changes the angles of every image so
    that its reprojection fits better. A turn and a move of the whole sample change no image: what angles mean together
    is free, see `common_turn`.
    """
    small, factor = coarser_series(series.levelled(), params.max_edge_px)
    saved = None if checkpoint is None else checkpoint.load()
    state = (
        _State(geometry=small.geometry, volume=None, r_history=[], changes_deg=[], eulers_deg=[], tilt_r_history=[])
        if saved is None
        else _State.of_checkpoint(saved, rng)
    )
    while len(state.r_history) < params.n_rounds:
        _round(small, state, params, rng)
        if checkpoint is not None:
            checkpoint.save(state.as_checkpoint(rng))
        detail = f"R {100 * state.r_history[-1]:.2f} %, changed {state.changes_deg[-1]:.3f} deg"
        on_step(Progress(task="refining angles", done=len(state.r_history), total=params.n_rounds, detail=detail))
    shifts_px = state.geometry.shifts_px * factor
    return Refinement(
        geometry=replace(state.geometry, shifts_px=shifts_px),
        r_factor_history=np.array(state.r_history),
        r_factors=state.tilt_r_history[-1],
        change_history_deg=np.array(state.changes_deg),
        euler_history_deg=np.array(state.eulers_deg),
        r_factors_history=np.array(state.tilt_r_history),
    )


def _round(small: TiltSeries, state: _State, params: RefinementParams, rng: np.random.Generator) -> None:
    images = small.images
    n_rows, n_cols = images.shape[1:]
    projector = make_projector(state.geometry, (n_cols, n_rows, n_cols), (n_rows, n_cols), "fourier")
    settings = FastaParams(n_iterations=params.n_iterations, tolerance=1e-4)
    state.volume = fasta(projector, images, settings, start=state.volume).volume
    projected = projector.forward(state.volume)
    state.r_history.append(r_factor(images, projected))
    state.tilt_r_history.append(r_factors(images, projected))
    if params.method == "gradient":
        found = _gradient_step(images, projected, state, small.geometry.euler_deg, params)
    else:
        amplitude_deg = params.amplitude_deg * (1 - (len(state.r_history) - 1) / params.n_rounds)
        found = _best_trial(images, projected, state, params.n_trials, amplitude_deg, rng)
    moved = common_shift(found.shifts_px, found)
    found = replace(found, shifts_px=found.shifts_px - shifts_of_move(moved, found))
    state.changes_deg.append(float(np.sqrt(np.mean((found.euler_deg - state.geometry.euler_deg) ** 2))))
    state.eulers_deg.append(found.euler_deg)
    state.geometry = found


def _gradient_step(
    images: Views,
    projected: Views,
    state: _State,
    nominal_deg: Float[np.ndarray, "tilt 3"],
    params: RefinementParams,
) -> TiltGeometry:
    """Change angles and shifts by a damped Gauss-Newton step [2]_.

    Derivatives by angles are differences of the volume's projections; those by shifts, slopes of them. Angles are drawn
    towards the nominal ones as if these were known to `amplitude_deg`: near zero tilt phi and psi do the same, and
    their difference would wander.
    """
    geometry, shape = state.geometry, cast("Volume3D", state.volume)
    turned = [_turned(geometry, axis, _DIFFERENCE_DEG) for axis in range(3)]
    all_turned = TiltGeometry(
        euler_deg=np.concatenate([one.euler_deg for one in turned]),
        shifts_px=np.concatenate([one.shifts_px for one in turned]),
    )
    n_tilts, n_rows, n_cols = images.shape
    seen = make_projector(all_turned, shape.shape, (n_rows, n_cols), "fourier").forward(shape)
    by_angle = (seen.reshape(3, n_tilts, n_rows, n_cols) - projected) / _DIFFERENCE_DEG
    by_row, by_col = slopes_of(projected)
    euler, shifts = geometry.euler_deg.copy(), geometry.shifts_px.copy()
    for n in range(n_tilts):
        missing = (images[n] - projected[n]).ravel().astype(float)
        columns = np.stack([*by_angle[:, n].reshape(3, -1), -by_row[n].ravel(), -by_col[n].ravel()]).astype(float)
        pull = missing.var() / np.array([params.amplitude_deg] * 3 + [_SHIFT_SPREAD_PX] * 2) ** 2
        away = np.concatenate([euler[n] - nominal_deg[n], shifts[n]])
        step = np.linalg.solve(columns @ columns.T + np.diag(pull + 1e-12), columns @ missing - pull * away)
        euler[n] += np.clip(step[:3], -params.amplitude_deg, params.amplitude_deg)
        shifts[n] += np.clip(step[3:], -1, 1)
    return TiltGeometry(euler_deg=euler, shifts_px=shifts)


def _turned(geometry: TiltGeometry, axis: int, by_deg: float) -> TiltGeometry:
    euler_deg = geometry.euler_deg.copy()
    euler_deg[:, axis] += by_deg
    return replace(geometry, euler_deg=euler_deg)


def _best_trial(
    images: Views, projected: Views, state: _State, n_trials: int, amplitude_deg: float, rng: np.random.Generator
) -> TiltGeometry:
    """Try random angles for all images, each scored with its own projection and shift; keep what fits better."""
    best = state.geometry
    errors = _misfits(images, projected)
    volume = cast("Volume3D", state.volume)
    image_shape = cast("tuple[int, int]", images.shape[1:])
    for _ in range(n_trials):
        offsets_deg = rng.uniform(-amplitude_deg, amplitude_deg, best.euler_deg.shape)
        tried = replace(best, euler_deg=state.geometry.euler_deg + offsets_deg, shifts_px=best.shifts_px)
        seen = make_projector(tried, volume.shape, image_shape, "fourier").forward(volume)
        shifts, _ = match_images(images, seen)
        shifts = np.clip(shifts, -1, 1)
        by_row, by_col = slopes_of(seen)
        seen = seen - shifts[:, 0, None, None] * by_row - shifts[:, 1, None, None] * by_col
        found = _misfits(images, seen)
        is_better = (found < errors)[:, None]
        errors = np.minimum(errors, found)
        best = TiltGeometry(
            euler_deg=np.where(is_better, tried.euler_deg, best.euler_deg),
            shifts_px=np.where(is_better, tried.shifts_px + shifts, best.shifts_px),
        )
    return best


def _misfits(images: Views, projected: Views) -> Float[np.ndarray, " tilt"]:
    return ((images - projected) ** 2).sum(axis=(1, 2), dtype=float)


def common_turn(found: TiltGeometry, other: TiltGeometry) -> Float[np.ndarray, "3 3"]:
    """Return the turn Q of the whole sample for which R_found Q is nearest to R_other, in all views together.

    References
    ----------
    W. Kabsch, Acta Cryst. A 32, 922 (1976), doi:10.1107/S0567739476001873.
    """
    u, _, vt = np.linalg.svd(np.einsum("tji,tjk->ik", found.rotations, other.rotations))
    return u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt


def turns_between_deg(found: TiltGeometry, other: TiltGeometry) -> Float[np.ndarray, "tilt 3"]:
    """Return by how much views are turned about x, y and z, with the turn that they have in common left out."""
    turned = found.rotations @ common_turn(found, other) @ np.transpose(other.rotations, (0, 2, 1))
    # Small turns: half the antisymmetric part is the axis times the angle.
    axis = np.stack(
        [turned[:, 2, 1] - turned[:, 1, 2], turned[:, 0, 2] - turned[:, 2, 0], turned[:, 1, 0] - turned[:, 0, 1]],
        axis=1,
    )
    return np.rad2deg(axis / 2)
