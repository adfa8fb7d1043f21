"""Coarser and finer grids that keep their centre."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import affine_transform, correlate1d

from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.projector import Volume3D


def halved(series: TiltSeries) -> TiltSeries:
    """Return the series on pixels twice as wide, with index N // 2 of every image where it was.

    Intensities are halved too: a ray through a voxel twice as wide counts one where it counted two.
    """
    images = series.images
    for axis in (1, 2):
        images = correlate1d(images, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
        images = np.take(images, _kept(images.shape[axis]), axis=axis)
    pixel_size_nm = None if series.pixel_size_nm is None else 2 * series.pixel_size_nm
    return TiltSeries(
        images=(0.5 * images).astype(np.float32),
        geometry=series.geometry.coarser(2),
        factors=series.factors,
        pixel_size_nm=pixel_size_nm,
        dose_e_per_nm2=series.dose_e_per_nm2,
    )


def coarser_series(series: TiltSeries, max_edge_px: int) -> tuple[TiltSeries, int]:
    """Return the series on the finest grid no wider than `max_edge_px`, and how much coarser its pixels are."""
    factor = 1
    while max(series.images.shape[1:]) > max_edge_px:
        series, factor = halved(series), 2 * factor
    return series, factor


def _kept(n: int) -> np.ndarray:
    """Return every second index, so that index n // 2 becomes (n // 2) of as many as there are."""
    half = n // 2
    return 2 * (np.arange(half) - half // 2) + half


def doubled(volume: Volume3D, shape: tuple[int, int, int]) -> Float[np.ndarray, "z y x"]:
    """Return a volume on voxels half as wide, interpolated, with its centre where it was."""
    offset = [old // 2 - (new // 2) / 2 for old, new in zip(volume.shape, shape, strict=True)]
    finer = affine_transform(volume, [0.5, 0.5, 0.5], offset, shape, order=1, mode="nearest")
    return np.maximum(finer, 0).astype(np.float32)
