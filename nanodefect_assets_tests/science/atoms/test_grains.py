import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.structure import NO_GRAIN
from nanodefect_assets.science.atoms.facets import find_facets
from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.links import turn_between_deg
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.atoms.reading import read_particle
from nanodefect_assets.science.atoms.templates import symmetry
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import compound_particle, faulted_particle, fcc_particle
from nanodefect_assets.science.crystal.multiply_twinned import (
    decahedron,
    growing_one_by_one,
    growing_together,
    icosahedron,
)
from nanodefect_assets.science.crystal.params import (
    CompoundParams,
    CrystalParams,
    DecahedronParams,
    DisturbanceParams,
    IcosahedronParams,
)

GOLD = CrystalParams(diameter_angstrom=50.0)
ROOM_TEMPERATURE = DisturbanceParams(thermal_rms_angstrom=0.08)
NAMES = ("twin", "intrinsic", "extrinsic", "hcp", "rhcp")


def mapped(structure, rng, disturbance=ROOM_TEMPERATURE):
    disturbed = turned_at_random(disturb(structure, disturbance, rng=rng), rng=rng)
    order = classify_order(disturbed.positions_angstrom, OrderParams())
    return disturbed, order, find_grains(order, GrainParams())


def reading(structure, rng, disturbance=ROOM_TEMPERATURE):
    _, order, grain_map = mapped(structure, rng, disturbance)
    return read_particle(order, grain_map, find_facets(order, grain_map))


@pytest.mark.parametrize(
    ("letters", "counts", "n_grains"),
    [
        ("f", (0, 0, 0, 0, 0), 1),
        ("h", (1, 0, 0, 0, 0), 2),
        ("hh", (0, 1, 0, 0, 0), 1),
        ("hfh", (0, 0, 1, 0, 0), 1),
        ("hffh", (2, 0, 0, 0, 0), 3),
        ("hfffhfffh", (3, 0, 0, 0, 0), 4),
        ("hhffffhh", (0, 2, 0, 0, 0), 1),
        ("hffffhh", (1, 1, 0, 0, 0), 2),
        ("hhhhh", (0, 0, 0, 1, 0), 2),
        ("hhfhhfh", (0, 0, 0, 0, 1), 2),
    ],
)
def test_planted_defects_are_counted_exactly(letters, counts, n_grains, rng):
    _, _, grain_map = mapped(faulted_particle(letters, GOLD), rng)

    assert tuple(grain_map.count_defects(name) for name in NAMES) == counts
    assert len(grain_map.grains) == n_grains


@pytest.mark.parametrize("rms_angstrom", [0.0, 0.1, 0.2])
def test_counts_hold_at_the_precision_of_tomography(rms_angstrom, rng):
    _, _, grain_map = mapped(
        faulted_particle("hfffhh", GOLD), rng, DisturbanceParams(thermal_rms_angstrom=rms_angstrom)
    )

    assert tuple(grain_map.count_defects(name) for name in NAMES) == (1, 1, 0, 0, 0)


def test_counts_fail_by_missing_layers_as_displacements_grow(rng):
    """At 0.45 angstrom too few hcp shells are left for a layer; nothing is found that is not there."""
    _, _, grain_map = mapped(faulted_particle("h", GOLD), rng, DisturbanceParams(thermal_rms_angstrom=0.45))

    assert sum(grain_map.count_defects(name) for name in NAMES) <= 1


def test_grains_and_defects_are_the_planted_ones(rng):
    truth, order, grain_map = mapped(faulted_particle("hffffhh", GOLD), rng)
    full = order.coordination == 12
    inside = full & (truth.grain != NO_GRAIN)
    pairs = {(int(a), int(b)) for a, b in zip(truth.grain[inside], grain_map.grain[inside], strict=True)}

    assert len(pairs) == 2
    assert (grain_map.defect[full] == truth.defect[full]).all()
    for planted, found in pairs:
        turn_deg = turn_between_deg(truth.frames[planted].T[None], grain_map.grains[found].frame.T[None])
        assert turn_deg[0] < 8


def test_planes_have_their_normal_sides_and_distance(rng):
    truth, _, grain_map = mapped(faulted_particle("hffffhh", GOLD), rng)
    twin = next(plane for plane in grain_map.planes if plane.kind == "twin")
    faults = [plane for plane in grain_map.planes if plane.kind == "intrinsic"]
    spacing = truth.bond_angstrom * np.sqrt(2 / 3)

    assert abs(twin.normal @ truth.frames[0][2]) > 0.999
    assert set(twin.grains) == {0, 1}
    assert sorted(plane.distance_to_twin_angstrom for plane in faults) == pytest.approx(
        [5 * spacing, 6 * spacing], abs=0.6
    )
    assert {plane.grains[0] == plane.grains[1] for plane in faults} == {True}
    assert max(plane.n_inner_edge_atoms for plane in grain_map.planes) == 0


def test_a_fault_that_ends_inside_ends_at_a_dislocation(rng):
    """Half of the particle above the fault is shifted by a Shockley partial and half is not."""
    crystal = fcc_particle(GOLD.model_copy(update={"shape": "sphere", "diameter_angstrom": 60.0}))
    above, beside = crystal.positions_angstrom[:, 2] > 1.0, crystal.positions_angstrom[:, 0]
    partial = np.array([0, crystal.bond_angstrom / np.sqrt(3), 0])
    slipped = np.clip(0.5 - beside / 12, 0, 1)
    moved = crystal.moved(crystal.positions_angstrom + np.outer(slipped * above, partial))
    _, _, grain_map = mapped(moved, rng, DisturbanceParams(thermal_rms_angstrom=0.05))

    assert grain_map.count_defects("intrinsic") == 1
    assert max(plane.n_inner_edge_atoms for plane in grain_map.planes) >= 4


