"""Compounds with both species: planted lattices and faults come back; alloys stay one lattice."""

import numpy as np
import pytest
from ase.spacegroup import crystal

from nanodefect_assets.science.atoms.compound import classify_particle, find_sublattices
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.atoms.particle import read_atoms, spread_to_anions
from nanodefect_assets.science.crystal.bulk import bulk_bond_angstrom, bulk_compound_bond_angstrom
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import compound_particle, fcc_particle, sequence_of, twinned_particle
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams, DisturbanceParams

SIZE = CompoundParams(diameter_angstrom=36, length_angstrom=45)
GOLD = CrystalParams(diameter_angstrom=30.0)


def planted(sequence, rng, rms_angstrom=0.08):
    """A compound in motion, in an orientation and with its atoms in an order drawn at random."""
    moved = disturb(compound_particle(sequence, SIZE), DisturbanceParams(thermal_rms_angstrom=rms_angstrom), rng=rng)
    return turned_at_random(moved, rng=rng).taken(rng.permutation(len(moved)))


def classify(structure):
    return classify_particle(structure.positions_angstrom, structure.species, OrderParams())


def rocksalt(spacing_angstrom=3.06, n_half=5):
    grid = np.stack(np.meshgrid(*[np.arange(-n_half, n_half + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[np.linalg.norm(grid, axis=1) < n_half]
    return grid * spacing_angstrom, np.where(grid.sum(axis=1) % 2, "Pb", "Se")


@pytest.mark.parametrize(
    ("sequence", "crystal", "kind", "evidence"),
    [
        ("AB", "wurtzite", "hcp", {"n_basal_i1": 0, "n_basal_i2": 0, "n_basal_extrinsic": 0, "n_basal_other": 0}),
        (sequence_of("hhhhhhfhhhhhh"), "wurtzite", "faulted", {"n_basal_i1": 1, "n_basal_i2": 0}),
        (sequence_of("hhhhhhffhhhhhh"), "wurtzite", "faulted", {"n_basal_i1": 0, "n_basal_i2": 1}),
        (sequence_of("hhhhhhfffhhhhhh"), "wurtzite", "faulted", {"n_basal_extrinsic": 1}),
        ("ABC", "zincblende", "single_crystal", {"n_twin": 0, "n_intrinsic": 0}),
        (sequence_of("fffffffhfffffff"), "zincblende", "twinned", {"n_twin": 1, "n_grains": 2}),
        (sequence_of("fffffffhhfffffff"), "zincblende", "faulted", {"n_intrinsic": 1, "n_grains": 1}),
    ],
)
def test_a_planted_compound_is_recognised_with_its_faults(sequence, crystal, kind, evidence, rng):
    structure = planted(sequence, rng)
    order = classify(structure)
    _, reading = read_atoms(order, GrainParams())
    full = (order.coordination == 12) & ~order.is_exposed

    assert order.crystal == crystal
    assert (reading.kind, reading.pathway) == (kind, "none")
    assert {name: reading.evidence[name] for name in evidence} == evidence
    assert reading.evidence["n_unlike_neighbours"] == 4
    assert order.sublattices is not None
    assert (order.sublattices.is_anion == (structure.species == "Se")).all()
    assert full.mean() > 0.4
    assert np.mean(order.order[full] == structure.layer_kind[full]) >= 0.999


@pytest.mark.parametrize(("rms_angstrom", "lowest"), [(0.2, 0.99), (0.35, 0.9)])
def test_labels_of_a_compound_fade_as_displacements_grow(rms_angstrom, lowest, rng):
    structure = planted(sequence_of("hhhhhhffhhhhhh"), rng, rms_angstrom)
    order = classify(structure)
    inner = np.linalg.norm(structure.positions_angstrom, axis=1) < 12

    assert order.crystal == "wurtzite"
    assert np.mean(order.order[inner] == structure.layer_kind[inner]) >= lowest


def test_an_anion_is_of_the_layer_and_the_grain_of_its_cation(rng):
    structure = planted(sequence_of("fffffffhfffffff"), rng)
    order = classify(structure)
    found, _ = read_atoms(order, GrainParams())
    inner = (order.coordination == 12) & ~order.is_exposed
    is_twin, is_grain = structure.defect == "twin", structure.grain >= 0

    assert (found.defect[inner & is_twin] == "twin").mean() > 0.95
    assert (found.defect[is_grain] == "none").all()
    for number in (0, 1):
        (planted_grain,) = set(structure.grain[(found.grain == number) & is_grain & inner].tolist())
        assert (found.grain[inner & (structure.grain == planted_grain)] == number).mean() > 0.95


def test_an_anion_is_of_the_layer_below_it_and_not_of_the_next_one(rng):
    structure = planted(sequence_of("fffffffhhfffffff"), rng)
    found, _ = read_atoms(classify(structure), GrainParams())
    spacing_angstrom = np.sqrt(2 / 3) * SIZE.bond_angstrom

    assert len(found.planes) == 2
    for number, plane in enumerate(found.planes):
        anions = structure.positions_angstrom[(found.plane == number) & (structure.species == "Se")]
        assert len(anions) > 20
        assert np.ptp(anions @ plane.normal) < spacing_angstrom / 2


@pytest.mark.parametrize("fault", ["f", "ff", "fff"])
def test_atoms_of_a_basal_fault_are_named_as_planted_and_the_host_has_no_defect(fault, rng):
    structure = planted(sequence_of("hhhhhh" + fault + "hhhhhh"), rng)
    order = classify(structure)
    found, _ = read_atoms(order, GrainParams())
    inner = (order.coordination == 12) & ~order.is_exposed

    assert (found.defect[inner] == structure.defect[inner]).mean() > 0.99
    assert {plane.kind for plane in found.planes} == {"hcp"}


def test_grains_of_one_lattice_need_no_spreading(rng):
    order = classify_order(fcc_particle(GOLD).positions_angstrom, OrderParams())
    found, _ = read_atoms(order, GrainParams())

    assert spread_to_anions(order, found) is found


def test_rocksalt_is_two_fcc_lattices(rng):
    positions, species = rocksalt()
    order = classify_particle(positions + rng.normal(scale=0.08, size=positions.shape), species, OrderParams())

    assert order.crystal == "rocksalt"
    assert order.sublattices is not None
    assert (order.sublattices.is_anion == (species == "Se")).all()


OTHERS = {
    "cuprite": (["Cu", "O"], [(0.25, 0.25, 0.25), (0, 0, 0)], 224, 1, [4.27] * 3 + [90] * 3),
    "magnetite": (["Fe", "Fe", "O"], [(0.125,) * 3, (0.5,) * 3, (0.2547,) * 3], 227, 2, [8.396] * 3 + [90] * 3),
    "corundum": (["Al", "O"], [(0, 0, 0.352), (0.306, 0, 0.25)], 167, 1, [4.758, 4.758, 12.99, 90, 90, 120]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_compound_with_one_close_packed_lattice_is_not_named_after_it(name, rng):
    symbols, basis, group, setting, cell = OTHERS[name]
    block = crystal(symbols, basis, spacegroup=group, setting=setting, cellpar=cell).repeat(10)
    places = block.positions - block.positions.mean(axis=0)
    inside = np.linalg.norm(places, axis=1) < 13
    moved = places[inside] + rng.normal(scale=0.05, size=(int(inside.sum()), 3))
    order = classify_particle(moved, np.array(block.get_chemical_symbols())[inside], OrderParams())

    assert order.sublattices is not None
    assert order.crystal is None


@pytest.mark.parametrize("species", [("Pd", "Pt"), ("Co", "Ni", "Ru", "Rh", "Pd", "Ag", "Ir", "Pt")])
def test_a_mixed_alloy_stays_one_lattice(species, rng):
    structure = disturb(twinned_particle(GOLD), DisturbanceParams(), rng=rng)
    mixed = rng.choice(species, size=len(structure))
    order = classify_particle(structure.positions_angstrom, mixed, OrderParams())

    assert order.sublattices is None
    assert order.crystal == "fcc"
    assert (order.order == classify_order(structure.positions_angstrom, OrderParams()).order).all()


def test_ordered_alloys_and_core_shell_particles_stay_one_lattice():
    """L1_0 has two thirds of its bonds between unlike atoms, L1_2 half, a core in a shell only those at its surface."""
    grid = np.stack(np.meshgrid(*[np.arange(-7, 8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[(grid.sum(axis=1) % 2 == 0) & (np.linalg.norm(grid, axis=1) < 7)]
    positions = grid * 1.9
    ordered = {
        "L1_0": grid[:, 2] % 2 == 0,
        "L1_2": (grid % 2 == 0).all(axis=1),
        "core": np.linalg.norm(grid, axis=1) < 4,
    }

    for is_first in ordered.values():
        assert find_sublattices(positions, np.where(is_first, "Fe", "Pt")) is None


def test_what_is_no_compound_is_left_as_it_is(rng):
    structure = planted("AB", rng)
    one = np.full(len(structure), "X")
    shuffled = rng.permutation(structure.species)
    gas = rng.uniform(0, 40, size=(600, 3))

    assert find_sublattices(structure.positions_angstrom, one) is None
    assert find_sublattices(structure.positions_angstrom, shuffled) is None
    assert find_sublattices(gas, rng.choice(["Cd", "Se"], size=600)) is None
    assert classify_particle(gas, np.full(600, "Cd"), OrderParams()).crystal is None


@pytest.mark.parametrize(
    ("cations", "anions"), [(["Cd"], ["S", "Se"]), (["Ga", "In"], ["As"]), (["Si"], ["C"]), (["Cu"], ["I"])]
)
def test_cations_are_told_from_anions_by_the_periodic_table(cations, anions, rng):
    structure = compound_particle("ABC", SIZE)
    is_anion = structure.species == "Se"
    mixed = np.where(is_anion, rng.choice(anions, len(structure)), rng.choice(cations, len(structure)))
    found = find_sublattices(structure.positions_angstrom, mixed)

    assert found is not None
    assert (found.is_anion == is_anion).all()


def test_bulk_knows_compounds_and_no_alloy():
    assert bulk_compound_bond_angstrom(["Cd", "Se", "Se"]) == pytest.approx(4.297, abs=5e-4)
    assert bulk_compound_bond_angstrom(["Zn", "O"]) == pytest.approx((3.250 + 3.209) / 2, abs=5e-4)
    assert bulk_compound_bond_angstrom(["Zn", "S"]) == pytest.approx(5.409 / np.sqrt(2))
    assert bulk_compound_bond_angstrom(["Pd", "Pt"]) is None
    assert bulk_bond_angstrom(["Cd", "Se"]) is None
