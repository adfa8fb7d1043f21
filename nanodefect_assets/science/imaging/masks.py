"""Clean-up of binary masks: bridges, holes and specks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

_Mask = Bool[np.ndarray, "row col"]
_Labels = Int[np.ndarray, "row col"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def open_mask(mask: _Mask, radius_px: int) -> _Mask:
    """Cut what is thinner than a disc of `radius_px` pixels from `mask`; a radius of 1 is the 3 x 3 cross."""
    if radius_px == 0:
        return mask
    if radius_px == 1:
        return _dilate_by_cross(~_dilate_by_cross(~mask))
    eroded = _distances_to(~mask) > radius_px
    return _distances_to(eroded) <= radius_px


def label_mask(mask: _Mask) -> _Labels:
    """Label the connected parts of `mask` from 1 on; pixels that meet at a corner are connected."""
    return ndimage.label(mask, structure=_EIGHT_NEIGHBOURS, output=np.int32)[0]


def fill_holes(mask: _Mask, max_fraction: float) -> _Mask:
    """Fill the holes of each part of `mask`, up to `max_fraction` of the area of that part.

    Background that reaches the frame is no hole. A larger hole is support that a ring of particles encloses.
    """
    if max_fraction == 0:
        return mask
    filled = mask.copy()
    for hole in _small_holes(label_mask(mask), max_fraction):
        filled[hole.window] |= hole.inside
    return filled


def label_filled(mask: _Mask, max_fraction: float) -> _Labels:
    """Return `label_mask` of `fill_holes`, of a mask that is labelled once."""
    parts = label_mask(mask)
    if max_fraction == 0:
        return parts
    holes = list(_small_holes(parts, max_fraction))
    whole = np.arange(parts.max() + 1)
    for hole in holes:
        around = ndimage.binary_dilation(np.pad(hole.inside, 1), structure=_EIGHT_NEIGHBOURS)
        beside = np.unique(parts[tuple(slice(side.start - 1, side.stop + 1) for side in hole.window)][around])
        _join(whole, [int(number) for number in beside if number])
    for hole in holes:
        parts[hole.window][hole.inside] = hole.surrounding
    roots = np.array([_root(whole, number) for number in range(len(whole))])
    if (roots == whole).all() and (roots == np.arange(len(roots))).all():
        return parts
    return np.unique(roots, return_inverse=True)[1].astype(np.int32)[parts]


def _join(whole: np.ndarray, numbers: Sequence[int]) -> None:
    """Let parts be one from now on, under the smallest of their numbers."""
    roots = [_root(whole, number) for number in numbers]
    whole[roots] = min(roots)


def _root(whole: np.ndarray, number: int) -> int:
    while whole[number] != number:
        number = int(whole[number])
    return number


def number_particles(drawn: _Labels) -> _Labels:
    """Return the particles that a person drew, numbered from 1 without gaps.

    Where all that is drawn has one value, such as 255, its connected parts are the particles; else each value is one.
    """
    values = np.unique(drawn[drawn > 0])
    if len(values) <= 1:
        return label_mask(drawn > 0)
    return np.where(drawn > 0, np.searchsorted(values, drawn) + 1, 0).astype(np.int32)


def drop_specks(labels: _Labels, min_area_px: float) -> _Labels:
    """Remove parts of fewer than `min_area_px` pixels and number the others from 1, in the same order."""
    is_kept = np.bincount(labels.ravel()) >= min_area_px
    is_kept[0] = False
    if is_kept[1:].all():
        return labels.astype(np.int32, copy=False)
    return np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)[labels]


def _dilate_by_cross(mask: _Mask) -> _Mask:
    result = mask.copy()
    result[1:] |= mask[:-1]
    result[:-1] |= mask[1:]
    result[:, 1:] |= mask[:, :-1]
    result[:, :-1] |= mask[:, 1:]
    return result


def _distances_to(mask: _Mask) -> Float[np.ndarray, "row col"]:
    """Return the distance of each pixel to the nearest of `mask`, in pixels; infinite if there is none."""
    return ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)


@dataclass(frozen=True, kw_only=True)
class _Hole:
    """Support that a part encloses: where, which pixels there, and the number of the part."""

    window: tuple[slice, slice]
    inside: _Mask
    surrounding: int


def _small_holes(parts: _Labels, max_fraction: float) -> Iterator[_Hole]:
    """Yield each hole of at most `max_fraction` of the area of the part around it.

    A hole lies inside the window around its part, off the window's frame; what else lies there may be a hole of another
    part, which is why each is held against the part around it: that of the pixel above its first pixel, because holes
    are connected by edges, and parts by corners also.
    """
    area_px = np.bincount(parts.ravel())
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        there = parts[window]
        if there[1:-1, 1:-1].all():
            continue
        holes, _ = ndimage.label(there == 0, output=np.int32)
        at_frame = {int(hole) for rim in (holes[0], holes[-1], holes[:, 0], holes[:, -1]) for hole in np.unique(rim)}
        for hole, box in enumerate(ndimage.find_objects(holes), start=1):
            if hole in at_frame or box is None:
                continue
            inside = holes[box] == hole
            surrounding = int(there[box[0].start - 1, box[1].start + int(inside[0].argmax())])
            if surrounding == number and np.count_nonzero(inside) <= max_fraction * area_px[number]:
                rows, cols = (
                    slice(outer.start + inner.start, outer.start + inner.stop)
                    for outer, inner in zip(window, box, strict=True)
                )
                yield _Hole(window=(rows, cols), inside=inside, surrounding=number)
