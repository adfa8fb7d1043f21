"""What makes a perfect structure real: heat, a disordered surface, strain; and turning it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.params import DisturbanceParams

_REACH_BONDS = 1.2
_FULL_SHELL = 12


def disturb(structure: Structure, params: DisturbanceParams, *, rng: np.random.Generator) -> Structure:
    """Strain a structure, disorder its surface and let its atoms vibrate.

    Parameters
    ----------
    structure : Structure
        The perfect particle.
    params : DisturbanceParams
        How much of each.
    rng : Generator
        Source of the displacements.

    Returns
    -------
    Structure
        Its surface atoms, where they are disordered, have the defect ``surface``.
    """
    strain = np.diag([params.strain + params.shear, params.strain - params.shear, params.strain])
    surface = surface_atoms(structure)
    shifts = rng.normal(scale=params.thermal_rms_angstrom, size=structure.positions_angstrom.shape)
    shifts[surface] += rng.normal(scale=params.surface_rms_angstrom, size=(int(surface.sum()), 3))
    lost = surface & (rng.random(len(structure)) < params.surface_loss)
    moved = structure.moved(structure.positions_angstrom @ (np.eye(3) + strain) + shifts)
    if params.surface_rms_angstrom or params.surface_loss:
        moved = replace(moved, defect=np.where(surface, "surface", moved.defect))
    return moved.taken(~lost)


def surface_atoms(structure: Structure) -> Bool[np.ndarray, " atom"]:
    """Return which atoms have fewer neighbours of their own species than a close-packed crystal gives them."""
    n_neighbours = np.zeros(len(structure), dtype=int)
    for species in np.unique(structure.species):
        same = structure.species == species
        tree = cKDTree(structure.positions_angstrom[same])
        reach = _REACH_BONDS * structure.bond_angstrom
        n_neighbours[same] = tree.query_ball_point(structure.positions_angstrom[same], reach, return_length=True) - 1
    return n_neighbours < _FULL_SHELL


def turned_at_random(structure: Structure, *, rng: np.random.Generator) -> Structure:
    """Return the structure in an orientation drawn evenly from all."""
    return structure.rotated(Rotation.random(rng=rng).as_matrix())
