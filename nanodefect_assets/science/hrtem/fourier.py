"""Particles by their lattice fringes: a band of the Fourier transform, its local energy, a threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft, ndimage
from scipy.ndimage import gaussian_filter

from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.crystal.spacings import lattice_spacings_nm
from nanodefect_assets.science.hrtem.lattice_energy import band_share, lattice_energy
from nanodefect_assets.science.hrtem.lattice_peaks import find_lattice_frequencies
from nanodefect_assets.science.hrtem.params import AnnulusParams, LatticeParams
from nanodefect_assets.science.imaging.masks import label_mask

_Image = Float[np.ndarray, "row col"]
_Mask = Bool[np.ndarray, "row col"]

_LONGEST_PERIOD_PX = 40.0
"""Coarsest fringes looked for where there is no scale: particle and support vary too, over longer distances."""
_UNKNOWN_SPACINGS_NM = (0.12, 0.45)
"""Where fringes are looked for in a crystal that is not known: what HRTEM resolves of metals and semiconductors."""


@dataclass(frozen=True, kw_only=True)
class FringeMask:
    """Where fringes are.

    Attributes
    ----------
    mask : ndarray of shape (row, col)
        True on fringes.
    threshold : float
        Of the energy over that of the support; infinite where no lattice was found.
    periods_px : tuple of float
        Periods of the fringes that were looked for, in pixels.
    is_automatic : bool
        Whether these were found in the micrograph, not known from pixel size and material.
    """

    mask: _Mask
    threshold: float
    periods_px: tuple[float, ...]
    is_automatic: bool


def find_fringes(micrograph: Micrograph, params: LatticeParams, *, material: str | None = None) -> FringeMask:
    """Find where a micrograph shows the lattice of its particles.

    Parameters
    ----------
    micrograph : Micrograph
        Of finite intensities.
    params : LatticeParams
        Free parameters.
    material : str or None
        What the particles are made of, such as ``Pd``. Where it or the pixel size is not known, the lattice is looked
        for in the micrograph itself.

    Raises
    ------
    Refusal
        If the pixels are too coarse for every spacing of the material.

    Notes
    -----
    A part counts where it somewhere exceeds what featureless support reaches by chance; it ends where the energy falls
    below `seed_fraction` of that or below `edge_fraction` of its own median, because strong fringes shine beyond
    their particle.
    """
    frequencies, is_automatic = _frequencies(micrograph, params, material)
    if not frequencies:
        return FringeMask(
            mask=np.zeros(micrograph.counts.shape, dtype=bool), threshold=np.inf, periods_px=(), is_automatic=True
        )
    energy = lattice_energy(
        micrograph.counts, frequencies, coherence=params.coherence, smoothing=params.energy_smoothing
    )
    threshold = energy.threshold(params.false_alarm)
    return FringeMask(
        mask=_grow_from_seeds(energy.ratio, threshold, params),
        threshold=threshold,
        periods_px=tuple(1 / frequency for frequency in frequencies),
        is_automatic=is_automatic,
    )


def filter_annulus(image: _Image, params: AnnulusParams) -> _Image:
    """Return `image` with an annulus of its Fourier transform removed, or nothing but it, and then blurred.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Any unit.
    params : AnnulusParams
        The annulus, in pixels of the Fourier transform: its meaning changes with the size of the image.

    References
    ----------
    .. [1] C. K. Groschner, Electron Microscopy for the Study of Defect Development in Nanomaterials, PhD thesis,
       UC Berkeley (2021), chapter 3.
    """
    n_rows, n_cols = image.shape
    rows, cols = np.fft.fftfreq(n_rows, 1 / n_rows)[:, None], np.fft.rfftfreq(n_cols, 1 / n_cols)
    radii_px = np.hypot(rows, cols)
    is_in_annulus = (radii_px >= params.annulus_inner_px) & (radii_px <= params.annulus_outer_px)
    is_kept = is_in_annulus if params.annulus == "kept" else ~is_in_annulus
    filtered = fft.irfft2(fft.rfft2(image.astype(np.float32, copy=False)) * is_kept, s=image.shape)
    return gaussian_filter(filtered, params.annulus_smoothing_px)


def _frequencies(micrograph: Micrograph, params: LatticeParams, material: str | None) -> tuple[tuple[float, ...], bool]:
    """Return the frequencies of the lattice in cycles per pixel, and whether they had to be looked for."""
    pixel_nm = micrograph.pixel_size_nm
    spacings_nm = lattice_spacings_nm(material) if material else None
    share = band_share(params.coherence)
    if pixel_nm is not None and spacings_nm is not None:
        seen = _resolved(spacings_nm[: params.n_spacings], pixel_nm, params, material)
        return _merged([pixel_nm / spacing for spacing in seen], share), False
    lowest, highest = 1 / _LONGEST_PERIOD_PX, params.highest_frequency
    if pixel_nm is not None:
        _resolved(_UNKNOWN_SPACINGS_NM[::-1], pixel_nm, params, material)
        lowest = pixel_nm / _UNKNOWN_SPACINGS_NM[1]
        highest = min(highest, pixel_nm / _UNKNOWN_SPACINGS_NM[0])
    image = micrograph.counts
    return find_lattice_frequencies(
        image, lowest=lowest, highest=highest, n_bands=params.n_bands, band_share=share
    ), True


def _resolved(
    spacings_nm: Sequence[float], pixel_nm: float, params: LatticeParams, material: str | None
) -> list[float]:
    """Return the spacings that these pixels resolve; refuse where there is none."""
    seen = [spacing for spacing in spacings_nm if pixel_nm / spacing <= params.highest_frequency]
    if not seen:
        largest_nm = max(spacings_nm)
        raise Refusal(
            "lattice_beyond_nyquist",
            expected=f"pixels of at most {params.highest_frequency * largest_nm:.3g} nm, which show the largest "
            f"spacing of {material or 'a crystal'}, {largest_nm:.3g} nm",
            got=f"a pixel size of {pixel_nm:.3g} nm",
            advice="Take micrographs of higher magnification, or segment these by intensity.",
        )
    return seen


def _merged(frequencies: Sequence[float], share: float) -> tuple[float, ...]:
    """Return one frequency, the geometric mean, for those that lie within one band."""
    groups: list[list[float]] = []
    for frequency in sorted(frequencies):
        if groups and frequency <= groups[-1][0] * (1 + share):
            groups[-1].append(frequency)
        else:
            groups.append([frequency])
    return tuple(prod(group) ** (1 / len(group)) for group in groups)


def _grow_from_seeds(ratio: _Image, threshold: float, params: LatticeParams) -> _Mask:
    """Return the parts of `ratio` that reach `threshold` somewhere, up to where each of them ends."""
    labels = label_mask(ratio > params.seed_fraction * threshold)
    parts = ndimage.find_objects(labels)
    result = np.zeros(ratio.shape, dtype=bool)
    for number, window in enumerate(parts, start=1):
        inside, here = labels[window] == number, ratio[window]
        values = here[inside]
        if values.max() > threshold:
            result[window] |= inside & (here > params.edge_fraction * np.median(values))
    return result
