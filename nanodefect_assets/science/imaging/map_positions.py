"""Where the tiles of a map lie, from the offsets of all pairs at once.

Offsets along one way through the map add up their errors; least squares over all pairs does not, and a pair that
contradicts the others stands out [1]_.

References
----------
.. [1] Preibisch, Saalfeld, Tomancak, Globally optimal stitching of tiled 3D microscopic image acquisitions,
   doi:10.1093/bioinformatics/btp184.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.science.imaging.overlaps import Overlaps, Tiles, find_overlaps, refine_offset
from nanodefect_assets.science.imaging.params import OverlapParams


@dataclass(frozen=True, kw_only=True)
class Located:
    """Tiles in their places.

    Attributes
    ----------
    corners_px : ndarray of shape (tile, 2)
        Upper left corners ``(row, col)``, in pixels.
    overlaps : Overlaps
        Pairs that overlap, with the offsets that follow from these corners.
    is_used : ndarray of shape (pair,)
        Whether the offset that the two tiles show is among those that the places follow from.
    residuals_px : ndarray of shape (pair,)
        Distance between that offset and the one that holds; NaN where the tiles show none.
    is_judged : ndarray of shape (pair,)
        Whether the overlap is large and rich enough to tell.
    """

    corners_px: Float[np.ndarray, "tile 2"]
    overlaps: Overlaps
    is_used: Bool[np.ndarray, " pair"]
    residuals_px: Float[np.ndarray, " pair"]
    is_judged: Bool[np.ndarray, " pair"]


@dataclass(frozen=True, kw_only=True)
class Alike:
    """What the overlaps of a map tell of the places of its tiles.

    Attributes
    ----------
    n_pairs : int
        Pairs of tiles that overlap.
    n_looked_at : int
        Those at which was looked.
    n_judged : int
        Those of them that are large enough, and show enough, to tell.
    n_alike : int
        Those of them in which both tiles show the same.
    n_parts : int
        Parts into which the map falls: tiles of two parts overlap nowhere.
    largest_correction_px : float
        How far, at most, two of the tiles that show the same lie from where their positions put them, in pixels.
    """

    n_pairs: int
    n_looked_at: int
    n_judged: int
    n_alike: int
    n_parts: int
    largest_correction_px: float

    @property
    def share(self) -> float:
        """Share of those that were looked at in which both tiles show the same; 0 if no pair overlaps."""
        return self.n_alike / max(self.n_looked_at, 1)


def locate_tiles(
    tiles: Tiles,
    corners_px: Float[np.ndarray, "tile 2"],
    shapes: Int[np.ndarray, "tile 2"],
    params: OverlapParams,
    on_step: OnStep = ignore_progress,
) -> Located:
    """Return where tiles lie, from where the stage says they do and from what they show.

    Parameters
    ----------
    tiles : Tiles
        Arrays of shape (row, col); each is asked for once a pair.
    corners_px : ndarray of shape (tile, 2)
        Upper left corners ``(row, col)`` as the stage has them, in pixels.
    shapes : ndarray of shape (tile, 2)
        Shapes ``(row, col)``, so that no tile is read for its shape alone.
    """
    overlaps = find_overlaps(corners_px, shapes, params)
    offsets, is_believed = overlaps.offsets_px.copy(), np.zeros(len(overlaps), dtype=bool)
    is_judged = is_believed.copy()
    for at, (first, second) in enumerate(overlaps.pairs):
        on_step(Progress(task="aligning tiles", done=at, total=len(overlaps)))
        refined = refine_offset(tiles[first], tiles[second], overlaps.offsets_px[at], params)
        offsets[at], is_believed[at], is_judged[at] = refined.offset_px, refined.is_believed, refined.is_judged
    seen = Overlaps(pairs=overlaps.pairs, offsets_px=offsets)
    corners, is_used, residuals = solve_positions(corners_px, seen, is_believed, params)
    held = Overlaps(pairs=seen.pairs, offsets_px=corners[seen.pairs[:, 1]] - corners[seen.pairs[:, 0]])
    return Located(corners_px=corners, overlaps=held, is_used=is_used, residuals_px=residuals, is_judged=is_judged)


def count_alike(
    tiles: Tiles,
    corners_px: Float[np.ndarray, "tile 2"],
    shapes: Int[np.ndarray, "tile 2"],
    params: OverlapParams,
    *,
    most: int,
) -> Alike:
    """Count, among some of the pairs that overlap by their places, those in which both tiles show the same.

    Parameters
    ----------
    tiles, corners_px, shapes : Tiles, ndarray, ndarray
        As for `locate_tiles`.
    most : int
        At so many pairs is looked, spread over the map.
    """
    overlaps = find_overlaps(corners_px, shapes, params)
    chosen = np.unique(np.linspace(0, len(overlaps) - 1, min(most, len(overlaps))).round().astype(int))
    stage = overlaps.offsets_px[chosen]
    looked = [
        refine_offset(tiles[first], tiles[second], offset, params)
        for (first, second), offset in zip(overlaps.pairs[chosen], stage, strict=True)
    ]
    corrections = [np.hypot(*(one.offset_px - at)) for one, at in zip(looked, stage, strict=True) if one.is_believed]
    return Alike(
        n_pairs=len(overlaps),
        n_looked_at=len(chosen),
        n_judged=sum(one.is_judged for one in looked),
        n_alike=sum(one.is_believed for one in looked),
        n_parts=len(set(number_parts(len(shapes), find_overlaps(corners_px, shapes, any_overlap(params)).pairs))),
        largest_correction_px=float(max(corrections, default=0.0)),
    )


def any_overlap(params: OverlapParams) -> OverlapParams:
    """Return parameters by which tiles overlap if they share a pixel, too few to compare them or not."""
    return params.model_copy(update={"min_overlap_px": 1})


def number_parts(n_tiles: int, pairs: Int[np.ndarray, "pair 2"]) -> Int[np.ndarray, " tile"]:
    """Return for each tile the number of the part that it belongs to, of tiles that `pairs` join, from 0."""
    joined = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(n_tiles, n_tiles))
    return connected_components(joined, directed=False)[1]


def solve_positions(
    corners_px: Float[np.ndarray, "tile 2"],
    overlaps: Overlaps,
    is_believed: Bool[np.ndarray, " pair"],
    params: OverlapParams,
) -> tuple[Float[np.ndarray, "tile 2"], Bool[np.ndarray, " pair"], Float[np.ndarray, " pair"]]:
    """Return the corners that fit all offsets best, which pairs they follow from, and how far each pair is off.

    Parameters
    ----------
    corners_px : ndarray of shape (tile, 2)
        Corners as the stage has them.
    overlaps : Overlaps
        Pairs with the offsets that the tiles show.
    is_believed : ndarray of shape (pair,)
        Which of these offsets are to be used.

    Notes
    -----
    Minimised is the sum over pairs of ``|p_j - p_i - d_ij|^2 / s_d^2`` and over tiles of ``|p_i - stage_i|^2 / s_p^2``,
    with the standard deviations of `params`. The second part ties together what no overlap joins, and leaves a tile
    without a neighbour where the stage has it. Pairs further off than the bound are left out, the worst first.
    """
    stage = np.asarray(corners_px, dtype=float)
    is_used = np.asarray(is_believed, dtype=bool).copy()
    while True:
        corners = _least_squares(stage, overlaps, is_used, params)
        apart = corners[overlaps.pairs[:, 1]] - corners[overlaps.pairs[:, 0]] - overlaps.offsets_px
        residuals = np.hypot(*apart.T)
        worst = residuals[is_used].max(initial=0.0)
        if worst <= params.max_residual_px:
            return corners, is_used, np.where(is_believed, residuals, np.nan)
        is_used &= residuals < max(0.8 * worst, params.max_residual_px)


def _least_squares(
    stage: Float[np.ndarray, "tile 2"], overlaps: Overlaps, is_used: Bool[np.ndarray, " pair"], params: OverlapParams
) -> Float[np.ndarray, "tile 2"]:
    first, second = overlaps.pairs[is_used].T
    n_pairs, n_tiles = len(first), len(stage)
    rows = np.arange(n_pairs)
    ends = (np.r_[rows, rows], np.r_[second, first])
    differences = csr_array((np.r_[np.ones(n_pairs), -np.ones(n_pairs)], ends), shape=(n_pairs, n_tiles))
    weight = (params.stage_error_px / params.offset_error_px) ** 2
    normal = weight * (differences.T @ differences) + diags_array(np.ones(n_tiles))
    moved = overlaps.offsets_px[is_used] - (stage[second] - stage[first])
    return stage + splu(normal.tocsc()).solve(weight * (differences.T @ moved))
