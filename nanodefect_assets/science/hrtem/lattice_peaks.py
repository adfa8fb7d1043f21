"""Frequencies of a lattice that nobody named: Bragg peaks in the spectra of patches."""

import numpy as np
from jaxtyping import Float

from nanodefect_assets.science.imaging.spectrum import (
    patch_spectra,
    ring_backgrounds,
    ring_numbers,
    spectrum_radii,
)

_PATCH_PX, _SMALLEST_PATCH_PX = 256, 64
_MAX_PATCHES = 256
_FALSE_ALARM = 1e-3
"""Chance that amorphous support alone shows a peak anywhere in the micrograph."""
_CLEARLY = 2.0
"""A peak is this much higher than chance makes one: support is not quite stationary."""


def find_lattice_frequencies(
    image: Float[np.ndarray, "row col"], *, lowest: float, highest: float, n_bands: int, band_share: float
) -> tuple[float, ...]:
    """Return the frequencies at which Bragg peaks stand out of their rings, the strongest first.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Any unit.
    lowest, highest : float
        Where peaks are looked for, in cycles per pixel.
    n_bands : int
        Most frequencies returned.
    band_share : float
        Half width of the band around a frequency, relative to it; within two of them there is no further one.

    Returns
    -------
    tuple of float
        In cycles per pixel; empty where nothing stands out, as on a bare support or a patch smaller than 64 pixels.

    Notes
    -----
    Patches about the size of a particle, because there its peaks are highest. Over the background of its ring, power of
    amorphous support is distributed exponentially, so that the highest of n values exceeds ln(n / p) by chance p.
    """
    patch_px = min(_PATCH_PX, *image.shape)
    if patch_px < _SMALLEST_PATCH_PX:
        return ()
    powers = np.stack(list(patch_spectra(image, patch_px, _MAX_PATCHES)))
    excess = powers.max(axis=0) / ring_backgrounds(powers)[ring_numbers(patch_px)]
    radii = spectrum_radii(patch_px)
    is_looked_at = (radii >= lowest) & (radii <= highest)
    by_chance = np.log(len(powers) * np.count_nonzero(is_looked_at) / _FALSE_ALARM)
    is_peak = is_looked_at & (excess > _CLEARLY * by_chance)
    return _strongest(radii[is_peak], excess[is_peak], n_bands, band_share)


def _strongest(
    radii: Float[np.ndarray, " n"], excess: Float[np.ndarray, " n"], n_bands: int, band_share: float
) -> tuple[float, ...]:
    found: list[float] = []
    for radius in radii[np.argsort(-excess)]:
        if len(found) == n_bands:
            break
        if all(abs(radius - other) > 2 * band_share * other for other in found):
            found.append(float(radius))
    return tuple(found)
