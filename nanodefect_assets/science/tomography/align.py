"""Alignment of a tilt series: shifts and intensity factors of every image, and the tilt axis.

References
----------
.. [1] J. Dengler, A multi-resolution approach to the 3D reconstruction from an electron microscope tilt series solving
   the alignment problem without gold particles, Ultramicroscopy 30, 337 (1989), doi:10.1016/0304-3991(89)90063-4:
   projection matching.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self, cast

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.checkpoint import Checkpoint, CheckpointState
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_alignment import TiltAlignment
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams
from nanodefect_assets.science.tomography.backends import make_projector
from nanodefect_assets.science.tomography.background import estimate_background
from nanodefect_assets.science.tomography.common_lines import (
    coarse_alignment,
    find_axis_deg,
    neighbour_shifts,
)
from nanodefect_assets.science.tomography.fasta import fasta
from nanodefect_assets.science.tomography.grids import coarser_series
from nanodefect_assets.science.tomography.params import FastaParams
from nanodefect_assets.science.tomography.quality import r_factors
from nanodefect_assets.science.tomography.shifting import (
    centred,
    coarse_shifts,
    common_shift,
    shifts_of_move,
    slopes_of,
)

Views = Float[np.ndarray, "tilt row col"]
_FEWEST_TILTS = 3
_LEAST_WITH_ROOM = 0.75
ImageAxis = Literal["rows", "columns"]
_LARGEST_STEP_PX = 2.0
_FACTOR_BOUNDS = (0.2, 5.0)


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Where each image lies and how bright it is, as found in one round.

    Attributes
    ----------
    shifts_px : ndarray of shape (tilt, 2)
        Where the sample's origin lies off the centre N // 2, along rows and columns.
    factors : ndarray of shape (tilt,)
        By what each image is brighter than it should be; their median is 1.
    background_counts : ndarray of shape (tilt,)
        What was taken from each image first.
    axis_deg : float
        By how much the tilt axis is turned in the images.
    moves_px : ndarray of shape (round,)
        How far the images moved in each round, root mean square.
    r_factors : ndarray of shape (tilt,)
        sum|y - A x| / sum|y| of each tilt at the grid on which images were matched; not a number if they were not.
    is_converged : bool
        Whether the images came to rest.
    is_axis_at_bound : bool
        Whether the axis may be turned by more than was looked for.
    """

    shifts_px: Float[np.ndarray, "tilt 2"]
    factors: Float[np.ndarray, " tilt"]
    background_counts: Float[np.ndarray, " tilt"]
    axis_deg: float
    moves_px: Float[np.ndarray, " round"]
    r_factors: Float[np.ndarray, " tilt"]
    is_converged: bool
    is_axis_at_bound: bool = False

    def of_tilts(
        self, geometry: TiltGeometry, is_sound: Bool[np.ndarray, " all"], why: dict[int, str]
    ) -> TiltAlignment:
        """Return the same for all images of a file, of which the sound ones were aligned.

        Parameters
        ----------
        geometry : TiltGeometry
            Nominal views of all images.
        is_sound : ndarray of bool, of shape (all,)
            Which images were aligned.
        why : mapping of int to str
            Why the others were not.
        """
        came = TiltAlignment.as_it_came(geometry, tuple(why.get(n) for n in range(len(geometry))))
        shifts_px, factors, background, errors = (
            np.array(values) for values in (came.shifts_px, came.factors, came.background_counts, came.r_factors)
        )
        shifts_px[is_sound], factors[is_sound] = self.shifts_px, self.factors
        background[is_sound], errors[is_sound] = self.background_counts, self.r_factors
        return replace(
            came,
            shifts_px=shifts_px,
            factors=factors,
            background_counts=background,
            euler_deg=turned_about_beam(geometry, self.axis_deg).euler_deg,
            r_factors=errors,
        )

    def odd_factors(self, tolerance: float = 0.25) -> Bool[np.ndarray, " tilt"]:
        """Return which factors lie further from 1 than an honest series has them."""
        return np.abs(self.factors - 1) > tolerance


