"""From images as they came, or as scans were mended, to the alignment of a tilt series."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.checkpoint import Checkpoint
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_alignment import TiltAlignment
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.align import align_series, apply_alignment
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams
from nanodefect_assets.science.tomography.choice import choose_alignment
from nanodefect_assets.science.tomography.frame import fills_frame
from nanodefect_assets.science.tomography.grids import coarser_series
from nanodefect_assets.science.tomography.params import ReconstructionParams
from nanodefect_assets.science.tomography.quality import ShellCorrelation, shell_correlation
from nanodefect_assets.science.tomography.reconstruct import reconstruct
from nanodefect_assets.science.tomography.screen import leaving_tilts
from nanodefect_assets.science.tomography.shifting import common_shift, shifts_of_move
from nanodefect_assets.science.tomography.tilt_axis import AxisChoice, ImageAxis, choose_axis

Views = Float[np.ndarray, "tilt row col"]
Source = Literal["computed", "given", "stated", "found"]
_FEWEST_TILTS = 3


@dataclass(frozen=True, kw_only=True)
class FoundAlignment:
    """The alignment of a series and how it came about.

    Attributes
    ----------
    alignment : TiltAlignment
        What is done to every image.
    source : str
        computed; given by a person; stated to have come aligned; found to have come aligned.
    axis : AxisChoice
        Axis of the images that the stage tilted about, and how sure that is.
    axis_deg : float
        By how much the axis is turned in the images.
    moves_px : ndarray of shape (round,)
        How far images moved in each round of matching.
    is_converged : bool or None
        Whether they came to rest; None where nothing was matched.
    stray_px, factor_sd : float
        How far images were found to lie off, a common move aside, and the spread of their factors.
    is_axis_at_bound : bool
        Whether the axis may be turned by more than was looked for.
    """

    alignment: TiltAlignment
    source: Source
    axis: AxisChoice
    axis_deg: float = 0.0
    moves_px: Float[np.ndarray, " round"]
    is_converged: bool | None = None
    stray_px: float = 0.0
    factor_sd: float = 0.0
    is_axis_at_bound: bool = False

    @property
    def tilt_axis(self) -> ImageAxis:
        """Name of the axis: rows or columns."""
        return self.axis.axis

    @property
    def axis_offset_px(self) -> float:
        """Median place of the tilt axis off the centre of the used images, across the axis."""
        shifts_px = self.alignment.shifts_px[self.alignment.is_used]
        return float(np.median(shifts_px[:, 1 if self.tilt_axis == "rows" else 0]))

    @property
    def largest_shift_px(self) -> float:
        """Largest shift of a used image along rows or columns, from the median one."""
        shifts_px = self.alignment.shifts_px[self.alignment.is_used]
        return float(np.abs(shifts_px - np.median(shifts_px, axis=0)).max())


def nominal_geometry(
    images: Views,
    tilts_deg: Float[np.ndarray, " tilt"],
    why: dict[int, str],
    params: AlignmentParams,
    stated_deg: float | None = None,
) -> tuple[TiltGeometry, AxisChoice]:
    """Return the views that the stage's tilts stand for, and the tilt axis, for which a file may state one."""
    sound = [n for n in range(len(images)) if n not in why]
    known_deg = np.where(np.isfinite(tilts_deg), tilts_deg, 0.0)
    choice = choose_axis(images[sound], known_deg[sound], params, stated_deg)
    return TiltGeometry.about(known_deg, axis=choice.axis, is_reversed=params.is_tilt_reversed), choice


def take_alignment(
    images: Views,
    nominal: TiltGeometry,
    axis: AxisChoice,
    why: dict[int, str],
    given: TiltAlignment | None = None,
) -> FoundAlignment:
    """Return the alignment that a person gave, or none at all for a series that is stated to have come aligned."""
    came = TiltAlignment.as_it_came(nominal) if given is None else given
    alignment = came.without(why)
    _require_enough(int(alignment.is_used.sum()))
    shifts_px = alignment.shifts_px[alignment.is_used]
    return FoundAlignment(
        alignment=alignment,
        source="stated" if given is None else "given",
        axis=axis,
        moves_px=np.empty(0),
        stray_px=stray_px(shifts_px, alignment.geometry),
        factor_sd=float(alignment.factors[alignment.is_used].std()),
    )


