import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nanodefect_assets.science.crystal.layered import (
    compound_particle,
    faulted_particle,
    fcc_particle,
    sequence_of,
    twinned_particle,
)
from nanodefect_assets.science.crystal.multiply_twinned import decahedron, icosahedron
from nanodefect_assets.science.crystal.params import (
    CompoundParams,
    CrystalParams,
    DecahedronParams,
    IcosahedronParams,
)
from nanodefect_assets.science.synthetic.zones import low_index_zones, see_crystal

SMALL = CrystalParams(diameter_angstrom=20)
SMALL_CDSE = CompoundParams(diameter_angstrom=24, length_angstrom=30)
ONTO_Z = {  # what turns a direction of a grain's frame onto the beam
    "close-packed row": Rotation.from_euler("y", -90, degrees=True),
    "across, in the layer": Rotation.from_euler("x", 90, degrees=True),
    "stacking": Rotation.identity(),
}
ANGLES = st.floats(-180, 180)


def cdse(letters=""):
    return compound_particle(sequence_of(letters) if letters else "AB", SMALL_CDSE)


def under_beam(structure, direction, tilt_deg=0.0):
    tilt = Rotation.from_euler("x", tilt_deg, degrees=True)
    return see_crystal(structure.rotated((tilt * ONTO_Z[direction]).as_matrix()))


@pytest.mark.parametrize(
    ("direction", "fcc_zone", "wurtzite_zone"),
    [
        ("close-packed row", "<110>", "<11-20>"),
        ("across, in the layer", "<112>", "<10-10>"),
        ("stacking", "<111>", "[0001]"),
    ],
)
def test_known_directions_are_named(direction, fcc_zone, wurtzite_zone):
    fcc, wurtzite = under_beam(fcc_particle(SMALL), direction), under_beam(cdse(), direction)

    assert (fcc.lattice, fcc.zone) == ("cubic", fcc_zone)
    assert (wurtzite.lattice, wurtzite.zone) == ("hexagonal", wurtzite_zone)
    assert fcc.misorientation_deg == pytest.approx(0, abs=1e-4)
    assert wurtzite.misorientation_deg == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("structure", "direction", "is_visible"),
    [
        (faulted_particle("hh", SMALL), "close-packed row", True),
        (faulted_particle("hfh", SMALL), "close-packed row", True),
        (twinned_particle(SMALL), "close-packed row", True),
        (fcc_particle(SMALL), "close-packed row", False),
        (faulted_particle("hh", SMALL), "across, in the layer", False),
        (faulted_particle("hh", SMALL), "stacking", False),
        (cdse("hhhhhfhhhhh"), "close-packed row", True),
        (cdse(), "close-packed row", False),
        (cdse("hhhhhfhhhhh"), "across, in the layer", False),
        (cdse("hhhhhfhhhhh"), "stacking", False),
    ],
)
def test_faults_show_along_close_packed_rows_in_their_plane_only(structure, direction, is_visible):
    assert under_beam(structure, direction).shows_fault(3) is is_visible


def test_a_row_out_of_the_plane_of_the_fault_does_not_show_it():
    """Of six <110> of an fcc crystal three lie in the plane; along the others columns show and no fault."""
    structure = faulted_particle("hh", SMALL)
    shown = []
    for row in low_index_zones("cubic")["<110>"]:
        to_beam, _ = Rotation.align_vectors([[0, 0, 1]], [row])
        seen = see_crystal(structure.rotated(to_beam.as_matrix()))
        assert seen.shows_columns(3)
        shown.append(seen.shows_fault(3))

    assert sum(shown) == 3


@pytest.mark.parametrize(("tilt_deg", "is_visible"), [(0.0, True), (2.5, True), (-2.5, True), (3.5, False)])
def test_visibility_ends_at_the_stated_tilt(tilt_deg, is_visible):
    seen = under_beam(faulted_particle("hh", SMALL), "close-packed row", tilt_deg)

    assert seen.fault_tilt_deg == pytest.approx(abs(tilt_deg), abs=1e-4)
    assert seen.shows_fault(3) is is_visible
    assert seen.shows_columns(3) is is_visible


@given(phi=ANGLES, theta=ANGLES, spin=ANGLES)
def test_spinning_about_the_beam_changes_nothing(phi, theta, spin):
    structure = faulted_particle("hh", SMALL).rotated(Rotation.from_euler("zy", (phi, theta), degrees=True).as_matrix())
    seen = see_crystal(structure)
    spun = see_crystal(structure.rotated(Rotation.from_euler("z", spin, degrees=True).as_matrix()))

    assert spun.misorientation_deg == pytest.approx(seen.misorientation_deg, abs=1e-4)
    assert spun.fault_tilt_deg == pytest.approx(seen.fault_tilt_deg, abs=1e-4)
    assert seen.misorientation_deg < 22.6  # the farthest that a direction can be from all <100>, <110>, <111>, <112>


def test_twin_planes_of_a_decahedron_show_along_its_axis_and_no_nearby_direction():
    structure = decahedron(DecahedronParams(n_rows=5, n_axis=6))
    tilted = structure.rotated(Rotation.from_euler("x", 20, degrees=True).as_matrix())

    along_axis = see_crystal(structure)
    assert along_axis.zone == "<110>"
    assert along_axis.faults == ("twin",)
    assert along_axis.fault_tilt_deg == pytest.approx(0, abs=1e-4)
    assert see_crystal(tilted).fault_tilt_deg > 10


def test_twin_planes_of_an_icosahedron_show_along_its_five_fold_axis():
    """Along z five planes stand edge on; the five-fold axis is their row, but for the strain of the tetrahedra."""
    assert see_crystal(icosahedron(IcosahedronParams(n_shells=3))).fault_tilt_deg < 2


@pytest.mark.parametrize(("lattice", "counts"), [("cubic", [3, 6, 4, 12]), ("hexagonal", [1, 3, 3])])
def test_families_are_whole(lattice, counts):
    zones = low_index_zones(lattice)

    assert [len(directions) for directions in zones.values()] == counts
    for directions in zones.values():
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
