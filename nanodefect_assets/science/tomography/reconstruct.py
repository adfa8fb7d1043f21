"""From an aligned tilt series to a volume."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.checkpoint import Checkpoint
from nanodefect_assets.domain.progress import OnStep, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.domain.volume import Volume
from nanodefect_assets.science.tomography.backends import SelfTest, check_projector, make_projector
from nanodefect_assets.science.tomography.fasta import Solved, fasta
from nanodefect_assets.science.tomography.fbp import filtered_back_projection
from nanodefect_assets.science.tomography.grids import doubled, halved
from nanodefect_assets.science.tomography.memory import require_memory
from nanodefect_assets.science.tomography.params import ReconstructionParams
from nanodefect_assets.science.tomography.projector import Projector, Views, Volume3D
from nanodefect_assets.science.tomography.quality import (
    ShellCorrelation,
    mass_error,
    noise_r_factors,
    r_factor,
    r_factors,
    shell_correlation,
)
from nanodefect_assets.science.tomography.shadow import shadow_support
from nanodefect_assets.science.tomography.sirt import sirt

_FEWEST_TILTS = 3
_SMALLEST_EDGE = 16
"""No coarser grid than this."""
_SAME_ANGLE_DEG = 1e-3


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A volume, and how well it explains the images.

    Attributes
    ----------
    volume : Volume
        The result.
    misfits : ndarray of shape (iteration,)
        |A x - y| / |y| after each iteration at the finest grid.
    r_factors : ndarray of shape (tilt,)
        sum||y| - |A x|| / sum|y| of each tilt.
    noise_r_factors : ndarray of shape (tilt,)
        What noise alone would leave of it.
    r_factor : float
        The same over all tilts.
    mass_error : float
        Sum of the volume over the median sum of an image, less 1.
    self_test : SelfTest
        What the projector was found to do.
    is_converged : bool
        Whether it ended by its tolerance.
    """

    volume: Volume
    misfits: Float[np.ndarray, " iteration"]
    r_factors: Float[np.ndarray, " tilt"]
    noise_r_factors: Float[np.ndarray, " tilt"]
    r_factor: float
    mass_error: float
    self_test: SelfTest
    is_converged: bool


def reconstruct(
    series: TiltSeries,
    params: ReconstructionParams,
    *,
    support: Bool[np.ndarray, "z y x"] | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep = ignore_progress,
) -> Reconstruction:
    """Reconstruct the volume that an aligned tilt series shows.

    Parameters
    ----------
    series : TiltSeries
        Aligned images; angles and shifts are taken as they are.
    params : ReconstructionParams
        Settings.
    support : ndarray of bool, of shape (z, y, x), or None
        Where the sample may be; None for what the settings say.
    checkpoint : Checkpoint or None
        Where the state at the finest grid is kept, and from which a killed run goes on.
    on_step : callable
        Told of every iteration.

    Raises
    ------
    Refusal
        If the series cannot be reconstructed: fewer than three tilts, values that are not finite, an angle that occurs
        twice, nothing in the images, a support without voxels, or more memory needed than there is.
    """
    check_series(series)
    shape = _volume_shape(series, params)
    _check_support(support, shape)
    _check_memory(series, shape, params)
    self_test = check_projector(series.geometry, params.backend)
    self_test.require()
    prepared = _prepared(series, params)
    projector = make_projector(
        prepared.geometry, shape, cast("tuple[int, int]", prepared.images.shape[1:]), params.backend
    )
    solved = _solve(prepared, projector, params, support, checkpoint, on_step)
    kept = _cropped(solved.volume, series, params)
    projected, images = projector.forward(solved.volume), prepared.images
    voxel_size = None if series.pixel_size_nm is None else 10 * series.pixel_size_nm
    return Reconstruction(
        volume=Volume(values=kept, voxel_size_angstrom=voxel_size),
        misfits=solved.misfits,
        r_factors=r_factors(images, projected),
        noise_r_factors=noise_r_factors(images),
        r_factor=r_factor(images, projected),
        mass_error=mass_error(solved.volume, images),
        self_test=self_test,
        is_converged=solved.is_converged,
    )


def compare_halves(
    series: TiltSeries, params: ReconstructionParams, *, on_step: OnStep = ignore_progress
) -> ShellCorrelation:
    """Return how well the volumes from the even and from the odd images, in order of tilt, agree."""
    order = np.argsort(series.geometry.tilts_deg, kind="stable")
    halves = [_solve_alone(series.taken(order[first::2]), params, on_step) for first in (0, 1)]
    return shell_correlation(halves[0], halves[1], series.geometry)


def _solve_alone(series: TiltSeries, params: ReconstructionParams, on_step: OnStep) -> Volume3D:
    prepared, shape = _prepared(series, params), _volume_shape(series, params)
    image_shape = cast("tuple[int, int]", prepared.images.shape[1:])
    projector = make_projector(prepared.geometry, shape, image_shape, params.backend)
    return _cropped(_solve(prepared, projector, params, None, None, on_step).volume, series, params)


def check_series(series: TiltSeries) -> None:
    """Refuse a series that no volume can be had from."""
    if len(series) < _FEWEST_TILTS:
        raise Refusal("too_few_tilts", expected=f"at least {_FEWEST_TILTS} tilts", got=f"{len(series)}")
    bad = np.flatnonzero(~np.isfinite(series.images).all(axis=(1, 2)))
    if len(bad):
        raise Refusal(
            "not_finite",
            expected="finite values in every image",
            got=f"others in {len(bad)} of {len(series)}, first in image {bad[0]}",
            advice="Leave these images out or mend their pixels.",
        )
    if not np.any(series.images):
        raise Refusal("blank_images", expected="images that show something", got="zero everywhere")
    _check_angles(series)