def find_alignment(
    images: Views,
    nominal: TiltGeometry,
    axis: AxisChoice,
    why: dict[int, str],
    params: AlignmentParams,
    *,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = ignore_progress,
) -> FoundAlignment:
    """Align the sound images of a series, unless they came aligned.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Counts of every image of the file.
    nominal, axis : TiltGeometry, AxisChoice
        From `nominal_geometry`.
    why : mapping of int to str
        Images that are unsound, and why; see `screen_tilts`.
    params : AlignmentParams
        Settings.
    checkpoint : Checkpoint or None
        Where the state is kept after each round, and from which a killed run goes on.
    on_step : callable
        Told of every round.

    Notes
    -----
    A series whose images lie off by little is aligned only if its alignment comes to rest and its images then foretell
    one another better: measured shifts of an aligned series are noise. So it is with a film that goes on beside the
    frame: what enters at high tilt passes for a shift.

    Raises
    ------
    Refusal
        If fewer than three images are sound.
    """
    sound = np.array([n not in why for n in range(len(images))])
    if params.background == "empty":
        why = why | _leaving(images, sound)
        sound = np.array([n not in why for n in range(len(images))])
    _require_enough(int(sound.sum()))
    fixed = params.model_copy(update={"tilt_axis": axis.axis, "axis_deg": axis.axis_deg})
    found = align_series(
        images[sound], nominal.taken(sound), fixed, near_deg=axis.near_deg, checkpoint=checkpoint, on_step=on_step
    )
    aligned = found.of_tilts(nominal, sound, why)
    aligned = aligned.without(_far_off(aligned, images.shape[1:], params))
    _require_enough(int(aligned.is_used.sum()))
    stray, spread = stray_px(found.shifts_px, nominal.taken(sound)), float(found.factors.std())
    is_doubtful = stray < params.doubtful_stray_px and spread < params.doubtful_factor_sd
    is_doubtful = is_doubtful or fills_frame(images[sound])
    is_at_rest = found.is_converged or not len(found.moves_px)
    came = is_doubtful and not (is_at_rest and _is_better(images, aligned, nominal, params))
    return FoundAlignment(
        alignment=TiltAlignment.as_it_came(nominal).without(why) if came else aligned,
        source="found" if came else "computed",
        axis=axis.settled(0.0 if came else found.axis_deg),
        axis_deg=0.0 if came else found.axis_deg,
        moves_px=found.moves_px,
        is_converged=found.is_converged if len(found.moves_px) else None,
        stray_px=stray,
        factor_sd=spread,
        is_axis_at_bound=found.is_axis_at_bound,
    )


def _require_enough(n_used: int) -> None:
    if n_used < _FEWEST_TILTS:
        raise Refusal(
            "too_few_tilts",
            expected=f"at least {_FEWEST_TILTS} sound tilts",
            got=f"{n_used}",
            advice="The table refused and the log say what is wrong with the others.",
        )


def _leaving(images: Views, sound: np.ndarray) -> dict[int, str]:
    places = np.flatnonzero(sound)
    return {int(places[n]): reason for n, reason in leaving_tilts(images[sound]).items()}


def _far_off(aligned: TiltAlignment, shape: tuple[int, ...], params: AlignmentParams) -> dict[int, str]:
    middle = np.median(aligned.shifts_px[aligned.is_used], axis=0)
    away = np.abs(aligned.shifts_px - middle).max(axis=1)
    most_px = params.max_shift_share * min(shape)
    return {
        int(n): f"seems shifted by {away[n]:.0f} px, more than {most_px:.0f}" for n in np.flatnonzero(away > most_px)
    }


def stray_px(shifts_px: Float[np.ndarray, "tilt 2"], geometry: TiltGeometry) -> float:
    """Return how far images lie off, root mean square, without what a move of the whole sample explains."""
    own = shifts_px - shifts_of_move(common_shift(shifts_px, geometry), geometry)
    return float(np.sqrt((own**2).sum(axis=1).mean()))


def _is_better(images: Views, aligned: TiltAlignment, nominal: TiltGeometry, params: AlignmentParams) -> bool:
    """Whether the images foretell one another better as aligned than moved as a whole, which makes no other sample.

    Both versions lose their background, and their edges to a move: else less noise alone would be foretold better.
    """
    used = aligned.is_used
    views = nominal.taken(used)
    moved_px = np.zeros((len(aligned), 2))
    moved_px[used] = shifts_of_move(common_shift(aligned.shifts_px[used], views), views)
    before = replace(aligned, shifts_px=moved_px, factors=np.ones(len(aligned)), euler_deg=nominal.euler_deg)
    versions = [apply_alignment(images, one, None) for one in (before, aligned)]
    return choose_alignment(versions[0], versions[1], params.max_edge_px).is_better


def compare_scan_halves(first: TiltSeries, second: TiltSeries, max_edge_px: int) -> ShellCorrelation:
    """Return how well the volumes from the scans at 0 and those at 90 degrees agree, on a coarse grid."""
    params = ReconstructionParams(n_levels=1)
    small = [coarser_series(series, max_edge_px)[0] for series in (first, second)]
    volumes = [reconstruct(series, params).volume.values for series in small]
    return shell_correlation(volumes[0], volumes[1], first.geometry)
