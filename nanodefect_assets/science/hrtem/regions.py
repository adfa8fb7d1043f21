"""Regions of a micrograph that a classifier looks at: one for each particle, with its crop, its mask and its origin.

The rules, in this order. Every label is opened, and of what is left the largest piece is closed and its hull filled:
that is the region of the particle and keeps its identifier. Other large pieces were tied to it by a neck, so that the
label was an agglomerate: each is a region of kind ``part`` with an identifier of its own and a link to the particle.
What lies outside the limits is no region. A region that the frame cuts is kept and says so. Labels that touch share an
`agglomerate_id`. Samples of the support are regions of kind ``background``, without a particle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.science.hrtem.contacts import touching_labels
from nanodefect_assets.science.hrtem.fault_params import RegionParams
from nanodefect_assets.science.hrtem.hulls import convex_hull
from nanodefect_assets.science.hrtem.support import Support, describe_support
from nanodefect_assets.science.imaging.masks import label_mask, open_mask

RegionKind = Literal["particle", "part", "background"]

_Mask = Bool[np.ndarray, "row col"]
_MAX_TRIES = 50


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of a micrograph.

    Attributes
    ----------
    region_id : str
        The particle's own identifier; ``<particle>/<number>`` of a part; ``<micrograph>#background-<number>``.
    micrograph_id : str
        Where it lies.
    kind : str
        ``particle``, ``part`` or ``background``.
    particle_id : str or None
        Particle that it is or was cut from.
    agglomerate_id : str or None
        Shared by regions whose labels touch: the lowest of their particles' identifiers. None: it touches none.
    top, left : int
        First row and column of its box.
    counts : ndarray of shape (row, col)
        Pixels of the box.
    mask : ndarray of shape (row, col)
        Pixels of the region in the box.
    contact_fraction : float
        Share of the outline of its label that touches other labels.
    touches_edge : bool
        Whether it reaches the frame.
    pixel_size_nm : float or None
        Edge of a pixel.
    support : Support
        What the micrograph looks like beside its particles.
    """

    region_id: str
    micrograph_id: str
    kind: RegionKind
    particle_id: str | None
    agglomerate_id: str | None
    top: int
    left: int
    counts: Float[np.ndarray, "row col"]
    mask: _Mask
    contact_fraction: float
    touches_edge: bool
    pixel_size_nm: float | None
    support: Support

    @property
    def area_px(self) -> int:
        """Pixels of the region."""
        return int(np.count_nonzero(self.mask))


def find_regions(labelled: LabelledMicrograph, params: RegionParams) -> Iterator[Region]:
    """Yield the regions of a labelled micrograph, in the order of its labels.

    Parameters
    ----------
    labelled : LabelledMicrograph
        A micrograph and its particles. One without particles has no regions.
    params : RegionParams
        The rules.
    """
    labels, micrograph = labelled.labels, labelled.micrograph
    boxes = ndimage.find_objects(labels)
    support, touching = describe_support(micrograph.counts, labels == 0), touching_labels(labels)
    margin = sum(_radii_px(params, micrograph.pixel_size_nm)) + 1
    for label, box in enumerate(boxes, start=1):
        if box is None:
            continue
        window = _grown(box, margin, labels.shape)
        pieces = _pieces(labels[window] == label, params, micrograph.pixel_size_nm)
        particle_id = f"{micrograph.micrograph_id}#{label}"
        links = touching.get(label)
        for at, piece in enumerate(pieces):
            region = _cut(
                micrograph,
                piece,
                window,
                region_id=particle_id if at == 0 else f"{particle_id}/{at}",
                kind="particle" if at == 0 else "part",
                particle_id=particle_id,
                agglomerate_id=None if links is None else f"{micrograph.micrograph_id}#{links[0]}",
                contact_fraction=0.0 if links is None else links[1],
                support=support,
            )
            if _within_limits(region, params):
                yield region


