"""Images of single particles, cut from scanning micrographs: parted, masked, upright, of one scale."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage
from scipy.spatial import ConvexHull

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.instances import separate_particles
from nanodefect_assets.science.imaging.params import InstanceParams
from nanodefect_assets.science.sem.params import CropParams

_Image = Float[np.ndarray, "row col"]
_Labels = Int[np.ndarray, "row col"]
_Crop = UInt8[np.ndarray, "crop_row crop_col"]

_RIM_PX = 2
_MOST_OF_BORDER = 0.5


@dataclass(frozen=True, kw_only=True)
class CutParticle:
    """One particle of a micrograph.

    Attributes
    ----------
    number : int
        Its label in the parted label image.
    crop : ndarray of shape (crop_row, crop_col) or None
        Intensity in 255ths of the particle's maximum, 0 outside; None if it was left out.
    left_out : str or None
        ``edge``, ``small``, ``clump`` (several, one on another), ``pile`` (a piece, from a micrograph that is mostly
        clumps) or ``blank``; None if it was cut.
    centroid_px : tuple of float
        ``(row, col)`` in the micrograph.
    length_px : float
        Extent along the long axis, in pixels of the micrograph.
    scale : float
        Pixels of the crop per pixel of the micrograph.
    turn_deg : float
        By how much the crop is turned, counter-clockwise as seen.
    """

    number: int
    crop: _Crop | None
    left_out: str | None
    centroid_px: tuple[float, float]
    length_px: float
    scale: float
    turn_deg: float


def part_labels(labels: _Labels, params: InstanceParams, *, pixel_size_nm: float | None) -> tuple[_Labels, list[str]]:
    """Return labels in which touching particles of one label are apart, and a name for each.

    A label that stays whole keeps its number as its name; the parts of label 7 are ``7.1``, ``7.2`` and so on.
    """
    parted, names = np.zeros_like(labels), []
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None:
            continue
        inside = labels[window] == number
        parts = separate_particles(inside.astype(np.float32), params, pixel_size_nm=pixel_size_nm)
        np.copyto(parted[window], parts + len(names), where=parts > 0)
        n_parts = int(parts.max())
        names += [str(number)] if n_parts == 1 else [f"{number}.{part}" for part in range(1, n_parts + 1)]
    return parted, names


def cut_crops(labelled: LabelledMicrograph, params: CropParams) -> list[CutParticle]:
    """Cut every labelled particle that is whole and large enough.

    Notes
    -----
    A crop is a turned and scaled copy of the micrograph, never a mirrored one: its hand is that of the micrograph.
    Which end is up is left open, because a half turn keeps the hand and the network learns both.
    """
    pixel_size_nm = labelled.micrograph.pixel_size_nm
    found = []
    for number, window in enumerate(ndimage.find_objects(labelled.labels), start=1):
        if window is not None:
            found.append(_cut(labelled, number, window, params, pixel_size_nm))
    return _without_pieces(found, np.bincount(labelled.labels.ravel()), params)


def whole_image_crop(micrograph: Micrograph, params: CropParams) -> _Crop:
    """Return a ready-cut image of one particle as a crop.

    Raises
    ------
    Refusal
        If the image is not a square of the crops' size, is blank, or has a background.
    """
    counts = micrograph.counts
    if counts.shape != (params.n_px, params.n_px):
        raise Refusal(
            "crop_size",
            expected=f"ready-cut images of {params.n_px} x {params.n_px} pixels, as one_particle_per_image says",
            got=" x ".join(map(str, counts.shape)),
            file=micrograph.micrograph_id,
            advice="Scale and pad the image, or set n_px of sem/te_crops.",
        )
    if not counts.max() > max(counts.min(), 0):
        raise Refusal("blank_crop", expected="a particle on zero", got="an even image", file=micrograph.micrograph_id)
    border = np.concatenate([counts[0], counts[-1], counts[1:-1, 0], counts[1:-1, -1]])
    if np.mean(border > 0) > _MOST_OF_BORDER:
        raise Refusal(
            "unmasked_crop",
            expected="a ready-cut image that is zero around its particle",
            got=f"{np.mean(border > 0):.0%} of its border above zero",
            file=micrograph.micrograph_id,
            advice="Set what is not the particle to zero, or leave out one_particle_per_image and let it be cut.",
        )
    return _in_255ths(np.maximum(counts, 0))


def fill_crops(images: Float[np.ndarray, "n row col"], *, fill: float = 0.94) -> UInt8[np.ndarray, "n row col"]:
    """Return ready-cut crops with every particle scaled to one length: the thesis's control for size.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        Intensities, zero outside the particle.
    fill : float
        Share of the crop's edge that the longer extent takes.
    """
    filled = []
    for image in images:
        inside = image > 0
        rows, cols = np.nonzero(inside)
        scale = fill * image.shape[0] / (max(np.ptp(rows), np.ptp(cols)) + 1)
        middle = np.array([rows.mean(), cols.mean()])
        filled.append(_resampled(image, inside, middle, np.eye(2), scale, image.shape[0]))
    return np.stack(filled)


def _cut(
    labelled: LabelledMicrograph,
    number: int,
    window: tuple[slice, slice],
    params: CropParams,
    pixel_size_nm: float | None,
) -> CutParticle:
    inside = labelled.labels[window] == number
    rows, cols = np.nonzero(inside)
    centroid = np.array([rows.mean(), cols.mean()])
    turn_deg = _upright_turn_deg(rows, cols) if params.is_upright else 0.0
    inward = _rotation(turn_deg)
    extents = np.ptp(np.stack([rows, cols], axis=1) @ inward, axis=0) + 1
    scale = _scale(float(extents.max()), params, pixel_size_nm)
    left_out = _why_left_out(window, labelled.labels.shape, float(extents.max()), params)
    if left_out is None and _solidity(rows, cols) < params.min_solidity:
        left_out = "clump"
    if left_out is None and not labelled.micrograph.counts[window][inside].max() > 0:
        left_out = "blank"
    crop = None
    if left_out is None:
        # With a rim of background, else interpolation would take half a pixel off the particle.
        counts, outline = np.pad(labelled.micrograph.counts[window], _RIM_PX), np.pad(inside, _RIM_PX)
        crop = _resampled(counts, outline, centroid + _RIM_PX, inward, scale, params.n_px)
    place = (float(centroid[0] + window[0].start), float(centroid[1] + window[1].start))
    return CutParticle(
        number=number,
        crop=crop,
        left_out=left_out,
        centroid_px=place,
        length_px=float(extents.max()),
        scale=scale,
        turn_deg=turn_deg,
    )


def _without_pieces(
    found: list[CutParticle], areas: Int[np.ndarray, " label"], params: CropParams
) -> list[CutParticle]:
    """Return the particles of a micrograph, none of them cut if it is a pile.

    Notes
    -----
    On eight simulated fields whole outlines had 0.36 of this area and more, and five in six of them were right; on
    three they had less than 0.11, and none was. Of the measured pile they had 0.10: a facet and a rim.
    """
    whole, clumps = (sum(int(areas[cut.number]) for cut in found if cut.left_out == why) for why in (None, "clump"))
    if whole >= params.min_whole_share * (whole + clumps):
        return found
    return [cut if cut.left_out else replace(cut, crop=None, left_out="pile") for cut in found]


def _why_left_out(
    window: tuple[slice, slice], shape: tuple[int, ...], length_px: float, params: CropParams
) -> str | None:
    if any(side.start == 0 or side.stop == n for side, n in zip(window, shape, strict=True)):
        return "edge"
    return "small" if length_px < params.min_length_px else None


def _solidity(rows: Int[np.ndarray, " n"], cols: Int[np.ndarray, " n"]) -> float:
    """Return the share that pixels take of all pixels whose middles lie in the convex hull of their middles.

    Notes
    -----
    By Pick's theorem a polygon with corners on the grid, of area A and with b grid points on its border, holds
    A + b / 2 + 1 of them. A convex outline has exactly 1, however small.
    """
    places = np.stack([rows, cols], axis=1)
    if np.linalg.matrix_rank(places - places[0]) < 2:
        return 1.0
    hull = ConvexHull(places)
    corners = places[hull.vertices]
    on_border = np.gcd.reduce(np.abs(corners - np.roll(corners, 1, axis=0)), axis=1).sum()
    return len(places) / (float(hull.volume) + on_border / 2 + 1)


def _upright_turn_deg(rows: Int[np.ndarray, " n"], cols: Int[np.ndarray, " n"]) -> float:
    """Return the turn that brings the long axis along the rows' index, over -90 to 90, counter-clockwise as seen."""
    covariance = np.cov(np.stack([rows, cols]).astype(float), bias=True)
    along = np.linalg.eigh(covariance)[1][:, 1]
    row, col = along * (1 if along[0] >= 0 else -1)
    return -float(np.rad2deg(np.arctan2(col, row)))