@pytest.mark.parametrize("notch", [0, 2])
def test_five_twin_planes_of_a_decahedron_meet_in_its_axis(notch, rng):
    truth, _, grain_map = mapped(decahedron(DecahedronParams(notch=notch, n_rows=9)), rng)

    assert grain_map.count_defects("twin") == 5
    assert len(grain_map.grains) == 5
    (axis,) = grain_map.axes
    assert abs(axis.direction @ truth.frames[0][0]) > 0.99 or len(truth.frames) == 5
    assert axis.plane_residual_angstrom < 0.2
    assert axis.plane_angles_deg == pytest.approx([72] * 5, abs=2)
    assert np.linalg.norm(np.cross(axis.point_angstrom, axis.direction)) < 0.5


def test_an_icosahedron_has_twenty_grains_thirty_twins_and_twelve_axes(rng):
    _, _, grain_map = mapped(icosahedron(IcosahedronParams()), rng)

    assert (len(grain_map.grains), grain_map.count_defects("twin"), len(grain_map.axes)) == (20, 30, 12)


@pytest.mark.parametrize(
    ("structure", "kind", "pathway"),
    [
        (fcc_particle(GOLD), "single_crystal", "none"),
        (fcc_particle(GOLD.model_copy(update={"shape": "cube"})), "single_crystal", "none"),
        (faulted_particle("hh", GOLD), "faulted", "none"),
        (faulted_particle("h", GOLD), "twinned", "none"),
        (compound_particle("AB", CompoundParams(diameter_angstrom=60, length_angstrom=60)), "hcp", "none"),
        (decahedron(DecahedronParams()), "decahedron", "none"),
        (decahedron(DecahedronParams(notch=2, n_rows=9)), "decahedron", "none"),
        (icosahedron(IcosahedronParams()), "icosahedron", "none"),
        (growing_together(0.6, IcosahedronParams(n_shells=11)), "on_the_way", "B"),
        (growing_together(0.75, IcosahedronParams(n_shells=10)), "on_the_way", "B"),
        (growing_one_by_one(3, IcosahedronParams()), "on_the_way", "A"),
        (growing_one_by_one(7, IcosahedronParams()), "on_the_way", "A"),
    ],
)
def test_every_particle_is_recognised_for_what_it_is(structure, kind, pathway, rng):
    found = reading(structure.taken(structure.species != "Se"), rng)

    assert (found.kind, found.pathway) == (kind, pathway)


def test_a_disordered_surface_does_not_change_what_a_particle_is(rng):
    params = DisturbanceParams(surface_rms_angstrom=0.4, surface_loss=0.15)
    found = reading(decahedron(DecahedronParams(n_rows=10)), rng, params)

    assert (found.kind, found.evidence["n_twin"], found.evidence["n_tetrahedra"]) == ("decahedron", 5, 5)


@pytest.mark.parametrize("filling", [0.6, 0.8])
def test_ten_partial_tetrahedra_stand_in_two_rows(filling, rng):
    params = IcosahedronParams(n_shells=11)
    found = reading(growing_together(filling, params), rng)
    evidence = found.evidence

    assert (evidence["n_row_1"], evidence["n_row_2"], evidence["n_row_3"]) == (5, 5, 0)
    assert 1 > evidence["mean_completeness_row_1"] > evidence["mean_completeness_row_2"] > 0.1
    assert evidence["sd_completeness_row_1"] < 0.1
    assert sorted(found.rows.values()) == [0] * 5 + [1] * 5 + [2] * 5


def test_shares_of_faces_and_skin_are_numbers(rng):
    evidence = reading(faulted_particle("hhfhhfh", GOLD), rng).evidence
    shares = [value for name, value in evidence.items() if name.startswith("surface_share")]

    assert sum(shares) == pytest.approx(1)
    assert evidence["surface_share_111"] > evidence["surface_share_100"]
    assert evidence["skin_share_rhcp"] > 0.1
    assert reading(fcc_particle(GOLD), rng).evidence["skin_share_rhcp"] == 0


@pytest.mark.parametrize("shape", ["octahedron", "cube", "truncated_octahedron"])
def test_faces_of_a_crystal_are_those_of_its_shape(shape, rng):
    crystal = fcc_particle(GOLD.model_copy(update={"shape": shape}))
    _, order, grain_map = mapped(crystal, rng)
    facets = find_facets(order, grain_map).facets
    large = [facet for facet in facets if facet.n_atoms > 0.4 * facets[0].n_atoms]

    expected = {"octahedron": ["111"] * 8, "cube": ["100"] * 6, "truncated_octahedron": ["111"] * 8 + ["100"] * 6}
    assert [facet.family for facet in large] == expected[shape]
    outward = np.array([facet.direction for facet in large])
    assert (outward @ outward.T - 2 * np.eye(len(outward))).max() < 0.6


@pytest.mark.parametrize("angle_deg", [0.0, 5.0, 30.0])
def test_the_turn_between_crystals_knows_their_symmetry(angle_deg, rng):
    first = Rotation.random(rng=rng).as_matrix()
    turn = Rotation.from_rotvec([0, np.deg2rad(angle_deg), 0]).as_matrix()
    same = first @ turn @ symmetry("fcc")[7]

    assert turn_between_deg(first[None], same[None]) == pytest.approx(angle_deg, abs=1e-4)


def test_sixty_degrees_about_the_stacking_direction_make_a_twin():
    twin = Rotation.from_euler("z", 60, degrees=True).as_matrix()

    assert turn_between_deg(np.eye(3)[None], twin[None]) == pytest.approx(60)
