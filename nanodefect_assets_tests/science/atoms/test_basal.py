import numpy as np
import pytest

from nanodefect_assets.science.atoms.basal import count_basal_faults, stacking_letters
from nanodefect_assets.science.atoms.facets import find_facets
from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.atoms.reading import read_particle
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import compound_particle, fcc_particle, sequence_of
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams, DisturbanceParams

SIZE = CompoundParams(diameter_angstrom=40, length_angstrom=50)


def sublattice(letters, species, rng, rms_angstrom=0.08):
    """Order of the atoms of one species of a wurtzite particle whose inner layers are as told."""
    structure = compound_particle(sequence_of(letters), SIZE)
    one = structure.taken(structure.species == species)
    shaken = disturb(one, DisturbanceParams(thermal_rms_angstrom=rms_angstrom), rng=rng)
    return classify_order(turned_at_random(shaken, rng=rng).positions_angstrom, OrderParams())


@pytest.mark.parametrize(
    ("species", "fault", "counts"),
    [
        ("Cd", "", (0, 0, 0, 0)),
        ("Cd", "f", (1, 0, 0, 0)),
        ("Se", "f", (1, 0, 0, 0)),
        ("Cd", "ff", (0, 1, 0, 0)),
        ("Cd", "fff", (0, 0, 1, 0)),
        ("Cd", "ffff", (0, 0, 0, 1)),
        ("Cd", "fhhf", (2, 0, 0, 0)),
    ],
)
def test_planted_basal_faults_are_named(species, fault, counts, rng):
    order = sublattice("hhhhhh" + fault + "hhhhhh", species, rng)

    assert tuple(count_basal_faults(order).values()) == counts


@pytest.mark.parametrize("rms_angstrom", [0.0, 0.3])
def test_the_sequence_is_the_planted_one_from_either_end(rms_angstrom, rng):
    found = stacking_letters(sublattice("hhhhhhhfhhhhh", "Cd", rng, rms_angstrom))

    assert found.strip("h") == "f"
    assert found.count("h") >= 8
    at = found.index("f")
    assert at != len(found) - 1 - at  # planted off the middle


def test_the_reading_of_a_wurtzite_sublattice_holds_its_faults(rng):
    order = sublattice("hhhhhhfhhhhhh", "Cd", rng)
    grain_map = find_grains(order, GrainParams())
    found = read_particle(order, grain_map, find_facets(order, grain_map))

    assert found.kind == "faulted"
    assert found.evidence["n_basal_i1"] == 1


def test_an_fcc_crystal_has_no_basal_faults():
    order = classify_order(fcc_particle(CrystalParams()).positions_angstrom, OrderParams())

    assert stacking_letters(order) == ""
    assert not np.any(list(count_basal_faults(order).values()))