def _rotation(turn_deg: float) -> Float[np.ndarray, "2 2"]:
    """Return the rotation from offsets ``(row, col)`` in the crop to offsets in the micrograph; determinant 1."""
    turn = np.deg2rad(turn_deg)
    return np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


def _scale(length_px: float, params: CropParams, pixel_size_nm: float | None) -> float:
    largest = params.fill * params.n_px / length_px
    if params.size == "filled":
        return largest
    wanted = 1.0
    if params.crop_pixel_size_nm is not None:
        if pixel_size_nm is None:
            raise Refusal(
                "crop_uncalibrated",
                expected="a pixel size, because crop_pixel_size_nm is set",
                got="an uncalibrated micrograph",
                advice="Give pixel_size_nm in batch.yaml, or leave crop_pixel_size_nm out.",
            )
        wanted = pixel_size_nm / params.crop_pixel_size_nm
    return min(wanted, largest)


def _resampled(
    counts: _Image,
    inside: Bool[np.ndarray, "row col"],
    centroid: Float[np.ndarray, " 2"],
    inward: Float[np.ndarray, "2 2"],
    scale: float,
    n_px: int,
) -> _Crop:
    """Return the particle on the crop's grid, its outline's middle in the middle; 0 outside."""
    places = np.stack(np.nonzero(inside), axis=1) - centroid
    turned = places @ inward
    middle = inward @ ((turned.min(axis=0) + turned.max(axis=0)) / 2)
    matrix = inward / scale
    offset = centroid + middle - matrix @ np.full(2, (n_px - 1) / 2)
    # Background is taken out before: what is masked must not shine through where pixels are interpolated.
    masked = np.where(inside, np.maximum(counts, 0), 0).astype(np.float32)
    blur_px = max(0.0, 0.4 * (1 / scale - 1))
    smooth = ndimage.gaussian_filter(masked, blur_px) if blur_px else masked
    values = ndimage.affine_transform(smooth, matrix, offset, (n_px, n_px), order=1)
    share = ndimage.affine_transform(inside.astype(np.float32), matrix, offset, (n_px, n_px), order=1)
    return _in_255ths(np.where(share > 0.5, values, 0))


def _in_255ths(values: _Image) -> _Crop:
    return np.rint(255 * values / max(float(values.max()), np.finfo(np.float32).tiny)).astype(np.uint8)
