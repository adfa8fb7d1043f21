import numpy as np
import pytest

from nanodefect_assets.science.atoms.neighbours import check_positions, count_neighbours, find_shells, measure_bond
from nanodefect_assets.science.crystal.disturb import disturb
from nanodefect_assets.science.crystal.layered import fcc_particle
from nanodefect_assets.science.crystal.params import CrystalParams, DisturbanceParams

CRYSTAL = fcc_particle(CrystalParams(diameter_angstrom=50.0))


@pytest.mark.parametrize("strain", [0.0, 0.065, -0.03])
@pytest.mark.parametrize("rms_angstrom", [0.0, 0.1])
def test_the_bond_is_measured_to_half_a_percent(rng, strain, rms_angstrom):
    params = DisturbanceParams(strain=strain, thermal_rms_angstrom=rms_angstrom)
    bond = measure_bond(disturb(CRYSTAL, params, rng=rng).positions_angstrom)

    assert bond.peak_angstrom == pytest.approx(CRYSTAL.bond_angstrom * (1 + strain), rel=0.005)
    assert bond.stretch_against(CRYSTAL.bond_angstrom) == pytest.approx(strain, abs=0.005)
    assert bond.spread_angstrom == pytest.approx(np.sqrt(2) * rms_angstrom, abs=0.01)


def test_the_cutoff_lies_between_the_first_two_shells(rng):
    bond = measure_bond(disturb(CRYSTAL, DisturbanceParams(thermal_rms_angstrom=0.15), rng=rng).positions_angstrom)

    assert 1.1 < bond.cutoff_angstrom / CRYSTAL.bond_angstrom < 1.35


def test_a_gas_whose_shortest_distances_are_the_most_frequent_has_a_length_too():
    rng = np.random.default_rng(3)
    bonds = [measure_bond(rng.uniform(0, 40, size=(n_atoms, 3))) for n_atoms in (100, 300, 600, 1200)]

    assert all(0 < bond.peak_angstrom < bond.cutoff_angstrom for bond in bonds)


def test_lengths_scale_with_the_particle():
    once, twice = measure_bond(CRYSTAL.positions_angstrom), measure_bond(CRYSTAL.positions_angstrom * 2)

    assert twice.peak_angstrom == pytest.approx(2 * once.peak_angstrom)
    assert twice.cutoff_angstrom == pytest.approx(2 * once.cutoff_angstrom)


def test_atoms_inside_a_crystal_have_twelve_neighbours():
    bond = measure_bond(CRYSTAL.positions_angstrom)
    inner = np.linalg.norm(CRYSTAL.positions_angstrom, axis=1) < 15
    shells = find_shells(CRYSTAL.positions_angstrom, bond.mean_angstrom)

    assert set(count_neighbours(CRYSTAL.positions_angstrom, bond.cutoff_angstrom)[inner]) == {12}
    assert np.linalg.norm(shells.vectors[inner], axis=2) == pytest.approx(1)
    assert shells.vectors[inner].sum(axis=1) == pytest.approx(0, abs=1e-9)


def test_neighbours_that_are_missing_are_marked():
    corner = np.linalg.norm(CRYSTAL.positions_angstrom, axis=1).argmax()
    shells = find_shells(CRYSTAL.positions_angstrom, CRYSTAL.bond_angstrom, reach_bonds=1.1)

    assert shells.n_found[corner] == 6
    assert (shells.index[corner, 6:] == len(CRYSTAL)).all()
    assert not shells.vectors[corner, 6:].any()


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (np.zeros((5, 3)), "Expected 13 or more atoms"),
        (np.zeros((20, 2)), "Expected 13 or more atoms with x, y, z"),
        (np.ones((20, 3)), "several atoms with the same coordinates"),
        (np.where(np.arange(60).reshape(20, 3) == 7, np.nan, np.arange(60.0).reshape(20, 3)), "Got 1 atoms without"),
    ],
)
def test_what_is_no_particle_is_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        check_positions(positions)
