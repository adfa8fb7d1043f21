"""Forward-backward splitting: the fast adaptive shrinkage-thresholding algorithm.

References
----------
T. Goldstein, C. Studer, R. Baraniuk, A Field Guide to Forward-Backward Splitting with a FASTA Implementation,
arXiv:1411.3406: adaptive steps (section 4.1), acceleration (4.2) with restart (4.3), nonmonotone line search (4.4),
stopping (4.6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, cast

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.science.tomography.params import FastaParams
from nanodefect_assets.science.tomography.projector import Projector, Views, Volume3D
from nanodefect_assets.science.tomography.vector_steps import difference_norm, dot, extrapolate, shrink_step, uphill

_SAVE_EVERY = 5
_SAFETY = 0.9


@dataclass(frozen=True, kw_only=True)
class Solved:
    """What a solver found, and how it came there.

    Attributes
    ----------
    volume : ndarray of shape (z, y, x)
        The solution.
    misfits : ndarray of shape (iteration,)
        |A x - y| / |y| after each iteration.
    residuals : ndarray of shape (iteration,)
        Length of each step over its step size: zero at the solution.
    n_backtracks : int
        How often a step had to be halved.
    n_restarts : int
        How often momentum was dropped.
    is_converged : bool
        Whether it ended by its tolerance.
    """

    volume: Volume3D
    misfits: Float[np.ndarray, " iteration"]
    residuals: Float[np.ndarray, " iteration"]
    n_backtracks: int = 0
    n_restarts: int = 0
    is_converged: bool = False


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """Half of |A x - y|^2 over the valid pixels, for x within the support."""

    projector: Projector
    views: Views
    support: Bool[np.ndarray, "z y x"] | None
    invalid: Bool[np.ndarray, "tilt row col"] | None

    def residual(self, projected: Views) -> Views:
        """Return A x - y, zero where pixels are invalid."""
        difference = projected - self.views
        if self.invalid is not None:
            difference[self.invalid] = 0
        return difference

    def gradient(self, residual: Views) -> Volume3D:
        """Return A* (A x - y) within the support."""
        gradient = self.projector.adjoint(residual)
        if self.support is not None:
            gradient[~self.support] = 0
        return gradient

    def scale(self) -> float:
        """Return |y| over the valid pixels."""
        return float(np.sqrt(square_sum(self.residual(np.zeros_like(self.views)))))


@dataclass(kw_only=True)
class _State:
    """Where the algorithm stands between two iterations."""

    x: Volume3D
    """Point from which the next step starts; with momentum, ahead of `found`."""
    found: Volume3D
    """Result of the last step."""
    ahead: Views
    """A x - y at `x`."""
    seen: Views
    """A x - y at `found`."""
    gradient: Volume3D
    step: float
    momentum: float = 1.0
    values: list[float] = field(default_factory=list)
    misfits: list[float] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    n_backtracks: int = 0
    n_restarts: int = 0

    def as_checkpoint(self) -> CheckpointState:
        """Return what is needed to go on; projections are computed again."""
        record = {
            "step": self.step,
            "momentum": self.momentum,
            "values": self.values,
            "misfits": self.misfits,
            "residuals": self.residuals,
            "n_backtracks": self.n_backtracks,
            "n_restarts": self.n_restarts,
        }
        return CheckpointState(arrays={"x": self.x, "found": self.found}, record=cast("Mapping", record))

    @classmethod
    def of_checkpoint(cls, problem: _Problem, state: CheckpointState) -> Self:
        """Return the state that `as_checkpoint` kept."""
        x, found = state.arrays["x"].copy(), state.arrays["found"].copy()
        ahead, seen = (problem.residual(problem.projector.forward(volume)) for volume in (x, found))
        return cls(
            x=x,
            found=found,
            ahead=ahead,
            seen=seen,
            gradient=problem.gradient(ahead),
            **dict(cast("Mapping", state.record)),
        )


def fasta(
    projector: Projector,
    views: Views,
    params: FastaParams,
    *,
    start: Volume3D | None = None,
    support: Bool[np.ndarray, "z y x"] | None = None,
    invalid: Bool[np.ndarray, "tilt row col"] | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = ignore_progress,
) -> Solved:
    """Find the x >= 0 that minimises |A x - y|^2 / 2 + sparsity * sum(x).

    Parameters
    ----------
    projector : Projector
        A.
    views : ndarray of shape (tilt, row, col)
        y.
    params : FastaParams
        Settings.
    start : ndarray of shape (z, y, x) or None
        First guess; nothing if not given.
    support : ndarray of bool, of shape (z, y, x), or None
        Where x may differ from zero; None for everywhere.
    invalid : ndarray of bool, of shape (tilt, row, col), or None
        Pixels that are left out of the misfit.
    checkpoint : Checkpoint or None
        Where the state is kept now and then, and from which a killed run goes on.
    on_step : callable
        Told of every iteration.

    Notes
    -----
    The proximal map of mu * sum|x| with x >= 0 is max(x - tau mu, 0). The published code takes |x| - tau mu, which
    turns large negative voxels positive.
    """
    problem = _Problem(projector=projector, views=views, support=support, invalid=invalid)
    scale = problem.scale() or 1.0
    saved = None if checkpoint is None else checkpoint.load()
    state = _first_state(problem, start) if saved is None else _State.of_checkpoint(problem, saved)
    is_converged = False
    while len(state.misfits) < params.n_iterations and not is_converged:
        relative = _iterate(problem, state, params)
        state.misfits.append(float(np.sqrt(square_sum(state.seen))) / scale)
        is_converged = relative <= params.tolerance
        n_done = len(state.misfits)
        if checkpoint is not None and n_done % _SAVE_EVERY == 0:
            checkpoint.save(state.as_checkpoint())
        on_step(
            Progress(task="FASTA", done=n_done, total=params.n_iterations, detail=f"misfit {state.misfits[-1]:.4f}")
        )
    return Solved(
        volume=state.found,
        misfits=np.array(state.misfits),
        residuals=np.array(state.residuals),
        n_backtracks=state.n_backtracks,
        n_restarts=state.n_restarts,
        is_converged=is_converged,
    )


def _first_state(problem: _Problem, start: Volume3D | None) -> _State:
    x = np.zeros(problem.projector.volume_shape, np.float32) if start is None else start.astype(np.float32, copy=True)
    if problem.support is not None:
        x[~problem.support] = 0
    ahead = problem.residual(problem.projector.forward(x))
    return _State(
        x=x,
        found=x.copy(),
        ahead=ahead,
        seen=ahead.copy(),
        gradient=problem.gradient(ahead),
        step=_SAFETY / estimate_norm(problem.projector),
        values=[square_sum(ahead) / 2],
    )


def _iterate(problem: _Problem, state: _State, params: FastaParams) -> float:
    """Take one step; return its residual as a share of the largest so far, or of the gradient's."""
    stepped, seen, moved, taken = _descend(problem, state, params)
    residual = np.sqrt(moved) / state.step
    state.residuals.append(residual)
    scale = max(np.sqrt(dot(state.gradient.ravel(), state.gradient.ravel())), np.sqrt(taken) / state.step, 1e-30)
    if params.is_accelerated:
        _accelerate(problem, state, stepped, seen)
    else:
        _adapt(problem, state, stepped, seen, moved)
    return min(residual / max(max(state.residuals), 1e-30), residual / scale)


