import numpy as np
import pytest

from nanodefect_assets.science.atoms.neighbours import count_neighbours
from nanodefect_assets.science.atoms.surface import find_exposed, outward_normals
from nanodefect_assets.science.crystal.disturb import disturb, surface_atoms, turned_at_random
from nanodefect_assets.science.crystal.layered import fcc_particle
from nanodefect_assets.science.crystal.multiply_twinned import icosahedron
from nanodefect_assets.science.crystal.params import CrystalParams, DisturbanceParams, IcosahedronParams


def exposed(structure):
    coordination = count_neighbours(structure.positions_angstrom, 1.2 * structure.bond_angstrom)
    return find_exposed(structure.positions_angstrom, coordination, structure.bond_angstrom)


@pytest.mark.parametrize("shape", ["octahedron", "cube", "truncated_octahedron", "cuboctahedron"])
def test_atoms_of_flat_faces_are_exposed_and_no_others(shape):
    crystal = fcc_particle(CrystalParams(diameter_angstrom=45.0, shape=shape))

    assert exposed(crystal).tolist() == surface_atoms(crystal).tolist()


def test_exposed_atoms_stay_exposed_when_the_particle_turns(rng):
    particle = disturb(icosahedron(IcosahedronParams()), DisturbanceParams(), rng=rng)
    turned = turned_at_random(particle, rng=rng)

    assert (exposed(particle) == exposed(turned)).all()


def test_atoms_around_a_vacancy_are_not_exposed():
    crystal = fcc_particle(CrystalParams(diameter_angstrom=45.0))
    radius = np.linalg.norm(crystal.positions_angstrom, axis=1)
    holed = crystal.taken(np.arange(len(crystal)) != radius.argmin())
    around = np.linalg.norm(holed.positions_angstrom - crystal.positions_angstrom[radius.argmin()], axis=1) < 3.2

    assert around.sum() == 12
    assert not exposed(holed)[around].any()


def test_the_way_out_of_a_face_is_its_normal():
    crystal = fcc_particle(CrystalParams(diameter_angstrom=60.0, shape="octahedron"))
    heights = crystal.positions_angstrom[:, 2]
    top = np.flatnonzero(heights > heights.max() - 0.1)
    middle = top[np.linalg.norm(crystal.positions_angstrom[top, :2], axis=1) < 9]

    normals = outward_normals(crystal.positions_angstrom, middle, crystal.bond_angstrom)
    assert len(middle) > 5
    assert normals[:, 2] == pytest.approx(1, abs=1e-3)
