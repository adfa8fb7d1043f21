"""Which way the tilt axis runs in the images of a series, and how sure that is."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.align import align_series
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams
from nanodefect_assets.science.tomography.grids import coarser_series

ImageAxis = Literal["rows", "columns"]
_QUICK = {"n_rounds": 2, "max_axis_deg": 0.0}
_EDGE_PX, _N_ITERATIONS = 32, 12
"""Grid and iterations that tell a particle's axis as well as finer ones do, in a tenth of the time."""
_HALF_TURN_WITHIN_DEG, _MOST_PAIRS = 1.0, 3
_MIRROR_EDGE_PX, _MIRROR_STEP_DEG = 64, 2.0
_LEAST_LIKENESS = 0.9
_FEWEST_TILTS = 3
_SAME_LINE_DEG = 5.0
"""To which the axes that files state are known: coils are adjusted no better."""
_FAR_DEG, _LEAST_LEAD = 20.0, 0.02
"""How far from the best line others are compared with it, and by how much it must be better: a ball has any line."""
_CLEARLY, _SURELY = 0.9, 0.8
"""Of two misfits, below which the smaller is not so by chance, and below which nobody needs to look."""


@dataclass(frozen=True, kw_only=True)
class AxisChoice:
    """The axis that is taken, and how well reprojections about both fit.

    Attributes
    ----------
    axis : str
        rows: along the rows' index, vertical; columns: horizontal.
    misfits : tuple of float or None
        sum|y - A x| / sum|y| about rows and about columns; None where a person gave the axis, or opposite
        views showed it.
    axis_deg : float or None
        By how much it is turned in the images, from columns towards rows; None where that is left to alignment.
    near_deg : float
        Near which turn alignment is to look for it.
    is_against_file : bool
        Whether the file states another axis.
    """

    axis: ImageAxis
    misfits: tuple[float, float] | None = None
    axis_deg: float | None = None
    near_deg: float = 0.0
    is_against_file: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether the images do not surely tell: the smaller misfit is more than 0.8 of the other."""
        return self.misfits is not None and not min(self.misfits) < _SURELY * max(self.misfits)


def choose_axis(
    images: Float[np.ndarray, "tilt row col"],
    tilts_deg: Float[np.ndarray, " tilt"],
    params: AlignmentParams,
    stated_deg: float | None = None,
) -> AxisChoice:
    """Return the tilt axis of a series.

    Parameters
    ----------
    images, tilts_deg : ndarray of shape (tilt, row, col) and (tilt,)
        Sound images and their nominal tilts.
    params : AlignmentParams
        Settings; what a person gave there holds.
    stated_deg : float or None
        Axis that the file states, in degrees from vertical, counterclockwise.

    Notes
    -----
    After a person's word comes what views half a turn apart show; else the axis that the file states, or the vertical
    one, unless images fit clearly better about the line at right angles to it.
    """
    line_deg = None if stated_deg is None else _folded(90 - stated_deg)
    choice = _chosen(images, tilts_deg, params, line_deg)
    return choice if line_deg is None else replace(choice, is_against_file=_differs(choice, line_deg))


def _chosen(
    images: Float[np.ndarray, "tilt row col"],
    tilts_deg: Float[np.ndarray, " tilt"],
    params: AlignmentParams,
    line_deg: float | None,
) -> AxisChoice:
    seen_deg = None if params.axis_deg is not None else mirror_axis_deg(images, tilts_deg)
    if seen_deg is not None:
        axis, turn_deg = _turn_of(seen_deg)
        if params.tilt_axis in ("auto", axis):
            return AxisChoice(axis=axis, axis_deg=turn_deg)
    usual, near_deg = ("rows", 0.0) if line_deg is None else _turn_of(line_deg)
    if params.tilt_axis != "auto":
        near_deg = near_deg if params.tilt_axis == usual else 0.0
        return AxisChoice(axis=params.tilt_axis, axis_deg=params.axis_deg, near_deg=near_deg)
    near_deg = near_deg if params.axis_deg is None else params.axis_deg
    if len(images) < _FEWEST_TILTS:
        return AxisChoice(axis=usual, axis_deg=params.axis_deg, near_deg=near_deg)
    found = likelier_axis(images, tilts_deg, params.model_copy(update={"axis_deg": near_deg}), usual)
    return replace(found, axis_deg=params.axis_deg, near_deg=near_deg)


def _folded(line_deg: float) -> float:
    """Return the angle of a line, which is the same half a turn on, from -90 to 90."""
    return float((line_deg + 90) % 180 - 90)


def _turn_of(line_deg: float) -> tuple[ImageAxis, float]:
    """Return the axis of the images nearest to a line, from columns towards rows, and by how much that is turned."""
    if abs(line_deg) <= 45:
        return "columns", float(line_deg)
    return "rows", float(line_deg - np.copysign(90, line_deg))


def _differs(choice: AxisChoice, line_deg: float) -> bool:
    turn_deg = choice.near_deg if choice.axis_deg is None else choice.axis_deg
    taken_deg = turn_deg if choice.axis == "columns" else turn_deg + 90
    return abs(_folded(taken_deg - line_deg)) > _SAME_LINE_DEG


def mirror_axis_deg(images: Float[np.ndarray, "tilt row col"], tilts_deg: Float[np.ndarray, " tilt"]) -> float | None:
    """Return the line in which views half a turn apart are mirror images, in degrees from columns towards rows.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Sound images, which may stray.
    tilts_deg : ndarray of shape (tilt,)
        Nominal tilts.

    Returns
    -------
    angle : float or None
        From -90 to 90. None if no two views are half a turn apart, if they mirror in no line, or in any.

    Notes
    -----
    What is seen against the beam is what is seen along it, mirrored in the tilt axis, however the sample is made: this
    tells the axis of a rod too.
    """
    from scipy.ndimage import gaussian_filter

    apart = np.abs(np.abs(tilts_deg[:, None] - tilts_deg) - 180) < _HALF_TURN_WITHIN_DEG
    pairs = np.argwhere(np.triu(apart))[:_MOST_PAIRS]
    if not len(pairs):
        return None
    chosen = np.unique(pairs)
    series = TiltSeries.of(images[chosen].astype(np.float32), TiltGeometry.single_axis(tilts_deg[chosen]), None)
    small = coarser_series(series, _MIRROR_EDGE_PX)[0].images
    # Turned images are interpolated, and less noisy for it: smoothed ones have nothing to gain.
    small = gaussian_filter(small, (0, 1, 1))
    level = small - np.median(small, axis=(1, 2), keepdims=True)
    tried = np.arange(-90.0, 90.0, _MIRROR_STEP_DEG)
    firsts, seconds = (level[np.searchsorted(chosen, pairs[:, side])] for side in (0, 1))
    likeness = np.array([_mirror_likeness(firsts, seconds, angle) for angle in tried])
    best = int(np.argmax(likeness))
    away = np.abs((tried - tried[best] + 90) % 180 - 90) > _FAR_DEG
    if likeness[best] < _LEAST_LIKENESS or likeness[best] < likeness[away].max() + _LEAST_LEAD:
        return None
    before, here, after = likeness[best - 1], likeness[best], likeness[(best + 1) % len(tried)]
    found_deg = tried[best] + _MIRROR_STEP_DEG * 0.5 * (before - after) / (before - 2 * here + after)
    return _folded(found_deg)


def _mirror_likeness(
    firsts: Float[np.ndarray, "pair row col"], seconds: Float[np.ndarray, "pair row col"], angle_deg: float
) -> float:
    """Return how alike images are when one is mirrored in a line at this angle and moved to fit, at most 1."""
    from scipy.ndimage import rotate

    upright, other = (rotate(one, angle_deg, axes=(1, 2), reshape=False, order=1) for one in (firsts, seconds))
    mirrored = other[:, ::-1]
    crossed = np.fft.ifft2(np.fft.fft2(upright) * np.conj(np.fft.fft2(mirrored))).real.max(axis=(1, 2))
    sizes = np.sqrt((upright**2).sum(axis=(1, 2)) * (mirrored**2).sum(axis=(1, 2)))
    return float(np.mean(crossed / np.maximum(sizes, 1e-30)))


def likelier_axis(
    images: Float[np.ndarray, "tilt row col"],
    tilts_deg: Float[np.ndarray, " tilt"],
    params: AlignmentParams,
    usual: ImageAxis = "rows",
) -> AxisChoice:
    """Return the axis of the images about which their reprojections fit them better, after two rounds on a coarse grid.

    Notes
    -----
    It is the usual one unless the other fits better by a tenth; both turned by `params.axis_deg`, if given. Profiles
    along the axis do not tell: of a rod they are alike in both directions. A rod turned about its own length does not
    tell at all: see `AxisChoice.is_doubtful`.
    """
    coarse = {
        "n_iterations": min(params.n_iterations, _N_ITERATIONS),
        "max_edge_px": min(params.max_edge_px, _EDGE_PX),
    }
    errors: dict[ImageAxis, float] = {}
    for axis in ("rows", "columns"):
        tried = params.model_copy(update={**_QUICK, **coarse, "tilt_axis": axis})
        geometry = TiltGeometry.about(tilts_deg, axis=axis, is_reversed=params.is_tilt_reversed)
        errors[axis] = float(np.nanmean(align_series(images, geometry, tried).r_factors))
    other: ImageAxis = "columns" if usual == "rows" else "rows"
    is_other = errors[other] < _CLEARLY * errors[usual]
    return AxisChoice(axis=other if is_other else usual, misfits=(errors["rows"], errors["columns"]))