@dataclass(kw_only=True)
class _State:
    """Where matching stands between two rounds; shifts in pixels of its own grid."""

    shifts_px: Float[np.ndarray, "tilt 2"]
    factors: Float[np.ndarray, " tilt"]
    moves_px: list[float]
    r_factors: Float[np.ndarray, " tilt"]
    is_converged: bool = False

    def as_checkpoint(self) -> CheckpointState:
        """Return what is needed to go on."""
        arrays = {"shifts_px": self.shifts_px, "factors": self.factors, "r_factors": self.r_factors}
        return CheckpointState(
            arrays=arrays, record={"moves_px": list(self.moves_px), "is_converged": self.is_converged}
        )

    @classmethod
    def of_checkpoint(cls, state: CheckpointState) -> Self:
        """Return the state that `as_checkpoint` kept."""
        return cls(
            shifts_px=state.arrays["shifts_px"],
            factors=state.arrays["factors"],
            r_factors=state.arrays["r_factors"],
            moves_px=cast("list[float]", list(cast("list", state.record["moves_px"]))),
            is_converged=bool(state.record["is_converged"]),
        )


def apply_alignment(images: Views, alignment: TiltAlignment, pixel_size_nm: float | None) -> TiltSeries:
    """Return the images that are used in the middle, one as bright as the other, zero beside the sample.

    An image that is neither shifted nor scaled stays as it is, to the bit.
    """
    used = alignment.is_used
    factors, background = (values[used, None, None] for values in (alignment.factors, alignment.background_counts))
    level = ((images[used] - background) / factors).astype(np.float32)
    shifts_px = alignment.shifts_px[used]
    strays = shifts_px.any(axis=1)
    level[strays] = centred(level[strays], shifts_px[strays])
    return TiltSeries.of(level, alignment.geometry, pixel_size_nm)


def turned_about_beam(geometry: TiltGeometry, axis_deg: float) -> TiltGeometry:
    """Return the geometry with its tilt axis turned in the images: Rz(axis) R Rz(-axis)."""
    if axis_deg == 0:
        return geometry
    return replace(geometry, euler_deg=geometry.euler_deg + np.array([axis_deg, 0.0, -axis_deg]))


def align_series(
    images: Views,
    geometry: TiltGeometry,
    params: AlignmentParams,
    *,
    near_deg: float = 0.0,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = ignore_progress,
) -> Alignment:
    """Find shifts and intensity factors of the images of a tilt series, and the tilt axis.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Counts, none of them bad: see `screen_tilts`.
    geometry : TiltGeometry
        Nominal angles; its shifts are not heeded.
    params : AlignmentParams
        Settings; a tilt axis left to the data is taken along rows, see `tilt_axis.likelier_axis`.
    near_deg : float
        Near which turn of the axis in the images it is looked for, if the settings do not give it.
    checkpoint : Checkpoint or None
        Where the state is kept after each round, and from which a killed run goes on.
    on_step : callable
        Told of every round.

    Notes
    -----
    Common lines and centres of mass first; then every image is matched to the reprojection of a volume from all [1]_,
    by least squares in shift and factor, until nothing moves. A move of the whole sample, which no image can tell, is
    taken out.
    """
    if len(images) < _FEWEST_TILTS:
        raise Refusal("too_few_tilts", expected=f"at least {_FEWEST_TILTS} sound tilts", got=f"{len(images)}")
    empty = estimate_background(images)
    background = empty.counts if params.background == "empty" else np.zeros(len(images))
    params = params.model_copy(update={"coarse": _coarse(params, float(empty.is_known.mean()))})
    clear = (images - background[:, None, None]).astype(np.float32)
    saved = None if checkpoint is None else checkpoint.load()
    axis_deg, is_at_bound = _axis_deg(clear, params, near_deg, saved)
    turned = turned_about_beam(geometry, axis_deg)
    small, factor = coarser_series(TiltSeries.of(clear, turned, None), params.max_edge_px)
    state = _first_state(clear, turned, params, factor) if saved is None else _State.of_checkpoint(saved)
    axis = {"axis_deg": axis_deg, "is_axis_at_bound": is_at_bound}
    _match(small, state, params, factor, axis, checkpoint, on_step)
    return Alignment(
        shifts_px=state.shifts_px * factor,
        factors=state.factors,
        background_counts=background,
        axis_deg=axis_deg,
        moves_px=np.array(state.moves_px) * factor,
        r_factors=state.r_factors,
        is_converged=state.is_converged,
        is_axis_at_bound=is_at_bound,
    )


def _image_axis(params: AlignmentParams) -> ImageAxis:
    """Return the axis that the geometry is about: that of rows where it was left to the data."""
    return "rows" if params.tilt_axis == "auto" else params.tilt_axis


