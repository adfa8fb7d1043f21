"""One undistorted image from two scans, whose slow directions are at right angles.

A scan's slow direction is bent by drift and torn by jitter of its lines; its fast direction is not. Two scans at 0 and
90 degrees see either direction fast once.

References
----------
.. [1] C. Ophus, J. Ciston, C. T. Nelson, Correcting nonlinear drift distortion of scanning probe and scanning
   transmission electron microscopies from image pairs with orthogonal scan directions, Ultramicroscopy 162, 1 (2016),
   doi:10.1016/j.ultramic.2015.12.002.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates, spline_filter
from skimage.registration import phase_cross_correlation

from nanodefect_assets.domain.refusal import Refusal

_Image = Float[np.ndarray, "row col"]
_SMOOTHINGS_PX = (4.0, 2.0, 0.7)
"""Of the images that are compared, from far to near."""
_N_STEPS = 12
_MOVED_PX = 1e-3
_N_JITTER_ROUNDS = 4
_LINE_SMOOTHING_PX = 1.5
_SMOOTHED_ALIKE = 2 * np.sqrt(np.pi) * _LINE_SMOOTHING_PX
"""Neighbouring pixels that share their noise after smoothing."""
_EDGE_SHARE = 0.04
"""Of each edge, which one of the scans may not have seen, left out of the comparison."""


@dataclass(frozen=True, kw_only=True)
class ScanPath:
    """Where two upright scans, the first at 0 and the second at 90 degrees, have looked.

    Attributes
    ----------
    matrix : ndarray of shape (2, 2)
        Steps of the sample (row, col) for one pixel along rows and columns; the identity for true coils.
    drifts_px : ndarray of shape (scan, 2)
        Movement of the sample during each scan.
    shift_px : ndarray of shape (2,)
        Where the sample lies in the middle of the second scan, as seen from the middle of the first.
    jitter_px : ndarray of shape (scan, line)
        By how much each line is read too far along its fast direction: columns of the first scan, rows of the second.
    """

    matrix: Float[np.ndarray, "2 2"]
    drifts_px: Float[np.ndarray, "scan 2"]
    shift_px: Float[np.ndarray, " 2"]
    jitter_px: Float[np.ndarray, "scan line"]

    def pixels_of(self, places_px: Float[np.ndarray, "2 row col"], scan: int) -> Float[np.ndarray, "2 row col"]:
        """Return where a scan shows places of the sample, both from the centre."""
        n = self.jitter_px.shape[1]
        moving = self.matrix - np.outer(self.drifts_px[scan], _slow(scan, n))
        seen = places_px if scan == 0 else places_px + self.shift_px[:, None, None]
        pixels = np.einsum("ij,jrc->irc", np.linalg.inv(moving), seen)
        lines = np.clip(pixels[scan] + n // 2, 0, n - 1)
        pixels[1 - scan] += np.interp(lines, np.arange(n), self.jitter_px[scan])
        return pixels


@dataclass(frozen=True, kw_only=True)
class CombinedScans:
    """The mean of two scans that were brought into one.

    Attributes
    ----------
    image : ndarray of shape (row, col)
        Mean counts of the two, of 32 bits.
    path : ScanPath
        What was mended.
    correlation_before, correlation_after : float
        Pearson's coefficient of the two scans, smoothed, as they came and as mended.
    """

    image: _Image
    path: ScanPath
    correlation_before: float
    correlation_after: float


def _slow(scan: int, n: int) -> Float[np.ndarray, " 2"]:
    """Return time, in units of one scan, for one pixel along rows and columns of the upright image."""
    return np.array([1 / n, 0.0]) if scan == 0 else np.array([0.0, -1 / n])


def combine_scans(
    first: _Image, second: _Image, *, scan_matrix: Float[np.ndarray, "2 2"] | None = None, mends_lines: bool = True
) -> CombinedScans:
    """Mend drift and jitter of two scans by each other, and average them.

    Parameters
    ----------
    first, second : ndarray of shape (row, col)
        Scans at 0 and 90 degrees, both upright: ``np.rot90(scan, -1)`` turns the second. Square.
    scan_matrix : ndarray of shape (2, 2) or None
        Steps of the scan from a standard sample, `measure_standard`; None for true coils.
    mends_lines : bool
        Whether lines are shifted one by one, on top of even drift.

    Notes
    -----
    In place of the free paths of [1]_: an even drift of each scan, which makes an affine map whose slow column alone is
    unknown, and one shift of each line along its fast direction. Lines move as far as their spread exceeds what noise
    explains, so that scans without jitter are left alone.
    """
    if first.shape != second.shape or first.shape[0] != first.shape[1]:
        raise Refusal("scans_differ", expected="two square scans of one size", got=f"{first.shape} and {second.shape}")
    scans = [np.asarray(scan, dtype=float) for scan in (first, second)]
    n = len(first)
    path = ScanPath(
        matrix=np.eye(2) if scan_matrix is None else np.asarray(scan_matrix, dtype=float),
        drifts_px=np.zeros((2, 2)),
        shift_px=_whole_shift(*scans),
        jitter_px=np.zeros((2, n)),
    )
    for smoothing_px in _SMOOTHINGS_PX:
        path = _fit_drift([gaussian_filter(scan, smoothing_px) for scan in scans], path)
    if mends_lines:
        path = _fit_jitter(scans, path)
    mended = [_mended(scan, path, k) for k, scan in enumerate(scans)]
    smooth = [gaussian_filter(scan, 2.0) for scan in scans]
    return CombinedScans(
        image=((mended[0] + mended[1]) / 2).astype(np.float32),
        path=path,
        correlation_before=_correlation(*smooth),
        correlation_after=_correlation(*[gaussian_filter(image, 2.0) for image in mended]),
    )


def apply_path(first: _Image, second: _Image, path: ScanPath) -> tuple[_Image, _Image]:
    """Return two upright scans as they show the sample, with what `combine_scans` found mended."""
    scans = (np.asarray(scan, dtype=float) for scan in (first, second))
    mended = [_mended(scan, path, number).astype(np.float32) for number, scan in enumerate(scans)]
    return mended[0], mended[1]


def straighten(image: _Image, scan_matrix: Float[np.ndarray, "2 2"]) -> _Image:
    """Return what one upright scan shows at the places of the sample, its coils' steps mended and nothing else."""
    n_rows, n_cols = image.shape
    centre = np.array([n_rows // 2, n_cols // 2], dtype=float)[:, None, None]
    pixels = np.einsum("ij,jrc->irc", np.linalg.inv(scan_matrix), np.indices((n_rows, n_cols)) - centre)
    found = map_coordinates(spline_filter(np.asarray(image, float)), pixels + centre, prefilter=False, mode="nearest")
    return found.astype(np.float32)


def _whole_shift(first: _Image, second: _Image) -> Float[np.ndarray, " 2"]:
    smooth = [gaussian_filter(scan, _SMOOTHINGS_PX[0]) for scan in (second, first)]
    found, _, _ = phase_cross_correlation(
        *[scan - scan.mean() for scan in smooth],
        normalization=None,  # pyright: ignore[reportArgumentType]  its docstring has None too
    )
    return np.asarray(found, dtype=float)


def _places(n: int) -> Float[np.ndarray, "2 row col"]:
    return np.indices((n, n)) - float(n // 2)


def _mended(scan: _Image, path: ScanPath, number: int) -> _Image:
    """Return what a scan shows, at the places of the sample."""
    n = len(scan)
    return map_coordinates(
        spline_filter(scan), path.pixels_of(_places(n), number) + n // 2, prefilter=False, mode="nearest"
    )


def _fit_drift(scans: list[_Image], path: ScanPath) -> ScanPath:
    """Find drifts and shift at which both scans agree best, by Gauss-Newton steps."""
    n = len(scans[0])
    inside = _inside(n)
    times = [np.einsum("i,irc->rc", _slow(scan, n), _places(n))[inside].ravel() for scan in (0, 1)]
    for _ in range(_N_STEPS):
        first, second = (_mended(scan, path, k) for k, scan in enumerate(scans))
        slopes = [np.gradient((first + second) / 2, axis=axis)[inside].ravel() for axis in (0, 1)]
        columns = (
            [slope * times[0] for slope in slopes]
            + [-slope * times[1] for slope in slopes]
            + [-slope for slope in slopes]
        )
        step, *_ = np.linalg.lstsq(np.stack(columns, axis=1), (second - first)[inside].ravel(), rcond=None)
        path = replace(path, drifts_px=path.drifts_px + step[:4].reshape(2, 2), shift_px=path.shift_px + step[4:])
        if not np.abs(step).max() < n:
            raise Refusal(
                "scans_disagree", expected="two scans of one sample", got="no drift at which they agree", advice=""
            )
        if np.abs(step).max() < _MOVED_PX:
            break
    return path


def _inside(n: int) -> tuple[slice, slice]:
    edge = max(round(_EDGE_SHARE * n), 1)
    return slice(edge, n - edge), slice(edge, n - edge)


def _fit_jitter(scans: list[_Image], path: ScanPath) -> ScanPath:
    """Find the shift of each line along its fast direction, seen by the other scan."""
    for _ in range(_N_JITTER_ROUNDS):
        first, second = (_mended(scan, path, k) for k, scan in enumerate(scans))
        jitter_px = [
            _line_shifts(path.jitter_px[0], wanted=second, seen=first),
            _line_shifts(path.jitter_px[1], wanted=first.T, seen=second.T),
        ]
        path = replace(path, jitter_px=np.array(jitter_px))
    return path


def _line_shifts(known_px: Float[np.ndarray, " line"], *, wanted: _Image, seen: _Image) -> Float[np.ndarray, " line"]:
    """Return by how much each row is read too far, to show what is wanted, given what it shows read `known_px` too far.

    Notes
    -----
    The least-squares shift of a line, drawn towards none by the share of its variance that noise explains: the mean of
    a normal prior whose variance is judged from all lines. Images are smoothed along lines only, so that the jitter of
    one line does not leak into the next.
    """
    wanted, seen = (gaussian_filter1d(image, _LINE_SMOOTHING_PX, axis=1) for image in (wanted, seen))
    missing, slope = wanted - seen, np.gradient((wanted + seen) / 2, axis=1)
    weight = np.maximum((slope**2).sum(axis=1), 1e-30)
    step = (slope * missing).sum(axis=1) / weight
    shift = known_px + step
    noise = _SMOOTHED_ALIKE * (missing - step[:, None] * slope).var(axis=1) / weight
    trusted = weight > 0.05 * weight.max()
    spread = float(np.average(shift[trusted] ** 2 - noise[trusted], weights=weight[trusted]))
    return shift * spread / (spread + noise) if spread > 0 else np.zeros_like(shift)


def _correlation(first: _Image, second: _Image) -> float:
    inside = _inside(len(first))
    return float(np.corrcoef(first[inside].ravel(), second[inside].ravel())[0, 1])
