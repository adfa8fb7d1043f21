"""Alignment before there is a volume: what all tilts share is the sample's profile along the tilt axis.

References
----------
.. [1] M. C. Scott et al., Electron tomography at 2.4-angstrom resolution, Nature 483, 444 (2012),
   doi:10.1038/nature10934: centre of mass and common line.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d, rotate

from nanodefect_assets.science.tomography.background import empty_region
from nanodefect_assets.science.tomography.shifting import centred, coarse_shifts, profile_shift

_Views = Float[np.ndarray, "tilt row col"]
_N_ROUNDS = 8
_N_TRIED = 13
_CLEARLY = 0.9
"""Of the misfit in the middle: a round particle fits equally well at any angle."""


def coarse_alignment(
    images: _Views, axis: Literal["rows", "columns"]
) -> tuple[Float[np.ndarray, "tilt 2"], Float[np.ndarray, " tilt"]]:
    """Return shifts and intensity factors of a particle that stands alone, background taken off.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        Intensity, zero beside the particle.
    axis : str
        Axis of the images that the stage tilts about.

    Notes
    -----
    Along the axis, sums across it are matched to their mean. Across it, centres of mass are put in the middle: seen
    from any side, that is where the centre of mass of the sample lies. Mass is the same from any side, so the height of
    a profile is the tilt's intensity factor; their median is 1.
    """
    masses = np.array([_masked(image) for image in images])
    along = 0 if axis == "rows" else 1
    profiles = masses.sum(axis=2 - along, dtype=float)
    shifts = np.zeros((len(images), 2))
    shifts[:, along], factors = match_profiles(profiles)
    across = masses.sum(axis=1 + along, dtype=float)
    places = np.arange(across.shape[1]) - across.shape[1] // 2
    shifts[:, 1 - along] = (across * places).sum(axis=1) / np.maximum(across.sum(axis=1), 1e-30)
    middle = (profiles.sum(axis=0) * (np.arange(profiles.shape[1]) - profiles.shape[1] // 2)).sum() / profiles.sum()
    shifts[:, along] += middle - shifts[:, along].mean()
    return shifts, factors


def _masked(image: Float[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    """Return the image without the noise of where it is empty."""
    return np.where(empty_region(np.asarray(image, dtype=float)), 0, image)


def match_profiles(
    profiles: Float[np.ndarray, "tilt line"],
) -> tuple[Float[np.ndarray, " tilt"], Float[np.ndarray, " tilt"]]:
    """Return shift and factor of each profile against their common one; mean shift 0, median factor 1."""
    n_lines = profiles.shape[1]
    cycles = np.fft.rfftfreq(n_lines)
    spectra = np.fft.rfft(profiles)
    shifts, common, moved = np.zeros(len(profiles)), profiles[len(profiles) // 2], profiles
    for _ in range(_N_ROUNDS):
        before = shifts
        shifts = np.array([profile_shift(profile, common) for profile in profiles])
        shifts -= shifts.mean()
        moved = np.fft.irfft(spectra * np.exp(2j * np.pi * cycles * shifts[:, None]), n_lines)
        sums = moved.sum(axis=1)
        common = np.mean(moved / np.where(sums > 0, sums, 1)[:, None], axis=0)
        if np.abs(shifts - before).max() < 1e-3:
            break
    factors = moved @ common / np.maximum(common @ common, 1e-30)
    middle = np.median(factors[factors > 0]) if (factors > 0).any() else 1.0
    return shifts, factors / middle


def find_axis_deg(
    images: _Views, axis: Literal["rows", "columns"], max_deg: float, near_deg: float = 0.0
) -> tuple[float, bool]:
    """Find by how much the tilt axis is turned in the images, from columns towards rows.

    Returns
    -------
    axis_deg : float
        The angle, within `max_deg` of `near_deg`; the latter where the misfit does not tell.
    is_at_bound : bool
        Whether images fit clearly best at the bound itself, so that the axis may be turned by more.

    Notes
    -----
    Turned upright by the right angle, the profiles of all tilts are most alike. The angle is that at which their
    misfit, tried at equal steps, has the vertex of its parabola.
    """
    if max_deg == 0:
        return near_deg, False
    smooth = gaussian_filter1d(gaussian_filter1d(images, 1.0, axis=1), 1.0, axis=2)
    tried = near_deg + np.linspace(-max_deg, max_deg, _N_TRIED)
    misfits = np.array([_misfit(smooth, axis, angle) for angle in tried])
    best = int(np.argmin(misfits))
    if best in (0, _N_TRIED - 1):
        return near_deg, bool(misfits[best] < _CLEARLY * misfits[_N_TRIED // 2])
    near = slice(max(best - 2, 0), best + 3)
    curve, slope, _ = np.polyfit(tried[near], misfits[near], 2)
    return (float(-slope / (2 * curve)) if curve > 0 else near_deg), False


def _misfit(images: _Views, axis: Literal["rows", "columns"], angle_deg: float) -> float:
    turned = rotate(images, angle_deg, axes=(1, 2), reshape=False, order=1) if angle_deg else images
    profiles = turned.sum(axis=2 if axis == "rows" else 1, dtype=float)
    shifts, factors = match_profiles(profiles)
    cycles = np.fft.rfftfreq(profiles.shape[1])
    moved = np.fft.irfft(np.fft.rfft(profiles) * np.exp(2j * np.pi * cycles * shifts[:, None]), profiles.shape[1])
    level = moved / factors[:, None]
    return float(((level - level.mean(axis=0)) ** 2).sum() / (level**2).sum())


def neighbour_shifts(
    images: _Views, tilts_deg: Float[np.ndarray, " tilt"], axis: Literal["rows", "columns"]
) -> Float[np.ndarray, "tilt 2"]:
    """Return shifts, in whole pixels, by correlation with the next image nearer to zero tilt."""
    order = np.argsort(tilts_deg, kind="stable")
    middle = int(np.argmin(np.abs(tilts_deg[order])))
    shifts = np.zeros((len(images), 2))
    for way in (order[middle:], order[middle::-1]):
        for before, after in pairwise(way):
            narrowed = np.cos(np.deg2rad(tilts_deg[after])) / np.cos(np.deg2rad(tilts_deg[before]))
            known = centred(images[[before]], shifts[[before]])
            shifts[after] = coarse_shifts(images[[after]], _narrowed(known, float(narrowed), axis))[0]
    return shifts


def _narrowed(images: _Views, share: float, axis: Literal["rows", "columns"]) -> _Views:
    """Return images drawn together across the axis, about the centre, as a film is by tilting on."""
    from scipy.ndimage import affine_transform

    across = 1 if axis == "columns" else 2
    scale, offset = np.ones(3), np.zeros(3)
    scale[across] = 1 / share
    offset[across] = images.shape[across] // 2 * (1 - 1 / share)
    return affine_transform(images, scale, offset, order=1, mode="nearest")
