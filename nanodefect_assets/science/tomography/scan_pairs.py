"""Tilt series whose every tilt was scanned twice, at 0 and 90 degrees, brought into one."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.scan import CombinedScans, ScanPath, apply_path, combine_scans, straighten
from nanodefect_assets.science.tomography.screen import screen_tilts

Views = Float[np.ndarray, "tilt row col"]
Matrix = Float[np.ndarray, "2 2"]


@dataclass(frozen=True, kw_only=True)
class MendedSeries:
    """One image a tilt from two scans, and what was mended.

    Attributes
    ----------
    images : ndarray of shape (tilt, row, col)
        Mean of both scans where both were sound, else the sound one; coils' steps mended in either.
    why : mapping of int to str
        Images that are unsound, and why.
    paths : tuple of (ScanPath or None)
        What was mended of each tilt; None where one scan stands alone.
    is_second : ndarray of bool, of shape (tilt,)
        Whether the second scan stands alone.
    correlation_before, correlation_after : ndarray of shape (tilt,)
        Of both scans of a tilt; not a number where one stands alone.
    scan_matrix : ndarray of shape (2, 2) or None
        Steps of the scan that were mended; None for true coils.
    """

    images: Views
    why: dict[int, str]
    paths: tuple[ScanPath | None, ...]
    is_second: Bool[np.ndarray, " tilt"]
    correlation_before: Float[np.ndarray, " tilt"]
    correlation_after: Float[np.ndarray, " tilt"]
    scan_matrix: Matrix | None = None

    def halves(self, first: Views, second: Views) -> tuple[Views, Views]:
        """Return what the first and what the second scans show alone, mended; where one stands alone, that one."""
        halves = np.array(self.images), np.array(self.images)
        for n, path in enumerate(self.paths):
            if path is not None:
                halves[0][n], halves[1][n] = apply_path(first[n], second[n], path)
        return halves

    def combined(self, first: Views, second: Views) -> Views:
        """Return other images of the same scans, such as denoised ones, brought into one alike."""
        images = np.where(self.is_second[:, None, None], second, first).astype(np.float32)
        for n, path in enumerate(self.paths):
            if path is not None:
                images[n] = np.mean(apply_path(first[n], second[n], path), axis=0)
            elif self.scan_matrix is not None:
                images[n] = straighten(images[n], self.scan_matrix)
        return images


def upright(second: Views) -> Views:
    """Return scans at 90 degrees with the sample's rows along their rows."""
    return np.ascontiguousarray(np.rot90(second, -1, axes=(1, 2)))


def mend_scans(
    first: Views,
    second: Views,
    tilts_deg: Float[np.ndarray, " tilt"],
    *,
    scan_matrix: Matrix | None = None,
    executor: Executor,
    on_step: OnStep = ignore_progress,
) -> MendedSeries:
    """Bring two scans of every tilt into one image.

    Parameters
    ----------
    first, second : ndarray of shape (tilt, row, col)
        Scans at 0 and at 90 degrees, both upright.
    tilts_deg : ndarray of shape (tilt,)
        Nominal tilts.
    scan_matrix : ndarray of shape (2, 2) or None
        Steps of the scan from a standard sample; None for true coils.
    executor : Executor
        Mends tilts side by side.
    on_step : callable
        Told of every tilt.

    Notes
    -----
    A tilt of which one scan is unsound, or whose scans do not agree at any drift, goes on with the other, or the first.
    """
    if first.shape != second.shape:
        raise Refusal(
            "scans_differ", expected="as many second scans, of one size", got=f"{first.shape} and {second.shape}"
        )
    bad = [screen_tilts(scans, tilts_deg) for scans in (first, second)]
    is_second = np.array([n in bad[0] and n not in bad[1] for n in range(len(first))])
    images = np.where(is_second[:, None, None], second, first).astype(np.float32)
    paths: list[ScanPath | None] = [None] * len(first)
    correlations = np.full((len(first), 2), np.nan)
    why = {n: reason for n, reason in bad[0].items() if n in bad[1]}
    pairs = [n for n in range(len(first)) if n not in bad[0] and n not in bad[1]]
    found = executor.map(lambda n: _combined(first[n], second[n], scan_matrix), pairs)
    for done, (n, one) in enumerate(zip(pairs, found, strict=True), start=1):
        if one is not None:
            images[n], paths[n] = one.image, one.path
            correlations[n] = one.correlation_before, one.correlation_after
        on_step(Progress(task="mending scans", done=done, total=len(pairs)))
    return MendedSeries(
        images=_straightened(images, scan_matrix, [n for n in range(len(first)) if paths[n] is None and n not in why]),
        why=why,
        paths=tuple(paths),
        is_second=is_second,
        correlation_before=correlations[:, 0],
        correlation_after=correlations[:, 1],
        scan_matrix=scan_matrix,
    )


def straighten_series(images: Views, scan_matrix: Matrix | None, why: dict[int, str]) -> Views:
    """Return single scans with their coils' steps mended, but for the images that are unsound."""
    return _straightened(images, scan_matrix, [n for n in range(len(images)) if n not in why])


def _straightened(images: Views, scan_matrix: Matrix | None, chosen: list[int]) -> Views:
    if scan_matrix is None:
        return images
    mended = np.array(images, dtype=np.float32)
    for n in chosen:
        mended[n] = straighten(images[n], scan_matrix)
    return mended


def _combined(
    first: Float[np.ndarray, "row col"], second: Float[np.ndarray, "row col"], scan_matrix: Matrix | None
) -> CombinedScans | None:
    """Return two scans in one; None where they do not agree."""
    try:
        return combine_scans(first, second, scan_matrix=scan_matrix)
    except Refusal as refusal:
        if refusal.reason != "scans_disagree":
            raise
        return None