def _descend(problem: _Problem, state: _State, params: FastaParams) -> tuple[Volume3D, Views, float, float]:
    """Step downhill, and halve the step until the misfit stays below its bound (eq. 38).

    Returns the point, its residual image, the square of the way to it and of what the proximal map took.
    """
    bound = max(state.values[-params.window :])
    stepped = np.empty_like(state.x)
    for _ in range(params.max_backtracks):
        moved, along, taken = _try(state, params, stepped)
        seen = problem.residual(problem.projector.forward(stepped))
        if square_sum(seen) / 2 <= bound + along + moved / (2 * state.step) * (1 + 1e-6):
            return stepped, seen, moved, taken
        state.step /= 2
        state.n_backtracks += 1
    moved, _, taken = _try(state, params, stepped)
    return stepped, problem.residual(problem.projector.forward(stepped)), moved, taken


def _try(state: _State, params: FastaParams, stepped: Volume3D) -> tuple[float, float, float]:
    return shrink_step(state.x.ravel(), state.gradient.ravel(), state.step, params.sparsity, stepped.ravel())


def _accelerate(problem: _Problem, state: _State, stepped: Volume3D, seen: Views) -> None:
    """Go on from a point ahead of the last step (FISTA), unless momentum points uphill: then start it anew."""
    if uphill(state.x.ravel(), stepped.ravel(), state.found.ravel()) > 0:
        state.momentum = 1.0
        state.n_restarts += 1
    following = (1 + np.sqrt(1 + 4 * state.momentum**2)) / 2
    share = (state.momentum - 1) / following
    extrapolate(stepped.ravel(), state.found.ravel(), share, state.x.ravel())
    extrapolate(seen.ravel(), state.seen.ravel(), share, state.ahead.ravel())
    state.found, state.seen, state.momentum = stepped, seen, float(following)
    state.values.append(square_sum(state.ahead) / 2)
    state.gradient = problem.gradient(state.ahead)


def _adapt(problem: _Problem, state: _State, stepped: Volume3D, seen: Views, moved: float) -> None:
    """Take the next step's size from the curvature met on this one (Barzilai and Borwein, adaptive)."""
    gradient = problem.gradient(seen)
    curvature = difference_norm(seen.ravel(), state.seen.ravel())
    turned = difference_norm(gradient.ravel(), state.gradient.ravel())
    if curvature > 0 and turned > 0:
        steepest, least = moved / curvature, curvature / turned
        state.step = float(least if 2 * least > steepest else steepest - least / 2)
    state.x, state.found, state.seen, state.ahead, state.gradient = stepped, stepped, seen, seen, gradient
    state.values.append(square_sum(seen) / 2)


def square_sum(views: Views) -> float:
    """Return the sum of squares."""
    return float(dot(views.ravel(), views.ravel()))


def estimate_norm(projector: Projector, n_rounds: int = 4) -> float:
    """Return the largest eigenvalue of A*A, from below, by powers; its vector has no negative part."""
    volume = np.ones(projector.volume_shape, dtype=np.float32)
    norm = 1.0
    for _ in range(n_rounds):
        volume /= np.sqrt(dot(volume.ravel(), volume.ravel()))
        volume = projector.adjoint(projector.forward(volume))
        norm = float(np.sqrt(dot(volume.ravel(), volume.ravel())))
    return norm
