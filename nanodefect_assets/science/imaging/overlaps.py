"""Which tiles of a map overlap, and by how much exactly: positions of the stage, refined on what both tiles show.

A stage is off by many pixels; what two tiles show of the same specimen is not. The offset of each pair is refined by
phase correlation of their overlap [1]_, and believed only where the two then really look alike.

References
----------
.. [1] Guizar-Sicairos, Thurman, Fienup, Efficient subpixel image registration algorithms, doi:10.1364/OL.33.000156;
   as a way to stitch tiles: Preibisch, Saalfeld, Tomancak, doi:10.1093/bioinformatics/btp184.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int
from scipy import fft
from scipy.signal.windows import tukey
from scipy.spatial import cKDTree
from skimage.registration import phase_cross_correlation

from nanodefect_assets.science.imaging.params import OverlapParams

_Image = Float[np.ndarray, "row col"]
_Corners = Float[np.ndarray, "tile 2"]
_N_STEPS = 4
_TAPERED = 0.5
_LEAST_SPREAD = 1e-12
_STANDARD_ERRORS = 6
"""By so many standard errors of unrelated pixels, 1 / sqrt(pixels), must a correlation stand out: it is the best of
many shifts."""
_ERRORS_OF_TEXTURE = 4
"""The same where neighbouring pixels go together, as in carbon out of focus: of fewer shifts that differ."""


class Tiles(Protocol):
    """Images by their number, read when they are asked for: a map may have more than memory holds."""

    def __getitem__(self, at: int, /) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """Pairs of tiles that overlap.

    Attributes
    ----------
    pairs : ndarray of shape (pair, 2)
        Indices of the two tiles, the smaller one first.
    offsets_px : ndarray of shape (pair, 2)
        Upper left corner of the second tile as seen from that of the first, ``(row, col)``, in pixels.
    """

    pairs: Int[np.ndarray, "pair 2"]
    offsets_px: Float[np.ndarray, "pair 2"]

    def __post_init__(self) -> None:
        if self.pairs.shape != self.offsets_px.shape or self.pairs.shape[1:] != (2,):
            raise ValueError(f"Expected (pair, 2) twice. Got {self.pairs.shape} and {self.offsets_px.shape}.")

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, kw_only=True)
class Refined:
    """An offset after a look at both tiles.

    Attributes
    ----------
    offset_px : ndarray of shape (2,)
        Refined offset ``(row, col)`` if it is believed, else the one that was given; in pixels.
    correlation : float
        Pearson's coefficient of the overlap at the best shift within the bound; 0 where there is none, or only chance.
    is_believed : bool
        Whether the two tiles look alike there.
    is_judged : bool
        Whether that could be seen at all: the overlap is large enough and shows more than noise.
    """

    offset_px: Float[np.ndarray, " 2"]
    correlation: float
    is_believed: bool
    is_judged: bool


def corners_px(
    centres_nm: Float[np.ndarray, "tile 2"], shapes: Int[np.ndarray, "tile 2"], pixel_size_nm: float
) -> _Corners:
    """Return the upper left corner ``(row, col)`` of each tile, in pixels from that of the first.

    Parameters
    ----------
    centres_nm : ndarray of shape (tile, 2)
        Centres ``(x, y)`` in the map, x along columns and y down along rows, in nanometres.
    shapes : ndarray of shape (tile, 2)
        Shapes ``(row, col)``, in pixels.
    pixel_size_nm : float
        Edge of a pixel of all tiles.
    """
    if not 0 < pixel_size_nm < np.inf:
        raise ValueError(f"Expected pixel_size_nm > 0. Got {pixel_size_nm}.")
    relative_nm = np.asarray(centres_nm, dtype=float) - np.asarray(centres_nm, dtype=float)[:1]
    corners = relative_nm[:, ::-1] / pixel_size_nm - np.asarray(shapes) / 2
    return corners - corners[:1]


def find_overlaps(corners: _Corners, shapes: Int[np.ndarray, "tile 2"], params: OverlapParams) -> Overlaps:
    """Return the pairs of tiles that overlap by at least `params.min_overlap_px` in both directions.

    Parameters
    ----------
    corners : ndarray of shape (tile, 2)
        Upper left corners ``(row, col)``, in pixels.
    shapes : ndarray of shape (tile, 2)
        Shapes ``(row, col)``, in pixels.
    """
    corners, shapes = np.asarray(corners, dtype=float).reshape(-1, 2), np.asarray(shapes).reshape(-1, 2)
    if len(corners) != len(shapes) or not np.isfinite(corners).all():
        raise ValueError(f"Expected a finite corner for each shape. Got {corners.shape} and {shapes.shape}.")
    if len(corners) < 2:
        return Overlaps(pairs=np.empty((0, 2), dtype=int), offsets_px=np.empty((0, 2)))
    reach = shapes.max(axis=0)
    near = cKDTree((corners + shapes / 2) / reach).query_pairs(1.0, p=np.inf, output_type="ndarray")
    near = np.sort(near.astype(int).reshape(-1, 2), axis=1)
    near = near[np.lexsort(near.T[::-1])]
    first, second = near.T
    low = np.maximum(corners[first], corners[second])
    high = np.minimum(corners[first] + shapes[first], corners[second] + shapes[second])
    near = near[np.all(high - low >= params.min_overlap_px, axis=1)]
    return Overlaps(pairs=near, offsets_px=corners[near[:, 1]] - corners[near[:, 0]])


def common_region(
    first_shape: tuple[int, int], second_shape: tuple[int, int], offset_px: Int[np.ndarray, " 2"]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of two tiles that show the same region, at an offset in whole pixels; empty if none does."""
    low = np.maximum(offset_px, 0)
    high = np.maximum(np.minimum(first_shape, offset_px + np.asarray(second_shape)), low)
    (r0, c0), (r1, c1) = low, high
    dr, dc = offset_px
    return (slice(r0, r1), slice(c0, c1)), (slice(r0 - dr, r1 - dr), slice(c0 - dc, c1 - dc))


