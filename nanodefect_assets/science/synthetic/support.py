"""Amorphous carbon: the film that holds particles."""

import numpy as np
from jaxtyping import Float
from scipy import fft
from scipy.ndimage import gaussian_filter

from nanodefect_assets.science.synthetic.waves import phase_of_atom

_Image = Float[np.ndarray, "row col"]

_ATOMS_PER_ANGSTROM3 = 0.100
"""Amorphous carbon of 2.0 g/cm^3."""

_MASS_GRAIN_NM = 0.3


def carbon_phase(
    shape: tuple[int, int],
    *,
    thickness_nm: float,
    spacing_angstrom: float,
    energy_kev: float,
    rng: np.random.Generator,
) -> _Image:
    """Return the phase that a film of amorphous carbon gives to a plane wave, in radians, mean 0.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns; the film is periodic.
    thickness_nm : float
        Thickness.
    spacing_angstrom, energy_kev : float
        Grid, and kinetic energy of the electrons.
    rng : Generator
        Draws where the atoms are.

    Notes
    -----
    Atoms lie anywhere: their number in each point of the grid is taken as normal, with the variance of a Poisson
    number. Real carbon keeps its atoms apart, so that it varies less over several angstrom.
    """
    atoms_per_point = _ATOMS_PER_ANGSTROM3 * 10 * thickness_nm * spacing_angstrom**2
    numbers = np.float32(np.sqrt(atoms_per_point)) * rng.standard_normal(shape, dtype=np.float32)
    spectrum = fft.rfft2(numbers) * phase_of_atom("C", shape, spacing_angstrom, energy_kev)
    spectrum[0, 0] = 0
    return fft.irfft2(spectrum, s=shape, overwrite_x=True)


def mass_texture(shape: tuple[int, ...], pixel_size_nm: float, *, rng: np.random.Generator) -> _Image:
    """Return how the mass of a film varies: smooth noise of mean 0 and standard deviation 1."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    texture = gaussian_filter(noise, max(_MASS_GRAIN_NM / pixel_size_nm, 0.5), mode="wrap")
    return (texture - texture.mean()) / texture.std()
