import numpy as np
import pytest

from nanodefect_assets.science.crystal.disturb import disturb, surface_atoms, turned_at_random
from nanodefect_assets.science.crystal.layered import compound_particle, fcc_particle
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams, DisturbanceParams

CRYSTAL = fcc_particle(CrystalParams(diameter_angstrom=50.0))
STILL = DisturbanceParams(thermal_rms_angstrom=0.0)


def test_heat_moves_atoms_by_its_rms_along_each_axis(rng):
    moved = disturb(CRYSTAL, DisturbanceParams(thermal_rms_angstrom=0.1), rng=rng)
    shifts = moved.positions_angstrom - CRYSTAL.positions_angstrom

    assert shifts.std(axis=0) == pytest.approx([0.1] * 3, rel=0.1)


def test_only_the_surface_is_disordered(rng):
    params = STILL.model_copy(update={"surface_rms_angstrom": 0.5})
    moved = disturb(CRYSTAL, params, rng=rng)
    is_moved = (moved.positions_angstrom != CRYSTAL.positions_angstrom).any(axis=1)

    assert is_moved.tolist() == surface_atoms(CRYSTAL).tolist()
    assert set(moved.defect[is_moved]) == {"surface"}
    assert "surface" not in CRYSTAL.defect


def test_lost_atoms_are_the_surfaces(rng):
    kept = disturb(CRYSTAL, STILL.model_copy(update={"surface_loss": 0.3}), rng=rng)
    n_surface = int(surface_atoms(CRYSTAL).sum())

    assert len(CRYSTAL) - len(kept) == pytest.approx(0.3 * n_surface, rel=0.2)


def test_strain_and_shear_scale_the_axes(rng):
    params = STILL.model_copy(update={"strain": 0.02, "shear": 0.01})
    ratio = np.ptp(disturb(CRYSTAL, params, rng=rng).positions_angstrom, axis=0) / np.ptp(
        CRYSTAL.positions_angstrom, axis=0
    )

    assert ratio == pytest.approx([1.03, 1.01, 1.02])


def test_turning_keeps_distances_and_follows_the_seed():
    turned, again = (turned_at_random(CRYSTAL, rng=np.random.default_rng(5)) for _ in range(2))

    assert np.linalg.norm(turned.positions_angstrom, axis=1) == pytest.approx(
        np.linalg.norm(CRYSTAL.positions_angstrom, axis=1)
    )
    assert (turned.positions_angstrom == again.positions_angstrom).all()
    assert np.linalg.det(turned.frames[0]) == pytest.approx(1)


def test_the_surface_of_a_compound_is_found_for_each_species():
    compound = compound_particle("AB", CompoundParams(diameter_angstrom=50, length_angstrom=50))
    inner = np.linalg.norm(compound.positions_angstrom, axis=1) < 15

    assert not surface_atoms(compound)[inner].any()
    assert surface_atoms(compound).mean() > 0.3
