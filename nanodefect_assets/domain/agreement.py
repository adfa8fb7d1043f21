"""How well two simulations of one particle agree."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

_Image = Float[np.ndarray, "row col"]

View = Literal["along a row", "off zones"]
"""How a particle lies: a close-packed row along the beam, where electrons channel, or no low-index direction."""


@dataclass(frozen=True, kw_only=True)
class ComparedImages:
    """Images of one particle by multislice and by faster models.

    Attributes
    ----------
    material : str
        What the particle is made of.
    diameter_nm : float
        Its largest extent, which is about its thickness too.
    view : str
        How it lies under the beam.
    setting : str
        What else was chosen, such as ``defocus 8 nm``.
    n_atoms : int
        Atoms.
    pixel_size_angstrom : float
        Edge of a pixel.
    exact : ndarray of shape (row, col)
        Image by multislice.
    models : dict of str to ndarray
        Image by each faster model.
    inside : ndarray of shape (row, col)
        Pixels in the particle's silhouette, which are compared.
    """

    material: str
    diameter_nm: float
    view: View
    setting: str
    n_atoms: int
    pixel_size_angstrom: float
    exact: _Image
    models: dict[str, _Image]
    inside: Bool[np.ndarray, "row col"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well one faster model agrees with multislice, inside a particle.

    Attributes
    ----------
    material, diameter_nm, view, setting, n_atoms
        As in `ComparedImages`.
    model : str
        The faster model.
    correlation : float
        Pearson's correlation of the two images.
    contrast_ratio : float
        Standard deviation over mean of the model's image, over that of multislice.
    spectrum_correlation : float
        Correlation of the logarithms of the two radial power spectra.
    power_ratio : float
        Power of the model's image in the band compared, over that of multislice; means of the images taken as 1.
    """

    material: str
    diameter_nm: float
    view: View
    setting: str
    n_atoms: int
    model: str
    correlation: float
    contrast_ratio: float
    spectrum_correlation: float
    power_ratio: float
