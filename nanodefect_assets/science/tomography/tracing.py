"""From a volume to candidates for atoms: steps I to IX of the thesis, section 2.3.

Thresholds are relative to the volume's own scale: noise is as deep as it is high, and atoms are about as bright as one
another.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.traced_atoms import PeakList
from nanodefect_assets.domain.volume import Volume, positions_of
from nanodefect_assets.science.tomography.gaussian_fits import Fits, Neighbours, fit_gaussians, model_volume
from nanodefect_assets.science.tomography.peak_search import (
    between_voxels,
    deepest_minimum,
    find_maxima,
    merge_near,
    without_near,
)
from nanodefect_assets.science.tomography.projector import Volume3D
from nanodefect_assets.science.tomography.tracing_params import TracingParams

_START_SIGMA_ANGSTROM = 0.6


def trace_peaks(volume: Volume, params: TracingParams, *, on_step: OnStep = ignore_progress) -> PeakList:
    """Find the peaks of a volume that may be atoms.

    Parameters
    ----------
    volume : Volume
        Calibrated volume.
    params : TracingParams
        Settings.
    on_step : callable
        Told of every round.

    Notes
    -----
    Steps of the thesis, section 2.3: maxima, those near a brighter one left out (I), Gaussian fits with neighbours
    taken away (II); rounds of subtracting all (III), adding what is left over (IV), refining (V), merging (VI) and
    refining (VII); a last refinement (IX). A volume in which nothing rises further than it falls has no atoms, but may
    have candidates: `PeakList.is_claimed` says which a volume alone justifies, refinement against the projections which
    they do.

    Raises
    ------
    Refusal
        If the volume is not calibrated or holds values that are not finite.
    """
    voxel = _require_calibrated(volume)
    values = gaussian_filter(volume.values, params.blur_angstrom / voxel) if params.blur_angstrom else volume.values
    median, depth = float(np.median(values)), deepest_minimum(values)
    threshold = median + _threshold(values, median, depth, params, voxel)
    found, _ = find_maxima(values, threshold)
    found = found[without_near(found * voxel, params.min_distance_angstrom)]
    if params.estimator == "parabola":
        heights = values[tuple(found.T)] - median
        at, sigma = between_voxels(values, found), np.full(len(found), np.nan)
    else:
        fits = _refined(values, _starts(values, found, voxel), params, voxel)
        fits = _rounds(values, fits, threshold, params, voxel, on_step)
        at, heights, sigma = fits[:, :3], fits[:, 3], fits[:, 4] * voxel
    on_step(Progress(task="tracing", done=1, total=1, detail=f"{len(at)} candidates"))
    return PeakList(
        positions_angstrom=positions_of(at, values.shape, voxel),
        height=heights.astype(float),
        sigma_angstrom=sigma,
        contrast=heights / depth if depth > 0 else np.full(len(at), np.inf),
    )


def require_atomic_resolution(
    voxel_size_angstrom: float, half_resolution_px: float | None, params: TracingParams
) -> None:
    """Refuse to look for atoms in a volume that does not part them.

    Parameters
    ----------
    voxel_size_angstrom : float
        Edge of a voxel.
    half_resolution_px : float or None
        Period, in voxels, down to which two halves of the images agree; None if they were not compared.
    params : TracingParams
        Settings.

    Raises
    ------
    Refusal
        If the images agree only down to coarser detail than `coarsest_resolution_angstrom`, or two voxels are coarser.

    Notes
    -----
    A series that was never aligned still has maxima, and atoms refined against it fit its faults. Halves of aligned
    measured series agree down to about one angstrom, those of raw ones with a drift of some pixels to several.
    """
    finest_px = 2.0 if half_resolution_px is None else max(2.0, half_resolution_px)
    resolution = finest_px * voxel_size_angstrom
    if resolution > params.coarsest_resolution_angstrom:
        raise Refusal(
            "atoms_not_resolved",
            expected=f"images that agree down to {params.coarsest_resolution_angstrom:g} angstrom, less than a bond",
            got=f"agreement down to {resolution:.3g} angstrom, at voxels of {voxel_size_angstrom:.3g}",
            advice="Align the series before it is dropped, take more tilts or a higher magnification; "
            "coarsest_resolution_angstrom of atoms/candidates lets coarser volumes through.",
        )


def _require_calibrated(volume: Volume) -> float:
    if volume.voxel_size_angstrom is None:
        raise Refusal("uncalibrated", expected="a volume with a voxel size", got="none", advice="Calibrate the images.")
    if not np.isfinite(volume.values).all():
        raise Refusal("not_finite", expected="finite values in the volume", got="others")
    return volume.voxel_size_angstrom


def _threshold(values: Volume3D, median: float, depth: float, params: TracingParams, voxel: float) -> float:
    """Return by how much a candidate rises above the median."""
    found, heights = find_maxima(values, median + depth)
    if not len(found):
        return params.noise_margin * depth
    kept = without_near(found * voxel, params.min_distance_angstrom)
    # The brightest half: what noise or streaks add is weaker.
    typical = float(np.median(heights[kept][: max(len(kept) // 2, 1)])) - median
    return max(params.min_share * typical, params.noise_margin * depth)


def _starts(values: Volume3D, found: np.ndarray, voxel: float) -> Fits:
    n = len(found)
    heights = values[tuple(found.T)] if n else np.empty(0)
    low = np.full(n, np.median(values))
    at = between_voxels(values, found) if n else np.empty((0, 3))
    return np.column_stack([at, heights - low, np.full(n, _START_SIGMA_ANGSTROM / voxel), low]).astype(float)


def near_pairs(positions: Float[np.ndarray, "peak 3"], distance: float) -> Neighbours:
    """Return the others within a distance of each position, as CSR: indices, and where those of each begin."""
    if not len(positions):
        return np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    pairs = KDTree(positions).query_pairs(distance, output_type="ndarray")
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    counts = np.bincount(both[:, 0], minlength=len(positions))
    return both[:, 1].astype(np.int64), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _refined(values: Volume3D, fits: Fits, params: TracingParams, voxel: float) -> Fits:
    for _ in range(params.n_fits if len(fits) else 0):
        neighbours = near_pairs(fits[:, :3], params.neighbour_angstrom / voxel)
        fits = fit_gaussians(values, fits, params.fit_radius_angstrom / voxel, neighbours)
    return fits


def _rounds(
    values: Volume3D, fits: Fits, threshold: float, params: TracingParams, voxel: float, on_step: OnStep
) -> Fits:
    least = params.min_distance_angstrom / voxel
    for n in range(params.n_rounds):
        rest = values - model_volume(fits, values.shape)
        added, _ = find_maxima(rest, threshold)
        added = added[without_near(added, least)]
        fits = _refined(values, np.concatenate([fits, _starts(rest, added, voxel)]), params, voxel)
        at, kept = merge_near(fits[:, :3], fits[:, 3] * fits[:, 4], least)
        fits = np.column_stack([at, fits[kept, 3:]])
        fits = _refined(values, fits, params, voxel)
        on_step(Progress(task="tracing", done=n + 1, total=params.n_rounds, detail=f"{len(fits)} candidates"))
    return _refined(values, fits, params, voxel) if params.n_rounds else fits