def _coarse(params: AlignmentParams, share_with_room: float) -> Literal["common_line", "neighbours"]:
    if params.coarse != "auto":
        return params.coarse
    return "common_line" if share_with_room >= _LEAST_WITH_ROOM else "neighbours"


def _axis_deg(
    images: Views, params: AlignmentParams, near_deg: float, saved: CheckpointState | None
) -> tuple[float, bool]:
    if saved is not None:
        return float(cast("float", saved.record["axis_deg"])), bool(saved.record["is_axis_at_bound"])
    if params.axis_deg is not None:
        return params.axis_deg, False
    if params.coarse == "neighbours":
        return near_deg, False
    return find_axis_deg(images, _image_axis(params), params.max_axis_deg, near_deg)


def _first_state(images: Views, geometry: TiltGeometry, params: AlignmentParams, factor: int) -> _State:
    axis = _image_axis(params)
    if params.coarse == "common_line":
        shifts, factors = coarse_alignment(images, axis)
    else:
        shifts = neighbour_shifts(images, geometry.tilts_deg, axis)
        factors = np.ones(len(images))
    shifts = shifts - shifts_of_move(common_shift(shifts, geometry), geometry) * (params.coarse == "neighbours")
    return _State(
        shifts_px=shifts / factor,
        factors=np.clip(factors, *_FACTOR_BOUNDS),
        moves_px=[],
        r_factors=np.full(len(images), np.nan),
    )


def _match(
    series: TiltSeries,
    state: _State,
    params: AlignmentParams,
    factor: int,
    axis: dict[str, float | bool],
    checkpoint: Checkpoint | None,
    on_step: OnStep,
) -> None:
    """Match images to reprojections, round by round, until they rest."""
    n_rows, n_cols = series.images.shape[1:]
    projector = make_projector(series.geometry, (n_cols, n_rows, n_cols), (n_rows, n_cols))
    settings = FastaParams(n_iterations=params.n_iterations, tolerance=1e-4)
    volume = None
    while len(state.moves_px) < params.n_rounds and not state.is_converged:
        level = series.images / state.factors[:, None, None].astype(np.float32)
        moved = centred(level, state.shifts_px)
        volume = fasta(projector, moved, settings, start=volume).volume
        projected = projector.forward(volume)
        steps, scales = match_images(moved, projected)
        steps -= shifts_of_move(common_shift(steps, series.geometry), series.geometry)
        state.shifts_px = state.shifts_px + steps
        if params.coarse == "neighbours":
            state.factors = np.clip(state.factors * scales / np.median(scales), *_FACTOR_BOUNDS)
        state.r_factors = r_factors(moved, projected)
        state.moves_px.append(float(np.sqrt(np.mean(steps**2))))
        state.is_converged = bool(np.percentile(np.abs(steps).max(axis=1), 95) * factor < params.tolerance_px)
        if checkpoint is not None:
            kept = state.as_checkpoint()
            checkpoint.save(replace(kept, record={**kept.record, **axis}))
        detail = f"moved {factor * state.moves_px[-1]:.3f} px"
        on_step(Progress(task="aligning", done=len(state.moves_px), total=params.n_rounds, detail=detail))


def match_images(images: Views, wanted: Views) -> tuple[Float[np.ndarray, "tilt 2"], Float[np.ndarray, " tilt"]]:
    """Return by how much images are shifted against wanted ones, in pixels, and how much brighter they are.

    Notes
    -----
    y = f (w - d . grad w) is solved by least squares; where that moves far, whole pixels are taken by correlation.
    """
    along_rows, along_cols = slopes_of(wanted)
    steps, scales = np.zeros((len(images), 2)), np.ones(len(images))
    for n, (image, other) in enumerate(zip(images, wanted, strict=True)):
        design = np.stack([other.ravel(), along_rows[n].ravel(), along_cols[n].ravel()]).astype(float)
        normal, seen = design @ design.T, design @ image.ravel().astype(float)
        if not np.linalg.cond(normal) < 1e12:
            continue
        scale, by_row, by_col = np.linalg.solve(normal, seen)
        scales[n] = max(scale, _FACTOR_BOUNDS[0])
        steps[n] = -np.array([by_row, by_col]) / scales[n]
    far = np.abs(steps).max(axis=1) > _LARGEST_STEP_PX
    if far.any():
        steps[far] = coarse_shifts(images[far], wanted[far])
    return steps, scales
