"""A linear model of high-angle annular dark field: every atom adds a Gaussian of brightness Z^n.

It knows no channelling: along a zone axis real columns are brighter than the sum of their atoms. In the middle of
2.5 nm of Au it correlates with multislice by 0.98 and more; inside thick particles at low detector angles it agrees
only roughly.
"""

import numpy as np
from ase.data import atomic_numbers
from jaxtyping import Float, Shaped

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.synthetic.splat import add_gaussians_to_each


def atom_brightness(species: Shaped[np.ndarray, " atom"], power: float) -> Float[np.ndarray, " atom"]:
    """Return Z^n of each atom."""
    symbols, kind = np.unique(species, return_inverse=True)
    return np.array([atomic_numbers[str(symbol)] ** power for symbol in symbols], dtype=float)[kind]


def project_atoms(
    structure: Structure,
    rotations: Float[np.ndarray, "view 3 3"],
    n_pixels: int,
    *,
    pixel_size_angstrom: float,
    sigma_angstrom: float,
    power: float,
) -> Float[np.ndarray, "view row col"]:
    """Return the ideal projections of a particle: sums of Gaussians, exact whatever the rotation.

    Parameters
    ----------
    structure : Structure
        Atoms; their origin lies at index N // 2 of rows and columns.
    rotations : ndarray of shape (view, 3, 3)
        What turns positions of the sample into those of each view, as from `view_rotation`.
    n_pixels : int
        Rows and columns.
    pixel_size_angstrom, sigma_angstrom : float
        Edge of a pixel, and standard deviation of an atom's image.
    power : float
        Power n of Z^n.

    Returns
    -------
    ndarray of shape (view, row, col)
        Its sum, in every view, is that of Z^n over the atoms that lie inside the frame.
    """
    seen = structure.positions_angstrom @ np.transpose(rotations, (0, 2, 1))
    return splat_views(
        seen[:, :, 1] / pixel_size_angstrom + n_pixels // 2,
        seen[:, :, 0] / pixel_size_angstrom + n_pixels // 2,
        atom_brightness(structure.species, power),
        n_pixels,
        sigma_px=sigma_angstrom / pixel_size_angstrom,
    )


def splat_views(
    rows_px: Float[np.ndarray, "view atom"],
    cols_px: Float[np.ndarray, "view atom"],
    weights: Float[np.ndarray, " atom"],
    n_pixels: int,
    *,
    sigma_px: float,
) -> Float[np.ndarray, "view row col"]:
    """Return square images of atoms at given places."""
    images = np.zeros((len(rows_px), n_pixels, n_pixels), dtype=np.float32)
    add_gaussians_to_each(images, rows_px, cols_px, weights, sigma_px=sigma_px)
    return images
