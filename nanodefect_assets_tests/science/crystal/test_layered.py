import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanodefect_assets.science.crystal.layered import (
    CUBIC_AXES,
    close_packed_particle,
    compound_particle,
    faulted_particle,
    fcc_particle,
    sequence_of,
    twinned_particle,
)
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams

GOLD = CrystalParams(diameter_angstrom=40.0)


def shell_distances(positions, n_nearest):
    return cKDTree(positions).query(positions, k=n_nearest + 1)[0][:, 1:]


@pytest.mark.parametrize(
    ("shape", "n_atoms"), [("cuboctahedron", 923), ("octahedron", 489), ("truncated_octahedron", 1289)]
)
def test_clusters_have_their_magic_numbers(shape, n_atoms):
    assert len(fcc_particle(GOLD.model_copy(update={"shape": shape}))) == n_atoms


@pytest.mark.parametrize("shape", ["sphere", "cube", "cuboctahedron", "octahedron", "truncated_octahedron"])
def test_a_crystal_has_the_density_and_symmetry_of_fcc(shape):
    crystal = fcc_particle(CrystalParams(diameter_angstrom=60.0, shape=shape))
    nearest = shell_distances(crystal.positions_angstrom, 18)
    inside = nearest[:, 11] < 1.1 * crystal.bond_angstrom
    inside &= nearest[:, 17] < 1.5 * crystal.bond_angstrom

    assert nearest[inside][:, :12] == pytest.approx(crystal.bond_angstrom)
    assert nearest[inside][:, 12:] == pytest.approx(4.078)
    assert np.linalg.norm(crystal.positions_angstrom, axis=1).max() <= 31.0


@pytest.mark.parametrize("sense", [1, -1])
def test_the_frame_is_the_crystals(sense):
    """Positions in the frame's cubic axes are whole multiples of half the cell's edge."""
    sequence = "ABC" * 7 if sense > 0 else "CBA" * 7
    crystal = close_packed_particle(sequence, GOLD)

    cubic = crystal.positions_angstrom @ crystal.frames[0].T @ CUBIC_AXES / (GOLD.lattice_angstrom / 2)

    assert np.abs(cubic - np.round(cubic)).max() < 1e-9
    assert (np.round(cubic).sum(axis=1) % 2 == 0).all()


def test_halves_of_a_twin_are_mirror_images():
    twin = twinned_particle(GOLD)
    mirrored = twin.positions_angstrom * [1, 1, -1]

    assert cKDTree(twin.positions_angstrom).query(mirrored)[0].max() < 1e-9
    assert (twin.grain == 0).sum() == (twin.grain == 1).sum() > 100
    assert twin.defect[np.abs(twin.positions_angstrom[:, 2]) < 0.1].tolist() == ["twin"] * int((twin.grain == -1).sum())


@pytest.mark.parametrize(("letters", "n_layers"), [("h", 1), ("hh", 2), ("hfh", 2), ("hfffh", 2), ("hhhhh", 5)])
def test_faults_have_their_layers_of_hcp(letters, n_layers):
    particle = faulted_particle(letters, GOLD)
    heights = np.round(particle.positions_angstrom[particle.layer_kind == "hcp", 2], 3)

    assert len(np.unique(heights)) == n_layers


@pytest.mark.parametrize(("sequence", "n_same"), [("AB", 12), ("ABC", 12)])
def test_wurtzite_and_zincblende_have_tetrahedra_of_the_other_species(sequence, n_same):
    crystal = compound_particle(sequence, CompoundParams())
    of_cations = crystal.positions_angstrom[crystal.species == "Cd"]
    of_anions = crystal.positions_angstrom[crystal.species == "Se"]
    inner = np.linalg.norm(of_cations, axis=1) < 12
    bonds, _ = cKDTree(of_anions).query(of_cations[inner], k=5)

    assert bonds[:, :4] == pytest.approx(4.30 * np.sqrt(3 / 8))
    assert bonds[:, 4].min() > 1.5 * bonds[0, 0]
    assert shell_distances(of_cations, n_same)[inner] == pytest.approx(4.30)


def test_wurtzite_and_zincblende_differ_in_the_second_shell_of_the_other_species():
    """The tenth neighbour of the other species is nearer in wurtzite, by the one that stands straight above."""
    fifth = {}
    for sequence in ("AB", "ABC"):
        crystal = compound_particle(sequence, CompoundParams(diameter_angstrom=50, length_angstrom=50))
        cations = crystal.positions_angstrom[crystal.species == "Cd"]
        middle = cations[np.linalg.norm(cations, axis=1).argmin()]
        fifth[sequence] = np.sort(np.linalg.norm(crystal.positions_angstrom[crystal.species == "Se"] - middle, axis=1))[
            4
        ]

    # Straight above a cation: at 5/3 of the bond in wurtzite; sqrt(11/3) of it in zincblende.
    bond = 4.30 * np.sqrt(3 / 8)
    assert fifth["AB"] == pytest.approx(5 / 3 * bond)
    assert fifth["ABC"] == pytest.approx(np.sqrt(11 / 3) * bond)


def test_a_basal_fault_is_planted_in_wurtzite():
    crystal = compound_particle(sequence_of("hhhhhfhhhhh"), CompoundParams(shape="prism"))

    assert crystal.kind == "faulted"
    assert set(crystal.defect) == {"none", "intrinsic"}
    assert set(crystal.layer_kind[crystal.defect == "intrinsic"]) == {"fcc"}
