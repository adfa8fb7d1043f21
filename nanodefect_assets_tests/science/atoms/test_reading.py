"""Readings of grain maps made by hand: what is said follows from who is a twin of whom and how large grains are."""

import numpy as np
import pytest

from nanodefect_assets.domain.atom_order import AtomOrder, BondLength
from nanodefect_assets.domain.grain_map import FiveFoldAxis, Grain, GrainMap, Plane
from nanodefect_assets.science.atoms.facets import Facets
from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.atoms.reading import read_particle

CORE_PAIRS = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]
ROW_1 = [(grain, grain + 5) for grain in range(5)]
ROW_2 = [(grain + 5, grain + 10) for grain in range(5)] + [((grain + 1) % 5 + 5, grain + 10) for grain in range(5)]
N_ATOMS = 200


def plane(pair, kind="twin", distance=0.0):
    return Plane(
        kind=kind,
        defect=hash((pair, kind)),
        letters="fffhfff",
        n_atoms=20,
        normal=np.array([0.0, 0, 1]),
        centre_angstrom=np.zeros(3),
        grains=pair,
        distance_to_twin_angstrom=distance,
        n_inner_edge_atoms=0,
    )


def grain_map(sizes, pairs, n_axes=0, faults=()):
    ring = FiveFoldAxis(
        grains=(0, 1, 2, 3, 4),
        direction=np.array([0.0, 0, 1]),
        point_angstrom=np.zeros(3),
        plane_residual_angstrom=0.1,
        plane_angles_deg=(70.0, 71.0, 72.0, 73.0, 74.0),
    )
    return GrainMap(
        grain=np.zeros(N_ATOMS, dtype=int),
        plane=np.full(N_ATOMS, -1),
        defect=np.full(N_ATOMS, "none"),
        grains=tuple(Grain(n_atoms=size, frame=np.eye(3), centre_angstrom=np.zeros(3)) for size in sizes),
        planes=(*(plane(pair) for pair in pairs), *faults),
        axes=(ring,) * n_axes,
    )


def fcc_order(name="fcc"):
    return AtomOrder(
        positions_angstrom=np.zeros((N_ATOMS, 3)),
        order=np.full(N_ATOMS, name),
        scores=np.zeros((N_ATOMS, 4)),
        rotations=np.tile(np.eye(3), (N_ATOMS, 1, 1)),
        coordination=np.full(N_ATOMS, 12),
        is_exposed=np.zeros(N_ATOMS, dtype=bool),
        bond=BondLength(peak_angstrom=2.8, mean_angstrom=2.8, spread_angstrom=0.1, cutoff_angstrom=3.4),
    )


def read(found, name="fcc"):
    return read_particle(fcc_order(name), found, Facets(family=np.full(N_ATOMS, "inside"), facets=()))


@pytest.mark.parametrize(
    ("sizes", "pairs", "n_axes", "kind"),
    [
        ([100], [], 0, "single_crystal"),
        ([100, 50], [], 0, "polycrystal"),
        ([100, 50], [(0, 1)], 0, "twinned"),
        ([100] * 5, CORE_PAIRS, 1, "decahedron"),
        ([100] * 6, CORE_PAIRS + ROW_1[:1], 1, "decahedron"),
        ([100] * 10, CORE_PAIRS + ROW_1, 1, "on_the_way"),
        ([100] * 20, CORE_PAIRS + ROW_1 + ROW_2, 12, "icosahedron"),
        ([], [], 0, "disordered"),
    ],
)
def test_kinds_by_hand(sizes, pairs, n_axes, kind):
    assert read(grain_map(sizes, pairs, n_axes), "fcc" if sizes else "disordered").kind == kind


@pytest.mark.parametrize(
    ("row_1", "row_2", "pathway"),
    [
        ([100] * 3, [], "A"),
        ([100] * 4 + [30], [], "A"),
        ([80] * 5, [40] * 5, "B"),
        ([100] * 5, [60] * 5, "B"),
        ([100] * 5, [100] * 5, "undecided"),
        ([100] * 2 + [50] * 3, [], "undecided"),
    ],
)
def test_pathways_by_hand(row_1, row_2, pathway):
    pairs = CORE_PAIRS + ROW_1[: len(row_1)] + (ROW_2 if row_2 else [])
    found = read(grain_map([100] * 5 + row_1 + row_2, pairs, 1))

    assert found.pathway == pathway
    assert found.evidence["n_partial_added"] == sum(size < 90 for size in row_1 + row_2)


def test_rows_and_completeness_are_counted_from_the_core():
    found = read(grain_map([100] * 5 + [80] * 5 + [40] * 5, CORE_PAIRS + ROW_1 + ROW_2, 1))

    assert found.rows == dict(zip(range(15), [0] * 5 + [1] * 5 + [2] * 5, strict=True))
    assert found.evidence["mean_completeness_row_1"] == pytest.approx(0.8)
    assert found.evidence["mean_completeness_row_2"] == pytest.approx(0.4)
    assert found.evidence["core_axis_largest_step_deg"] == 74


def test_faults_are_placed_against_twin_planes():
    faults = [plane((0, 0), "intrinsic", distance) for distance in (2.0, 4.0, 9.0)]
    evidence = read(grain_map([100, 100], [(0, 1)], faults=faults)).evidence

    assert evidence["median_fault_to_twin_angstrom"] == 4.0
    assert "median_fault_to_twin_angstrom" not in read(grain_map([100, 100], [(0, 1)])).evidence


def test_crystals_in_a_glass_do_not_make_it_a_polycrystal():
    assert read(grain_map([30, 20], [(0, 1)]), "disordered").kind == "disordered"


def test_a_gas_is_disordered(rng):
    positions = rng.uniform(0, 40, size=(1500, 3))
    order = classify_order(positions, OrderParams())
    found = find_grains(order, GrainParams())

    assert found.grains == found.planes == found.axes == ()
    assert np.isin(order.order, ["surface", "disordered"]).mean() > 0.99
    reading = read_particle(order, found, Facets(family=np.full(1500, "other"), facets=()))
    assert reading.kind == "disordered"