def _check_angles(series: TiltSeries) -> None:
    order = np.lexsort(series.geometry.euler_deg.T)
    for before, after in pairwise(order):
        if np.abs(series.geometry.euler_deg[after] - series.geometry.euler_deg[before]).max() < _SAME_ANGLE_DEG:
            raise Refusal(
                "duplicate_angle",
                expected="every angle once",
                got=f"{series.geometry.tilts_deg[before]:g} degrees in images {sorted(map(int, (before, after)))}",
                advice="Average images of one angle, or correct the angles.",
            )


def _check_support(support: Bool[np.ndarray, "z y x"] | None, shape: tuple[int, int, int]) -> None:
    if support is None:
        return
    if support.shape != shape:
        raise ValueError(f"Expected a support of shape {shape}. Got {support.shape}.")
    if not support.any():
        raise Refusal("empty_support", expected="a support with voxels in it", got="none")


def memory_bytes(
    volume_shape: tuple[int, int, int], views_shape: tuple[int, int, int], params: ReconstructionParams
) -> int:
    """Return about how much memory a reconstruction needs at its peak."""
    n_voxels, n_pixels = int(np.prod(volume_shape)), int(np.prod(views_shape))
    is_matrix = params.backend in ("auto", "matrix")
    entries = 2 * views_shape[0] * views_shape[2] * 2 * max(volume_shape[0], volume_shape[2]) * 8 if is_matrix else 0
    grid = 0 if params.backend == "matrix" else int(2.2 * 4 * 1.25**3 * n_voxels)
    points = 0 if params.backend == "matrix" else 40 * n_pixels
    return 4 * (8 * n_voxels + 10 * n_pixels) + max(entries, grid + points)


def _check_memory(series: TiltSeries, shape: tuple[int, int, int], params: ReconstructionParams) -> None:
    needed = memory_bytes(shape, cast("tuple[int, int, int]", series.images.shape), params)
    allowed = None if params.max_memory_gb is None else int(params.max_memory_gb * 1e9)
    require_memory(
        needed, f"{' x '.join(map(str, shape))} voxels and {len(series)} tilts; depth_px takes less", allowed
    )


def _margins(series: TiltSeries, params: ReconstructionParams) -> tuple[int, int]:
    """Return by how many voxels the volume is larger than the images, on each side, along y and x."""
    n_rows, n_cols = series.images.shape[1:]
    return 0 if series.geometry.is_single_axis else round(n_rows * params.padding / 2), round(
        n_cols * params.padding / 2
    )


def _volume_shape(series: TiltSeries, params: ReconstructionParams) -> tuple[int, int, int]:
    n_rows, n_cols = series.images.shape[1:]
    along_y, along_x = _margins(series, params)
    depth = n_cols + 2 * along_x if params.depth_px is None else params.depth_px
    return depth, n_rows + 2 * along_y, n_cols + 2 * along_x


def _prepared(series: TiltSeries, params: ReconstructionParams) -> TiltSeries:
    """Return the series levelled and without its background."""
    levelled = series.levelled()
    if params.background == "none":
        return levelled
    return replace(levelled, images=levelled.images - border_level(levelled.images)[:, None, None])


def border_level(images: Views) -> Float[np.ndarray, " tilt"]:
    """Return the median of the outermost pixels of each image."""
    edges = [images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]]
    return np.median(np.concatenate(edges, axis=1), axis=1).astype(np.float32)


def _solve(
    series: TiltSeries,
    projector: Projector,
    params: ReconstructionParams,
    support: Bool[np.ndarray, "z y x"] | None,
    checkpoint: Checkpoint | None,
    on_step: OnStep,
) -> Solved:
    if params.method == "fbp":
        volume = filtered_back_projection(projector, series.images, series.geometry)
        return Solved(volume=volume, misfits=np.empty(0), residuals=np.empty(0))
    if params.method == "sirt":
        return sirt(projector, series.images, params.n_iterations, on_step=on_step)
    if support is None and params.support == "shadow":
        support = shadow_support(series.images, series.geometry, projector.volume_shape)
    is_begun = checkpoint is not None and checkpoint.load() is not None
    start = None if is_begun else _coarse_start(series, projector.volume_shape, params, params.n_levels, on_step)
    return fasta(projector, series.images, params, start=start, support=support, checkpoint=checkpoint, on_step=on_step)


def _coarse_start(
    series: TiltSeries, shape: tuple[int, int, int], params: ReconstructionParams, n_levels: int, on_step: OnStep
) -> Volume3D | None:
    """Return the solution on the next coarser grid, which itself starts from a coarser one, on the grid of `shape`."""
    if n_levels < 2 or min(*shape, *series.images.shape[1:]) < 2 * _SMALLEST_EDGE:
        return None
    coarse = halved(series)
    coarse_shape = cast("tuple[int, int, int]", tuple(n // 2 for n in shape))
    projector = make_projector(
        coarse.geometry, coarse_shape, cast("tuple[int, int]", coarse.images.shape[1:]), params.backend
    )
    start = _coarse_start(coarse, coarse_shape, params, n_levels - 1, on_step)
    return doubled(fasta(projector, coarse.images, params, start=start, on_step=on_step).volume, shape)


def _cropped(volume: Volume3D, series: TiltSeries, params: ReconstructionParams) -> Volume3D:
    """Return the part of the volume behind the images' frame, its centre at index N // 2."""
    n_rows, n_cols = series.images.shape[1:]
    depth = n_cols if params.depth_px is None else params.depth_px
    first = [size // 2 - kept // 2 for size, kept in zip(volume.shape, (depth, n_rows, n_cols), strict=True)]
    return np.ascontiguousarray(
        volume[first[0] : first[0] + depth, first[1] : first[1] + n_rows, first[2] : first[2] + n_cols]
    )
