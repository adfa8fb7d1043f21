"""Power spectra of the patches of an image, and their mean around the centre."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy import fft

_Image = Float[np.ndarray, "row col"]
_Power = Float[np.ndarray, "row half_col"]
_LN_2 = float(np.log(2.0))


def patch_spectra(image: _Image, patch_px: int, max_patches: int) -> Iterator[_Power]:
    """Return the power spectra of patches spread evenly over `image`.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Any unit, at least `patch_px` wide and high.
    patch_px : int
        Edge of a patch, in pixels.
    max_patches : int
        Patches overlap by half, unless that makes more than this; then they lie further apart.

    Yields
    ------
    ndarray of shape (patch_px, patch_px // 2 + 1)
        Squared modulus of the Fourier transform as `scipy.fft.rfft2` orders it, float32. The mean is taken away and
        the frame is faded out by a Hann window of unit mean square, so that white noise of variance v has power v.
    """
    window = np.hanning(patch_px + 2)[1:-1].astype(np.float32)
    window /= np.sqrt(np.mean(window**2))
    for row in _starts(image.shape[0], patch_px, max_patches):
        for col in _starts(image.shape[1], patch_px, max_patches):
            patch = image[row : row + patch_px, col : col + patch_px].astype(np.float32)
            patch = (patch - patch.mean(dtype=np.float64).astype(np.float32)) * window[:, None] * window
            yield np.square(np.abs(fft.rfft2(patch))) / np.float32(patch_px**2)


def spectrum_radii(patch_px: int) -> Float[np.ndarray, "row half_col"]:
    """Return the frequency of each pixel of a spectrum of `patch_spectra`, in cycles per pixel."""
    return np.hypot(np.fft.fftfreq(patch_px)[:, None], np.fft.rfftfreq(patch_px))


def ring_numbers(patch_px: int) -> Int[np.ndarray, "row half_col"]:
    """Return the ring of each pixel of a spectrum: its frequency in steps of one pixel of the spectrum."""
    return np.rint(spectrum_radii(patch_px) * patch_px).astype(np.int64)


def ring_backgrounds(powers: Float[np.ndarray, "patch row half_col"]) -> Float[np.ndarray, " ring"]:
    """Return the mean power of each ring beside peaks.

    Notes
    -----
    The power of amorphous support is distributed exponentially: its mean is its median over ln 2, and few peaks of a
    lattice leave a median where it is.
    """
    rings = ring_numbers(powers.shape[1])
    order = np.argsort(rings, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(rings.ravel()))[:-1]
    flat = powers.reshape(len(powers), -1)[:, order]
    return np.array([np.median(part) for part in np.split(flat, ends, axis=1)]) / _LN_2


def _starts(length: int, patch_px: int, max_patches: int) -> Int[np.ndarray, " patch"]:
    n_half_overlapping = max(1, 2 * length // patch_px - 1)
    n = max(1, min(n_half_overlapping, int(np.sqrt(max_patches))))
    return np.linspace(0, length - patch_px, n).round().astype(int)