def refine_offset(first: _Image, second: _Image, offset_px: Float[np.ndarray, " 2"], params: OverlapParams) -> Refined:
    """Refine the offset of two tiles on what they show of the same region.

    Parameters
    ----------
    first, second : ndarray of shape (row, col)
        The tiles.
    offset_px : ndarray of shape (2,)
        Upper left corner of the second as seen from that of the first, ``(row, col)``.

    Notes
    -----
    The overlap is cut anew after each step, so that both cuts come to show the same; two kinds of correlation are
    tried, phases alone and with their amplitudes, and the one counts at which the tiles look more alike: the first is
    better on sharp images, the second in noise. Both are led towards no shift by the ends of rows and columns, which
    are alike in both cuts, so that a window takes these out: smooth images are pixels off otherwise. Means of rows and
    columns are taken out before, since streaks of charging and shading go with the scan and not with the specimen.
    """
    start = np.asarray(offset_px, dtype=float)
    found = max((_follow(first, second, start, kind, params) for kind in ("phase", None)), key=lambda one: one[1])
    offset, correlation = found
    if correlation < params.min_correlation:
        is_judged = _can_tell(first, second, np.round(start).astype(int), params)
        return Refined(offset_px=start, correlation=correlation, is_believed=False, is_judged=is_judged)
    return Refined(offset_px=offset, correlation=correlation, is_believed=True, is_judged=True)


def _can_tell(first: _Image, second: _Image, offset_px: Int[np.ndarray, " 2"], params: OverlapParams) -> bool:
    """Return whether two tiles would be found alike at an offset if they showed the same, each with its own noise."""
    cuts = _cuts(first, second, offset_px, params)
    if cuts is None:
        return False
    return min(_structure(cut) for cut in cuts) >= max(params.min_correlation, _least_correlation(*cuts))


def _structure(cut: _Image) -> float:
    """Return the share of a cut's variance that is no white noise, as the correlation of neighbouring pixels.

    A second image of the same, with noise of its own, has this correlation with it.
    """
    return float(np.mean(cut[1:] * cut[:-1]) + np.mean(cut[:, 1:] * cut[:, :-1])) / 2


def _follow(
    first: _Image, second: _Image, start: np.ndarray, kind: str | None, params: OverlapParams
) -> tuple[np.ndarray, float]:
    """Shift step by step until nothing moves; return the offset and how alike the tiles look there."""
    offset = start
    for _ in range(_N_STEPS):
        whole = np.round(offset).astype(int)
        cuts = _cuts(first, second, whole, params)
        if cuts is None:
            return start, 0.0
        shift, _, _ = phase_cross_correlation(
            *(cut * _window(cut.shape) for cut in cuts),
            normalization=kind,  # pyright: ignore[reportArgumentType]  its docstring has None too
            upsample_factor=params.upsample_factor,
            disambiguate=False,
        )
        offset = whole + np.asarray(shift, dtype=float)
        if np.abs(offset - start).max() > params.max_shift_px:
            return start, 0.0
        if np.abs(shift).max() <= 0.5:
            break
    cuts = _cuts(first, second, np.round(offset).astype(int), params)
    if cuts is None:
        return start, 0.0
    correlation = float(np.mean(cuts[0] * cuts[1]))
    return (start, 0.0) if correlation < _least_correlation(*cuts) else (offset, correlation)


def _least_correlation(first: _Image, second: _Image) -> float:
    """Return the correlation from which on the likeness of two cuts is no chance."""
    return max(_STANDARD_ERRORS / np.sqrt(first.size), _ERRORS_OF_TEXTURE * _chance_correlation(first, second))


def _window(shape: tuple[int, ...]) -> _Image:
    """Return a window that falls to 0 at the border, where the ends of rows and columns would seem to be edges."""
    rows, cols = (tukey(n, _TAPERED) for n in shape)
    return rows[:, None] * cols


def _chance_correlation(first: _Image, second: _Image) -> float:
    """Return the correlation of two cuts, of mean 0 and spread 1, that have nothing to do with one another.

    That is its root mean square over all shifts, by Parseval's theorem: 1 / sqrt(pixels) if they are white, more where
    they are smooth.
    """
    powers = [np.abs(fft.fft2(cut)) ** 2 for cut in (first, second)]
    return float(np.sqrt(np.sum(powers[0] * powers[1])) / first.size**2)


def _cuts(
    first: _Image, second: _Image, offset_px: Int[np.ndarray, " 2"], params: OverlapParams
) -> tuple[_Image, _Image] | None:
    """Cut the common region out of both and bring it to mean 0 and spread 1; None if it is too small or blank."""
    here, there = common_region(first.shape, second.shape, offset_px)
    cuts = [_flattened(image[at]) for image, at in ((first, here), (second, there))]
    if min(cuts[0].shape) < params.min_overlap_px or min(cut.std() for cut in cuts) <= _LEAST_SPREAD:
        return None
    return cuts[0] / cuts[0].std(), cuts[1] / cuts[1].std()


def _flattened(image: _Image) -> _Image:
    image = np.asarray(image, dtype=float)
    if image.size == 0:
        return image
    return image - image.mean(axis=0, keepdims=True) - image.mean(axis=1, keepdims=True) + image.mean()
