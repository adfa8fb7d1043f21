"""Perfect dislocations: planted ones come back with their Burgers vectors; other defects are none."""

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.crystal.disturb import disturb
from nanodefect_assets.science.crystal.layered import faulted_particle, fcc_particle, twinned_particle
from nanodefect_assets.science.crystal.multiply_twinned import decahedron, growing_together, icosahedron
from nanodefect_assets.science.crystal.params import (
    CrystalParams,
    DecahedronParams,
    DisturbanceParams,
    IcosahedronParams,
)

GOLD = CrystalParams(diameter_angstrom=42.0, shape="sphere")
CRYSTAL = fcc_particle(GOLD)
BOND_ANGSTROM = CRYSTAL.bond_angstrom
POISSON = 0.44
CLEAN = {
    "single": CRYSTAL,
    "twinned": twinned_particle(GOLD),
    "intrinsic": faulted_particle("hh", GOLD),
    "extrinsic": faulted_particle("hfh", GOLD),
    "random": faulted_particle("hhfhhfh", GOLD),
    "decahedron": decahedron(DecahedronParams()),
    "icosahedron": icosahedron(IcosahedronParams()),
    "on the way": growing_together(0.6, IcosahedronParams(n_shells=9)),
}


def shifts_of_an_edge(across, height):
    """Displacements along the Burgers vector and the glide plane's normal (Hirth, Lothe, eq. 3-45), in bonds."""
    squared = across**2 + height**2
    along = np.arctan2(height, across) + across * height / (2 * (1 - POISSON) * squared)
    fall = (1 - 2 * POISSON) / (4 * (1 - POISSON)) * np.log(squared)
    normal = -fall - (across**2 - height**2) / (4 * (1 - POISSON) * squared)
    return along / (2 * np.pi), normal / (2 * np.pi)


def planted(kind, at=(0.0, 0.0)):
    """The crystal with a dislocation of Burgers vector x: an edge along y or a screw along x, at some bonds away."""
    x, y, z = (CRYSTAL.positions_angstrom / BOND_ANGSTROM).T
    height = z - at[1] - 0.5 * np.sqrt(2 / 3)  # between two layers
    if kind == "edge":
        along, normal = shifts_of_an_edge(x - at[0] - 0.3, height)
    else:
        along, normal = np.arctan2(height, y - at[0] - 0.3) / (2 * np.pi), np.zeros(len(x))
    shifts = np.column_stack([along, np.zeros(len(x)), normal])
    return CRYSTAL.moved(CRYSTAL.positions_angstrom + shifts * BOND_ANGSTROM)


def dislocations(positions_angstrom):
    return find_grains(classify_order(positions_angstrom, OrderParams()), GrainParams()).dislocations


@pytest.mark.parametrize("rms_angstrom", [0.0, 0.15])
@pytest.mark.parametrize(("kind", "angle_deg"), [("edge", 90), ("screw", 0)])
def test_a_planted_dislocation_is_found_once_with_its_burgers_vector(kind, angle_deg, rms_angstrom, rng):
    warm = disturb(planted(kind), DisturbanceParams(thermal_rms_angstrom=rms_angstrom), rng=rng)
    turn = Rotation.random(rng=rng).as_matrix()
    (found,) = dislocations(warm.positions_angstrom @ turn.T)
    burgers, point = found.burgers_angstrom @ turn, found.point_angstrom @ turn
    line = [0, 1, 0] if kind == "edge" else [1, 0, 0]

    assert sorted(np.abs(found.burgers_half)) == [0, 1, 1]
    assert abs(burgers[0]) == pytest.approx(BOND_ANGSTROM, rel=0.03)
    assert np.linalg.norm(burgers[1:]) < 0.2 * BOND_ANGSTROM  # the lattice itself is turned about the line
    assert abs(found.direction @ turn @ line) > 0.99
    assert found.angle_deg == pytest.approx(angle_deg, abs=9)
    assert found.n_bonds < 9 * GOLD.diameter_angstrom / BOND_ANGSTROM  # those beside the line, not all across a cut
    assert np.linalg.norm(np.cross(point, line)) < BOND_ANGSTROM


def test_two_dislocations_of_one_kind_are_two():
    x, _, z = (CRYSTAL.positions_angstrom / BOND_ANGSTROM).T
    both = np.zeros((len(CRYSTAL), 3))
    for sign, height in ((1, 4), (-1, -4)):
        along, normal = shifts_of_an_edge(x - 0.3, z - (height + 0.5) * np.sqrt(2 / 3))
        both += sign * np.column_stack([along, np.zeros(len(x)), normal])
    found = dislocations(CRYSTAL.positions_angstrom + both * BOND_ANGSTROM)

    assert len(found) == 2
    heights = sorted(each.point_angstrom[2] / BOND_ANGSTROM / np.sqrt(2 / 3) for each in found)
    assert heights == pytest.approx([-3.5, 4.5], abs=1)


@pytest.mark.parametrize("name", CLEAN)
def test_twins_faults_five_fold_axes_and_vacancies_are_no_dislocations(name, rng):
    rough = DisturbanceParams(thermal_rms_angstrom=0.15, surface_rms_angstrom=0.3, surface_loss=0.1, shear=0.01)
    positions = disturb(CLEAN[name], rough, rng=rng).positions_angstrom
    kept = rng.random(len(positions)) > 0.01

    assert dislocations(positions[kept]) == ()


@pytest.mark.slow
def test_the_strain_of_a_measured_decahedron_is_no_dislocation(real_data):
    positions = loadmat(real_data / "aet_decahedron" / "coordinates_PB.mat")["pos"].T * 0.3434

    assert dislocations(positions) == ()
