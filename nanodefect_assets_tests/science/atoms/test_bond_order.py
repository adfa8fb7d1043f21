import numpy as np
import pytest

from nanodefect_assets.science.atoms.bond_order import averaged_bond_order
from nanodefect_assets.science.atoms.common_neighbours import common_neighbours
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import close_packed_particle, twinned_particle
from nanodefect_assets.science.crystal.multiply_twinned import decahedron, icosahedron
from nanodefect_assets.science.crystal.params import (
    CrystalParams,
    DecahedronParams,
    DisturbanceParams,
    IcosahedronParams,
)

GOLD = CrystalParams(diameter_angstrom=40.0, shape="sphere")
CUTOFF = 1.2 * 4.078 / np.sqrt(2)


@pytest.mark.parametrize(("stack", "q4", "q6"), [("ABC" * 9, 0.1909, 0.5745), ("AB" * 13, 0.0972, 0.4848)])
def test_perfect_crystals_have_their_published_values(stack, q4, q6):
    """Values of fcc and hcp: P. J. Steinhardt et al., Phys. Rev. B 28, 784 (1983), table I."""
    crystal = close_packed_particle(stack, GOLD)
    inner = np.linalg.norm(crystal.positions_angstrom, axis=1) < 11

    assert averaged_bond_order(crystal.positions_angstrom, CUTOFF, 4)[inner] == pytest.approx(q4, abs=1e-3)
    assert averaged_bond_order(crystal.positions_angstrom, CUTOFF, 6)[inner] == pytest.approx(q6, abs=1e-3)


@pytest.mark.parametrize("degree", [4, 6])
def test_bond_order_does_not_depend_on_orientation(degree, rng):
    twin = disturb(twinned_particle(GOLD), DisturbanceParams(), rng=rng)
    before = averaged_bond_order(twin.positions_angstrom, CUTOFF, degree)
    after = averaged_bond_order(turned_at_random(twin, rng=rng).positions_angstrom, CUTOFF, degree)

    assert after == pytest.approx(before, abs=1e-9)


def test_an_atom_without_neighbours_has_no_order():
    assert averaged_bond_order(np.array([[0.0, 0, 0], [50, 0, 0], [52, 0, 0]]), CUTOFF, 6)[0] == 0


def test_common_neighbours_tell_fcc_from_hcp():
    twin = twinned_particle(GOLD)
    inner = np.linalg.norm(twin.positions_angstrom, axis=1) < 14

    assert common_neighbours(twin.positions_angstrom, CUTOFF)[inner].tolist() == twin.layer_kind[inner].tolist()


@pytest.mark.parametrize(
    ("particle", "names"),
    [
        (decahedron(DecahedronParams()), {"fcc": "fcc", "hcp": "hcp", "axis": "five_fold"}),
        (icosahedron(IcosahedronParams()), {"fcc": "fcc", "axis": "five_fold", "centre": "icosahedral"}),
    ],
    ids=["decahedron", "icosahedron"],
)
def test_common_neighbours_know_five_fold_shells(particle, names):
    found = common_neighbours(particle.positions_angstrom, 1.25 * particle.bond_angstrom)
    radius = np.linalg.norm(particle.positions_angstrom, axis=1)
    inner = radius < 9

    for kind, name in names.items():
        assert set(found[inner & (particle.layer_kind == kind)]) == {name}


def test_one_wrong_neighbour_spoils_a_shell():
    twin = twinned_particle(GOLD)
    middle = np.linalg.norm(twin.positions_angstrom, axis=1).argmin()
    found = common_neighbours(np.delete(twin.positions_angstrom, middle, axis=0), CUTOFF)

    assert (found != "other").sum() == (common_neighbours(twin.positions_angstrom, CUTOFF) != "other").sum() - 13