def sample_background(
    labelled: LabelledMicrograph, n: int, forms: Sequence[_Mask], *, rng: np.random.Generator
) -> list[Region]:
    """Return pieces of support in the form of particles, where no particle is near; fewer where there is no room.

    Were they all discs, a classifier would know them by their form alone.

    Parameters
    ----------
    labelled : LabelledMicrograph
        A micrograph and its particles.
    n : int
        Pieces wanted.
    forms : sequence of ndarray of shape (row, col)
        Masks of regions; each piece has one of them, turned by quarters or mirrored.
    rng : Generator
        Draws forms and places.
    """
    micrograph = labelled.micrograph
    is_free = np.pad(labelled.labels == 0, 1, constant_values=False)
    support, found = describe_support(micrograph.counts, labelled.labels == 0), []
    for _ in range(_MAX_TRIES if len(forms) else 0):
        if len(found) == n:
            break
        form = np.rot90(forms[int(rng.integers(len(forms)))], int(rng.integers(4)))
        form = form[:, ::-1] if rng.random() < 0.5 else form
        room = ndimage.distance_transform_edt(is_free)[1:-1, 1:-1]
        reach = np.hypot(*(np.argwhere(form) - np.array(form.shape) // 2).T).max()
        places = np.flatnonzero(room > reach + 1)
        if places.size == 0:
            continue
        row, col = np.unravel_index(places[rng.integers(places.size)], room.shape)
        top, left = row - form.shape[0] // 2, col - form.shape[1] // 2
        window = (slice(top, top + form.shape[0]), slice(left, left + form.shape[1]))
        found.append(
            _cut(
                micrograph,
                form,
                window,
                region_id=f"{micrograph.micrograph_id}#background-{len(found) + 1}",
                kind="background",
                particle_id=None,
                agglomerate_id=None,
                contact_fraction=0.0,
                support=support,
            )
        )
        is_free[1:-1, 1:-1][window][form] = False
    return found


def _radii_px(params: RegionParams, pixel_size_nm: float | None) -> tuple[int, int]:
    """Return the radii of opening and closing, in pixels; an opening never vanishes by rounding."""
    opening, closing = params.opening_radius_px, params.closing_radius_px
    if pixel_size_nm is not None and params.opening_radius_nm is not None:
        opening = int(np.ceil(params.opening_radius_nm / pixel_size_nm))
    if pixel_size_nm is not None and params.closing_radius_nm is not None:
        closing = round(params.closing_radius_nm / pixel_size_nm)
    return opening, closing


def _pieces(mask: _Mask, params: RegionParams, pixel_size_nm: float | None) -> list[_Mask]:
    """Return what is left of a label after opening, the largest first, each closed and filled."""
    opening, closing = _radii_px(params, pixel_size_nm)
    numbers = label_mask(open_mask(mask, opening))
    sizes = np.bincount(numbers.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")
    kept = [at for rank, at in enumerate(order) if rank == 0 or sizes[at] >= params.min_part_fraction * sizes.sum()]
    closed = [_close(numbers == at + 1, closing) for at in kept]
    return [fill_hull(piece) for piece in closed] if params.fill_hull else closed


def _close(mask: _Mask, radius_px: int) -> _Mask:
    """Close a mask by a disc; beyond the frame of the mask there is nothing, and nothing grows out of it."""
    if radius_px == 0:
        return mask
    padded = np.pad(mask, radius_px + 1)
    return ~open_mask(~padded, radius_px)[radius_px + 1 : -radius_px - 1, radius_px + 1 : -radius_px - 1]


def fill_hull(mask: _Mask) -> _Mask:
    """Return the pixels whose centres lie in the convex hull of the centres of a mask, or on its edge."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return mask
    first = mask.argmax(axis=1)[rows]
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)[rows]
    corners = convex_hull(rows, first, last)
    edges = np.roll(corners, -1, axis=0) - corners
    all_rows, all_cols = np.ogrid[: mask.shape[0], : mask.shape[1]]
    sides = [
        edge[0] * (all_cols - corner[1]) - edge[1] * (all_rows - corner[0])
        for corner, edge in zip(corners, edges, strict=True)
    ]
    inside = np.all([side >= 0 for side in sides], axis=0) | np.all([side <= 0 for side in sides], axis=0)
    in_box = (all_rows >= rows[0]) & (all_rows <= rows[-1]) & (all_cols >= first.min()) & (all_cols <= last.max())
    return inside & in_box


def _cut(
    micrograph: Micrograph,
    mask: _Mask,
    window: tuple[slice, slice],
    *,
    region_id: str,
    kind: RegionKind,
    particle_id: str | None,
    agglomerate_id: str | None,
    contact_fraction: float,
    support: Support,
) -> Region:
    """Cut the box of a mask, given in a window of a micrograph, out of it."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    inner = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)) if rows.size else (slice(0, 0), slice(0, 0))
    top, left = window[0].start + inner[0].start, window[1].start + inner[1].start
    n_rows, n_cols = inner[0].stop - inner[0].start, inner[1].stop - inner[1].start
    shape = micrograph.counts.shape
    return Region(
        region_id=region_id,
        micrograph_id=micrograph.micrograph_id,
        kind=kind,
        particle_id=particle_id,
        agglomerate_id=agglomerate_id,
        top=int(top),
        left=int(left),
        counts=micrograph.counts[top : top + n_rows, left : left + n_cols],
        mask=mask[inner],
        contact_fraction=contact_fraction,
        touches_edge=bool(top == 0 or left == 0 or top + n_rows == shape[0] or left + n_cols == shape[1]),
        pixel_size_nm=micrograph.pixel_size_nm,
        support=support,
    )


def _within_limits(region: Region, params: RegionParams) -> bool:
    n_rows, n_cols = region.mask.shape
    if not (params.min_box_px <= min(n_rows, n_cols) and max(n_rows, n_cols) <= params.max_box_px):
        return False
    diameter_px = np.sqrt(4 / np.pi * region.area_px)
    if region.pixel_size_nm is None:
        return bool(diameter_px >= params.min_diameter_px)
    diameter_nm = diameter_px * region.pixel_size_nm
    is_large = diameter_px >= params.min_diameter_px and diameter_nm >= params.min_diameter_nm
    return bool(is_large and diameter_nm <= params.max_diameter_nm)


def _grown(box: tuple[slice, ...], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, cols = (
        slice(max(part.start - margin, 0), min(part.stop + margin, n)) for part, n in zip(box, shape, strict=True)
    )
    return rows, cols
