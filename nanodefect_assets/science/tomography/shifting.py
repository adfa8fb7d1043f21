"""Shifts of images by parts of a pixel, and how they are found."""

import numpy as np
from jaxtyping import Float
from scipy.fft import fftfreq, irfft2, rfft, rfft2, rfftfreq

from nanodefect_assets.domain.tilt_geometry import TiltGeometry

_Views = Float[np.ndarray, "tilt row col"]
_Shifts = Float[np.ndarray, "tilt 2"]


def centred(images: _Views, shifts_px: _Shifts) -> _Views:
    """Return the images with what lies at `shifts_px` off the centre moved to the centre.

    Notes
    -----
    By phases of the transform, which changes no noise; what comes in from the other edge is set to zero.
    """
    n_rows, n_cols = images.shape[1:]
    rows, cols = fftfreq(n_rows)[:, None], rfftfreq(n_cols)
    moved = np.empty(images.shape, np.float32)
    for n, (row_px, col_px) in enumerate(shifts_px):
        phase = np.exp(2j * np.pi * (rows * row_px + cols * col_px)).astype(np.complex64)
        moved[n] = irfft2(rfft2(images[n]) * phase, s=(n_rows, n_cols))
        for axis, size, shift_px in ((0, n_rows, row_px), (1, n_cols, col_px)):
            edge = min(int(np.ceil(abs(shift_px))), size)
            part = slice(size - edge, size) if shift_px > 0 else slice(0, edge)
            if edge:
                moved[(n, part) if axis == 0 else (n, slice(None), part)] = 0
    return moved


def slopes_of(images: _Views) -> tuple[_Views, _Views]:
    """Return the derivatives along rows' and columns' index."""
    along_rows, along_cols = np.gradient(images, axis=(1, 2))
    return along_rows, along_cols


def coarse_shifts(images: _Views, wanted: _Views) -> _Shifts:
    """Return, in whole pixels, by how much the images are shifted against the wanted ones, by cross-correlation."""
    shape = images.shape[1:]
    found = np.empty((len(images), 2))
    for n, (image, other) in enumerate(zip(images, wanted, strict=True)):
        product = rfft2(image - image.mean()) * rfft2(other - other.mean()).conj()
        at = np.unravel_index(int(np.argmax(irfft2(product, s=shape))), shape)
        found[n] = [(place + size // 2) % size - size // 2 for place, size in zip(at, shape, strict=True)]
    return found


def profile_shift(profile: Float[np.ndarray, " line"], wanted: Float[np.ndarray, " line"]) -> float:
    """Return by how much a profile is shifted against the wanted one, by parts of a pixel."""
    n = len(profile)
    product = rfft(profile - profile.mean()) * rfft(wanted - wanted.mean()).conj()
    finer = 16
    fine = np.fft.irfft(np.concatenate([product, np.zeros((finer - 1) * n // 2, complex)]), finer * n)
    at = int(np.argmax(fine))
    left, middle, right = fine[(at - 1) % len(fine)], fine[at], fine[(at + 1) % len(fine)]
    curve = left - 2 * middle + right
    place = at + (0.5 * (left - right) / curve if curve else 0.0)
    return float((place + len(fine) / 2) % len(fine) - len(fine) / 2) / finer


def common_shift(shifts_px: _Shifts, geometry: TiltGeometry) -> Float[np.ndarray, " 3"]:
    """Return the move (x, y, z) of the whole sample, in pixels, that explains most of the shifts.

    Notes
    -----
    A view sees the sample's origin, moved by o, at (R o)_x along its columns and (R o)_y along its rows: a shift of all
    images that no image can tell.
    """
    design = np.concatenate([geometry.rotations[:, 1], geometry.rotations[:, 0]])
    moved, *_ = np.linalg.lstsq(design, np.concatenate([shifts_px[:, 0], shifts_px[:, 1]]), rcond=None)
    return moved


def shifts_of_move(move_px: Float[np.ndarray, " 3"], geometry: TiltGeometry) -> _Shifts:
    """Return the shifts that a move (x, y, z) of the whole sample makes."""
    seen = geometry.rotations @ move_px
    return seen[:, 1::-1]
