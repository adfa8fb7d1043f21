"""How sure the images make us of each atom: the inverse of the information that they hold."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Float

from nanodefect_assets.science.tomography.atom_model import LinearImages
from nanodefect_assets.science.tomography.normal_equations import Preconditioner, solve_normal

_N_INNER = 40
_INNER_TOLERANCE = 0.03
_PRIOR_DRAWS = 24
"""How many draws of one number the mean ratio of all atoms counts as, when that of one atom is estimated."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Standard deviations of what was fitted.

    Attributes
    ----------
    positions_angstrom : ndarray of shape (atom, 3)
        Of x, y and z.
    intensity : ndarray of shape (atom,)
        Of the intensity.
    """

    positions_angstrom: Float[np.ndarray, "atom 3"]
    intensity: Float[np.ndarray, " atom"]

    def __len__(self) -> int:
        return len(self.intensity)

    def taken(self, selected: np.ndarray) -> Self:
        """Return that of some of the atoms."""
        return replace(self, positions_angstrom=self.positions_angstrom[selected], intensity=self.intensity[selected])


def measure_precision(linear: LinearImages, n_samples: int, *, rng: np.random.Generator) -> Precision:
    """Return the standard deviation of each atom's position and intensity when all parameters are fitted at once.

    Parameters
    ----------
    linear : LinearImages
        The model at the best fit, with one over the variance of each pixel.
    n_samples : int
        Draws of noise; 0 takes the atoms' own blocks, as if everything else were known.
    rng : Generator
        Draws the noise.

    Notes
    -----
    The covariance is the inverse of F = J' W J (Cramer and Rao), too large to be inverted. A step that solves
    F step = J' sqrt(W) n with n of variance 1 has just that covariance, so that a few draws show it. As few draws say
    little of one atom, its ratio to the inverse of its own block is drawn towards the mean ratio of all atoms.
    """
    precondition = Preconditioner(linear)
    blocks = np.einsum("app->ap", precondition.atoms)[:, :4]
    ratio = np.ones(len(blocks) * 4).reshape(-1, 4)
    if n_samples:
        squares = np.zeros_like(blocks)
        root = np.sqrt(linear.weights)
        for _ in range(n_samples):
            drawn = root * rng.standard_normal(root.shape, dtype=np.float32)
            step = solve_normal(linear, linear.gradient_of(drawn), precondition, _N_INNER, _INNER_TOLERANCE)
            squares += step.atoms[:, :4] ** 2
        ratio = _steadied(squares / blocks, n_samples)
    deviations = np.sqrt(blocks * ratio)
    return Precision(positions_angstrom=deviations[:, :3], intensity=deviations[:, 3])


def _steadied(sums: Float[np.ndarray, "atom 4"], n_samples: int) -> Float[np.ndarray, "atom 4"]:
    """Return each atom's ratio of variances, at least 1: one for its three coordinates, one for its intensity."""
    along = np.repeat(sums[:, :3].sum(axis=1, keepdims=True), 3, axis=1)
    found = np.empty_like(sums)
    for columns, values, n_draws in ((slice(0, 3), along, 3 * n_samples), (slice(3, 4), sums[:, 3:], n_samples)):
        usual = float(np.mean(values)) / n_draws
        found[:, columns] = (values + _PRIOR_DRAWS * usual) / (n_draws + _PRIOR_DRAWS)
    return np.maximum(found, 1.0)
