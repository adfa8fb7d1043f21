"""The objective lens: what becomes of an electron wave between the particle and the detector."""

import numpy as np
from jaxtyping import Complex, Float
from scipy import fft

from nanodefect_assets.science.synthetic.params import OpticsParams

_Image = Float[np.ndarray, "row col"]
_Wave = Complex[np.ndarray, "row col"]

_REST_ENERGY_KEV = 510.99895
_PLANCK_TIMES_LIGHT_KEV_ANGSTROM = 12.39841984
_MM_TO_ANGSTROM, _NM_TO_ANGSTROM = 1e7, 10.0


def wavelength_angstrom(energy_kev: float) -> float:
    """Return the wavelength of electrons of a kinetic energy, in angstrom."""
    return _PLANCK_TIMES_LIGHT_KEV_ANGSTROM / np.sqrt(energy_kev * (2 * _REST_ENERGY_KEV + energy_kev))


def interaction_rad_per_volt_angstrom(energy_kev: float) -> float:
    """Return the phase that a projected potential of one volt angstrom gives to an electron, in radians."""
    relativistic = (_REST_ENERGY_KEV + energy_kev) / (2 * _REST_ENERGY_KEV + energy_kev)
    return 2 * np.pi / (wavelength_angstrom(energy_kev) * energy_kev * 1e3) * relativistic


def transfer_function(
    frequencies_per_angstrom: Float[np.ndarray, "*shape"], params: OpticsParams
) -> Complex[np.ndarray, "*shape"]:
    """Return by what the lens multiplies each Fourier coefficient of an electron wave.

    Parameters
    ----------
    frequencies_per_angstrom : ndarray
        Spatial frequency k.
    params : OpticsParams
        Aberrations and coherence.

    Notes
    -----
    exp(-i chi(k)) with chi = pi lambda C1 k^2 + pi/2 Cs lambda^3 k^4 and C1 = -defocus, damped by the envelopes of the
    focal spread D, exp(-(pi lambda D k^2)^2 / 2), and of the convergence a, exp(-(a / lambda dchi/dk)^2 / 2): the
    quasi-coherent approximation [1]_, exact to first order in the scattered wave.

    References
    ----------
    .. [1] Kirkland, Advanced Computing in Electron Microscopy (2010), chapter 3.2.
    """
    squared = np.asarray(frequencies_per_angstrom, dtype=np.float32) ** 2
    wavelength = np.float32(wavelength_angstrom(params.energy_kev))
    c1, cs = np.float32(-params.defocus_nm * _NM_TO_ANGSTROM), np.float32(params.cs_mm * _MM_TO_ANGSTROM)
    chi = np.float32(np.pi) * wavelength * squared * (c1 + cs * wavelength**2 / 2 * squared)
    spread = np.float32(params.focal_spread_nm * _NM_TO_ANGSTROM)
    damping = (np.float32(np.pi) * wavelength * spread * squared) ** 2 / 2
    if params.convergence_mrad:
        slope = 2 * np.float32(np.pi) * (c1 + cs * wavelength**2 * squared)
        damping += squared * (slope * np.float32(params.convergence_mrad * 1e-3)) ** 2 / 2
    transfer = np.empty(squared.shape, dtype=np.complex64)
    envelope = np.exp(-damping)
    np.multiply(np.cos(chi), envelope, out=transfer.real)
    np.multiply(np.sin(chi), -envelope, out=transfer.imag)
    return transfer


def image_of_wave(wave: _Wave, spacing_angstrom: float, params: OpticsParams) -> _Image:
    """Return the intensity that the lens makes of an exit wave on a square grid; 1 is that of the incident beam."""
    transfer = transfer_function(frequency_grid(wave.shape, spacing_angstrom), params)
    seen = fft.ifft2(fft.fft2(wave) * transfer, overwrite_x=True)
    return seen.real**2 + seen.imag**2


def image_of_weak_phase(phase_rad: _Image, spacing_angstrom: float, params: OpticsParams) -> _Image:
    """Return the intensity that the lens makes of a weak phase object, to first order in its phase.

    Parameters
    ----------
    phase_rad : ndarray of shape (row, col)
        Phase that the object gives to the wave, in radians.
    spacing_angstrom : float
        Distance of two points of the grid.
    params : OpticsParams
        The lens.

    Notes
    -----
    I = 1 + 2 Re(i phase * t): the contrast is linear, twice the sine of the aberration phase.
    """
    spectrum = fft.rfft2(phase_rad)
    transfer = transfer_function(half_frequency_grid(phase_rad.shape, spacing_angstrom), params)
    return 1 - 2 * fft.irfft2(spectrum * np.imag(transfer), s=phase_rad.shape, overwrite_x=True)


def frequency_grid(shape: tuple[int, ...], spacing_angstrom: float) -> _Image:
    """Return the spatial frequency of each coefficient of a two-dimensional Fourier transform, per angstrom."""
    rows = fft.fftfreq(shape[0], spacing_angstrom).astype(np.float32)
    cols = fft.fftfreq(shape[1], spacing_angstrom).astype(np.float32)
    return np.hypot(rows[:, None], cols)


def half_frequency_grid(shape: tuple[int, ...], spacing_angstrom: float) -> _Image:
    """Return the same for the transform of a real image, which has half of the columns."""
    rows = fft.fftfreq(shape[0], spacing_angstrom).astype(np.float32)
    cols = fft.rfftfreq(shape[1], spacing_angstrom).astype(np.float32)
    return np.hypot(rows[:, None], cols)
