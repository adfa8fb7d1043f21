"""Clean-up of binary masks: bridges, holes and specks."""

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
    parts = label_mask(mask)
    area_px = np.bincount(parts.ravel())
    filled = mask.copy()
    for window in ndimage.find_objects(parts):
        _fill_window(filled[window], parts[window], area_px, max_fraction)
    return filled


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


def _fill_window(filled: _Mask, parts: _Labels, area_px: Int[np.ndarray, " part"], max_fraction: float) -> None:
    """Fill, in place, the holes that lie wholly inside the window around a part.

    A hole may belong to another part there, which is why each is held against the part around it: that of the pixel
    above its first pixel, because holes are connected by edges, and parts by corners also.
    """
    inner = parts[1:-1, 1:-1]
    if inner.all():
        return
    holes, n_holes = ndimage.label(parts == 0, output=np.int32)
    is_filled = np.ones(n_holes + 1, dtype=bool)
    for border in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        is_filled[border] = False
    is_filled[0] = False
    for number, box in enumerate(ndimage.find_objects(holes), start=1):
        if not is_filled[number] or box is None:
            continue
        hole = holes[box] == number
        surrounding = parts[box[0].start - 1, box[1].start + int(hole[0].argmax())]
        is_filled[number] = np.count_nonzero(hole) <= max_fraction * area_px[surrounding]
    if is_filled.any():
        filled |= is_filled[holes]
