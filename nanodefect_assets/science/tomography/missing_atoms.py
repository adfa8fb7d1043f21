"""Atoms that the images show and a model lacks: where one more would explain what is left over."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from nanodefect_assets.domain.volume import positions_of
from nanodefect_assets.science.tomography.atom_evidence import needed_significance
from nanodefect_assets.science.tomography.atom_images import REACH, Images
from nanodefect_assets.science.tomography.atom_model import AtomState
from nanodefect_assets.science.tomography.peak_search import between_voxels, find_maxima, without_near
from nanodefect_assets.science.tomography.projector import Volume3D
from nanodefect_assets.science.tomography.splat import SplatProjector
from nanodefect_assets.science.tomography.tracing_params import AtomFitParams

_SHARE_OF_NEEDED = 0.6
"""What others have taken up of a missing atom comes back only once it is fitted with them."""
_LEAST_DISTANCE = 0.6
"""Nearest place of another atom, as a share of the distance below which atoms are merged: two that stand in for three
are pushed apart by the fit."""


def find_missing(
    state: AtomState, residual: Images, weights: Images, params: AtomFitParams
) -> Float[np.ndarray, "atom 3"]:
    """Return where one more atom would raise the likelihood most, the best first.

    Parameters
    ----------
    state : AtomState
        The image model, fitted.
    residual, weights : ndarray of shape (tilt, row, col)
        What it leaves over, and one over the variance of each pixel.
    params : AtomFitParams
        Settings.

    Notes
    -----
    Places are maxima of `significance_map` that reach 0.6 of what an atom needs to be kept, and stand off the others;
    whether they are atoms is for the fit with all others to say.
    """
    z = significance_map(state, residual, weights)
    needed = _SHARE_OF_NEEDED * needed_significance(state, params.false_alarms)
    found, _ = find_maxima(z, needed)
    if not len(found):
        return np.empty((0, 3))
    voxel = state.pixel_size_angstrom
    places = positions_of(between_voxels(z, found), z.shape, voxel)
    away = KDTree(state.positions_angstrom).query(places)[0] >= _LEAST_DISTANCE * params.merge_angstrom
    places = places[away]
    return places[without_near(places, params.merge_angstrom)]


def significance_map(state: AtomState, residual: Images, weights: Images) -> Volume3D:
    """Return, for every voxel, the best intensity of one more atom there over its standard deviation.

    Parameters
    ----------
    state : AtomState
        The image model, which says how an atom looks.
    residual, weights : ndarray of shape (tilt, row, col)
        What it leaves over, and one over the variance of each pixel.

    Notes
    -----
    With g the image of an atom of intensity 1 at a place, its best intensity is <w r, g> / <w g, g>, and the logarithm
    of the likelihood rises by half of z^2 = <w r, g>^2 / <w g, g>. Both products are sums over the views of blurred
    images, read where the place shows: two back-projections. The halo's own square, a few per cent, is left out.
    """
    shape = (state.shape[1], *state.shape)
    projector = SplatProjector(state.geometry.rotations, state.geometry.shifts_px, shape, state.shape)
    sigma_px, factors = float(np.median(state.sigma_px)), state.factors[:, None, None].astype(np.float32)
    along = _blurred(state.with_halo(weights * residual), sigma_px)
    # The square of a Gaussian of sum 1 is one of 1 / sqrt(2) of its width and of sum 1 / (4 pi sigma^2).
    own = _blurred(weights, sigma_px / np.sqrt(2)) * np.float32((1 - state.halo) ** 2 / (4 * np.pi * sigma_px**2))
    z = projector.adjoint(factors * along)
    information = projector.adjoint(factors**2 * own)
    seen = information > 0
    z[seen] /= np.sqrt(information[seen])
    return z


def _blurred(images: Images, sigma_px: float) -> Images:
    return gaussian_filter(images, (0, sigma_px, sigma_px), mode="constant", truncate=REACH)
