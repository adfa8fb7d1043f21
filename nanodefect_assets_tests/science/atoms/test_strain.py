import numpy as np
import pytest

from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import OrderParams
from nanodefect_assets.science.atoms.strain import measure_strain, volumetric
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import faulted_particle
from nanodefect_assets.science.crystal.multiply_twinned import decahedron
from nanodefect_assets.science.crystal.params import CrystalParams, DecahedronParams, DisturbanceParams

TWIN = faulted_particle("h", CrystalParams(diameter_angstrom=40.0))


def strain_of(structure, bulk_bond_angstrom):
    order = classify_order(structure.positions_angstrom, OrderParams())
    strain = measure_strain(order, bulk_bond_angstrom)
    return order, strain[order.coordination == 12], strain


@pytest.mark.parametrize("size", [-0.02, 0.0, 0.065])
def test_planted_dilation_is_found_in_fcc_and_hcp(size, rng):
    params = DisturbanceParams(thermal_rms_angstrom=0.0, strain=size)
    _, strain, _ = strain_of(turned_at_random(disturb(TWIN, params, rng=rng), rng=rng), TWIN.bond_angstrom)

    green_lagrange = size + size**2 / 2
    assert volumetric(strain) == pytest.approx(green_lagrange, abs=1e-6)
    assert strain == pytest.approx(np.tile(np.eye(3) * green_lagrange, (len(strain), 1, 1)), abs=1e-6)


def test_planted_shear_is_found_along_its_axes(rng):
    params = DisturbanceParams(thermal_rms_angstrom=0.05, shear=0.03)
    _, strain, _ = strain_of(disturb(TWIN, params, rng=rng), TWIN.bond_angstrom)

    assert np.mean(strain, axis=0) == pytest.approx(np.diag([0.03045, -0.02955, 0]), abs=0.002)


def test_turning_a_particle_does_not_strain_it(rng):
    _, strain, _ = strain_of(turned_at_random(TWIN, rng=rng), TWIN.bond_angstrom)

    assert np.abs(strain).max() < 1e-6


def test_a_decahedron_is_stretched_around_its_axis_and_not_along_it():
    """Closing 7.35 degrees with a homogeneous strain stretches tangentially by tan(36) / tan(35.26) - 1 = 2.75 %."""
    particle = decahedron(DecahedronParams())
    order, _, strain = strain_of(particle, particle.bond_angstrom)
    fcc = np.flatnonzero(order.order == "fcc")
    angle = np.arctan2(particle.positions_angstrom[fcc, 1], particle.positions_angstrom[fcc, 0])
    middle = (np.floor(angle / np.deg2rad(72)) + 0.5) * np.deg2rad(72)
    tangent = np.column_stack([-np.sin(middle), np.cos(middle), np.zeros(len(fcc))])

    along = np.einsum("na,nab,nb->n", tangent, strain[fcc], tangent)
    assert strain[fcc, 2, 2] == pytest.approx(0, abs=1e-6)
    assert along - np.linalg.eigvalsh(strain[fcc])[:, 0] == pytest.approx(np.tan(np.pi / 5) * np.sqrt(2) - 1, abs=0.003)


def test_atoms_of_no_crystal_have_no_strain():
    order, _, strain = strain_of(TWIN, TWIN.bond_angstrom)

    assert np.isnan(strain[order.order == "surface"]).all()
    assert np.isfinite(strain[np.isin(order.order, ["fcc", "hcp"])]).all()
