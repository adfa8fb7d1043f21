"""A network applied to images of any size: tiles that overlap, blended; uncertainty of every pixel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, product

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.science.hrtem.params import TilingParams

_Image = Float[np.ndarray, "row col"]
_Tiles = Float[np.ndarray, "n row col"]
_TileClasses = Float[np.ndarray, "n class row col"]
_Classes = Float[np.ndarray, "class row col"]

Predict = Callable[[_Tiles], _TileClasses]
"""Turns normalised tiles of one shape into the probability of each class at each pixel, both float32."""

DIHEDRAL: tuple[tuple[int, bool], ...] = tuple(product(range(4), (False, True)))
"""The eight turns and mirrors of a square: quarter turns, and whether the tile is mirrored first."""
_ROWS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class UncertainProbabilities:
    """Class probabilities of an image, and how far they can be trusted.

    Attributes
    ----------
    mean : ndarray of shape (class, row, col)
        Mean over networks and transforms.
    standard_deviation : ndarray of shape (class, row, col)
        Over networks and transforms, not of the mean.
    entropy : ndarray of shape (row, col)
        Of `mean`, over its largest possible value: 0 where one class is certain, 1 where all are alike.
    """

    mean: _Classes
    standard_deviation: _Classes
    entropy: _Image


def class_probabilities(
    image: _Image, predict: Predict, params: TilingParams, *, on_step: OnStep = ignore_progress
) -> _Classes:
    """Return the probability of each class at each pixel of an image of any size.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Normalised as the network wants it. It is read tile by tile, so that it may lie in a mapped file.
    predict : callable
        The network; it is given `batch` tiles of one shape, the last time perhaps fewer.
    params : TilingParams
        Sizes of tiles and overlaps.
    on_step : callable
        Called after each batch of tiles.

    Returns
    -------
    ndarray of shape (class, row, col)
        float32, whatever the number of tiles the only array of the image's size that is made.

    Notes
    -----
    Tiles are as small as their number allows, so that little lies beyond the frame, where the image is mirrored. All
    have one shape and begin at a multiple of `multiple_px` from one another, so that pooling falls on the same pixels.
    In an overlap, weights fall as the square of a cosine and sum to one. The outermost `margin_px` of a tile have none:
    a network that looks no further than that answers as if the image were one tile. Where it looks r further, no
    probability is off by more than sin^2(pi r / 2 w), with the width w = overlap_px - 2 margin_px of the ramp.
    """
    rows, cols = (_Axis.over(n, params) for n in image.shape)
    tiles = list(product(range(rows.n_tiles), range(cols.n_tiles)))
    result: _Classes | None = None
    for done, batch in _batches(tiles, params.batch):
        stacked = np.stack([image[np.ix_(rows.pixels(at_row), cols.pixels(at_col))] for at_row, at_col in batch])
        predicted = predict(stacked.astype(np.float32, copy=False))
        if predicted.ndim != 4 or predicted.shape[:1] + predicted.shape[2:] != stacked.shape:
            raise ValueError(f"Expected classes of the tiles' shape {stacked.shape}. Got {predicted.shape}.")
        if result is None:
            result = np.zeros((predicted.shape[1], *image.shape), dtype=np.float32)
        for (at_row, at_col), tile in zip(batch, predicted, strict=True):
            _blend(result, tile, rows, cols, at_row, at_col)
        on_step(Progress(task="predicting", done=done, total=len(tiles)))
    if result is None:
        raise ValueError(f"Expected an image with pixels. Got {image.shape}.")
    return result


def uncertain_probabilities(
    image: _Image,
    predicts: Sequence[Predict],
    params: TilingParams,
    *,
    transforms: Sequence[tuple[int, bool]] = DIHEDRAL,
    on_step: OnStep = ignore_progress,
) -> UncertainProbabilities:
    """Return mean, spread and entropy of class probabilities over networks and over turns of the image.

    Parameters
    ----------
    image, params, on_step
        As for `class_probabilities`.
    predicts : sequence of callable
        Repeats of one network.
    transforms : sequence of (int, bool)
        Quarter turns of a tile, and whether it is mirrored first; ``[(0, False)]`` for none.

    Notes
    -----
    Each tile is seen len(predicts) * len(transforms) times. Mean and spread of a tile are blended like probabilities,
    so that all of it streams. The spread of a single look is 0, and takes no memory.
    """
    if not predicts or not transforms:
        raise ValueError(f"Expected a network and a transform. Got {len(predicts)} and {len(transforms)}.")

    def predict(tiles: _Tiles) -> _TileClasses:
        seen = (_seen_turned(one, *transform, tiles) for one in predicts for transform in transforms)
        return np.concatenate(_mean_and_spread(seen), axis=1)

    if len(predicts) == len(transforms) == 1:
        mean = class_probabilities(image, partial(_seen_turned, predicts[0], *transforms[0]), params, on_step=on_step)
        spread = np.zeros(mean.shape, dtype=np.float32)  # unlike zeros_like, no memory until it is touched
    else:
        mean, spread = np.split(class_probabilities(image, predict, params, on_step=on_step), 2)
    return UncertainProbabilities(mean=mean, standard_deviation=spread, entropy=relative_entropy(mean))


def relative_entropy(probabilities: _Classes) -> _Image:
    """Return the entropy of each pixel's class probabilities over the logarithm of the number of classes."""
    n_classes, n_rows, n_cols = probabilities.shape
    result = np.zeros((n_rows, n_cols), dtype=np.float32)
    if n_classes == 1:
        return result
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        part = np.maximum(probabilities[:, start : start + _ROWS_AT_ONCE], np.finfo(np.float32).tiny)
        result[start : start + _ROWS_AT_ONCE] = -(part * np.log(part)).sum(axis=0) / np.log(n_classes)
    return np.clip(result, 0, 1, out=result)


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Tiles along one axis of an image; the first begins `margin_px` before the image."""

    length: int
    tile_px: int
    stride_px: int
    margin_px: int
    n_tiles: int

    @classmethod
    def over(cls, length: int, params: TilingParams) -> "_Axis":
        multiple, margin_px = params.multiple_px, params.margin_px
        overlap_px = _rounded_up(params.overlap_px, multiple)
        largest_px = max(_rounded_up(params.tile_px, multiple), 2 * overlap_px)
        extent = length + 2 * margin_px
        n_tiles = 1 if extent <= largest_px else -(-(extent - overlap_px) // (largest_px - overlap_px))
        tile_px = _rounded_up(-(-(extent + (n_tiles - 1) * overlap_px) // n_tiles), multiple)
        tile_px = tile_px if n_tiles == 1 else max(tile_px, 2 * overlap_px)
        stride_px = tile_px - overlap_px
        return cls(length=length, tile_px=tile_px, stride_px=stride_px, margin_px=margin_px, n_tiles=n_tiles)

    def pixels(self, at: int) -> Int[np.ndarray, " pixel"]:
        """Return the pixels of a tile, mirrored at the frame as often as needed."""
        positions = np.arange(self.tile_px) + at * self.stride_px - self.margin_px
        if self.length == 1:
            return np.zeros_like(positions)
        period = 2 * (self.length - 1)
        folded = positions % period
        return np.minimum(folded, period - folded)

    def inside(self, at: int) -> tuple[slice, slice]:
        """Return the pixels of the image on which a tile has a say, and the same pixels within the tile."""
        start = at * self.stride_px - self.margin_px
        first = 0 if at == 0 else start + self.margin_px
        stop = min(self.length, start + self.tile_px - (0 if at == self.n_tiles - 1 else self.margin_px))
        return slice(first, stop), slice(first - start, stop - start)

    def weights(self, at: int) -> Float[np.ndarray, " pixel"]:
        """Return the weight of each pixel of a tile; over all tiles they sum to one."""
        overlap_px = self.tile_px - self.stride_px
        width = overlap_px - 2 * self.margin_px
        steps = (np.arange(overlap_px) + 0.5 - self.margin_px) / width
        rising = np.square(np.sin(np.pi / 2 * np.clip(steps, 0, 1)))
        weights = np.ones(self.tile_px)
        if at > 0:
            weights[:overlap_px] = rising
        if at < self.n_tiles - 1:
            weights[self.tile_px - overlap_px :] = 1 - rising
        return weights.astype(np.float32)


def _blend(result: _Classes, tile: _Classes, rows: _Axis, cols: _Axis, at_row: int, at_col: int) -> None:
    (to_rows, from_rows), (to_cols, from_cols) = rows.inside(at_row), cols.inside(at_col)
    weights = rows.weights(at_row)[from_rows, None] * cols.weights(at_col)[from_cols]
    for target, source in zip(result, tile, strict=True):
        target[to_rows, to_cols] += source[from_rows, from_cols] * weights


def _batches(tiles: list[tuple[int, int]], batch: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    remaining, done = iter(tiles), 0
    while part := list(islice(remaining, batch)):
        done += len(part)
        yield done, part


def _seen_turned(predict: Predict, quarter_turns: int, is_mirrored: bool, tiles: _Tiles) -> _TileClasses:
    """Return what `predict` says of turned tiles, turned back."""
    if not (quarter_turns or is_mirrored):
        return predict(tiles)
    seen = np.rot90(tiles[..., ::-1] if is_mirrored else tiles, quarter_turns, axes=(-2, -1))
    back = np.rot90(predict(np.ascontiguousarray(seen)), -quarter_turns, axes=(-2, -1))
    return back[..., ::-1] if is_mirrored else back


def _mean_and_spread(seen: Iterator[_TileClasses]) -> tuple[_TileClasses, _TileClasses]:
    """Return mean and standard deviation by Welford's update, which keeps its precision in float32."""
    mean = np.array(next(seen), dtype=np.float32)
    squares, n = np.zeros_like(mean), 1
    for each in seen:
        n += 1
        apart = each - mean
        mean += apart / n
        squares += apart * (each - mean)
    return mean, np.sqrt(np.maximum(squares / n, 0))


def _rounded_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
