import ase.build
import ase.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_coordinates

FCC_PT_ANGSTROM = 3.92 / np.sqrt(2)


@pytest.fixture
def particle():
    atoms = ase.build.bulk("Pt", "fcc", a=3.92, cubic=True).repeat((3, 3, 3))
    atoms.pbc = False
    atoms.cell = None
    return atoms


@pytest.mark.parametrize("name", ["a.xyz", "a.extxyz"])
def test_atoms_are_read_in_angstrom(name, particle, tmp_path):
    ase.io.write(tmp_path / name, particle, format=name[2:])
    atoms = read_coordinates(tmp_path / name)

    np.testing.assert_allclose(atoms.positions_angstrom, particle.positions, atol=1e-5)
    assert set(atoms.species) == {"Pt"}
    assert atoms.length_unit == "angstrom"
    assert atoms.nearest_neighbour_angstrom == pytest.approx(FCC_PT_ANGSTROM, rel=1e-5)


def test_an_extended_xyz_with_the_ending_of_a_plain_one_is_read_by_its_columns(particle, tmp_path):
    particle.set_array("score", np.arange(len(particle)) + 100.0)
    ase.io.write(tmp_path / "a.xyz", particle, format="extxyz", columns=["score", "symbols", "positions"])

    np.testing.assert_allclose(read_coordinates(tmp_path / "a.xyz").positions_angstrom, particle.positions, atol=1e-5)


@pytest.mark.parametrize("cubic", [True, False])
def test_neighbours_of_a_crystal_are_also_in_the_next_cell(cubic, tmp_path):
    ase.io.write(tmp_path / "a.cif", ase.build.bulk("Pt", "fcc", a=3.92, cubic=cubic))

    assert read_coordinates(tmp_path / "a.cif").nearest_neighbour_angstrom == pytest.approx(FCC_PT_ANGSTROM, rel=1e-4)


def test_facts_tell_the_number_of_atoms(particle, tmp_path):
    ase.io.write(tmp_path / "a.xyz", particle)
    facts = probe_file(tmp_path / "a.xyz")

    assert (facts.kind, facts.shape, facts.length_unit) == ("coordinates", (108, 3), "angstrom")


@pytest.mark.parametrize(("angstrom_per_unit", "guess"), [(10.0, "nanometres"), (0.3434, "voxels"), (0.01, "voxels")])
def test_other_units_of_length_are_refused_and_mended_by_a_scale(angstrom_per_unit, guess, particle, tmp_path):
    truth = particle.positions.copy()
    particle.positions = truth / angstrom_per_unit
    ase.io.write(tmp_path / "a.xyz", particle, format="xyz", fmt="%.8f")

    with pytest.raises(Refusal, match=guess) as refused:
        read_coordinates(tmp_path / "a.xyz")
    assert refused.value.reason == "implausible_length_unit"
    assert "batch.yaml" in refused.value.advice
    mended = read_coordinates(tmp_path / "a.xyz", scale_angstrom_per_unit=angstrom_per_unit)
    np.testing.assert_allclose(mended.positions_angstrom, truth, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale, particle, tmp_path):
    ase.io.write(tmp_path / "a.xyz", particle)

    with pytest.raises(Refusal) as refused:
        read_coordinates(tmp_path / "a.xyz", scale_angstrom_per_unit=scale)
    assert refused.value.reason == "bad_scale"


@given(angle=st.floats(0, 2 * np.pi), shift=st.floats(-100, 100))
def test_the_check_does_not_depend_on_place_or_orientation(angle, shift, tmp_path_factory):
    atoms = ase.build.bulk("Au", "fcc", a=4.08, cubic=True).repeat((2, 2, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    lines = [f"Au {x} {y} {z}" for x, y, z in atoms.positions @ turn.T + shift]
    path = tmp_path_factory.getbasetemp() / "turned.xyz"
    path.write_text("\n".join([str(len(lines)), "", *lines]))

    assert read_coordinates(path).nearest_neighbour_angstrom == pytest.approx(4.08 / np.sqrt(2))


def test_a_multislice_file_is_read_without_its_film(tmp_path):
    """Atoms of carbon, 1.4 angstrom apart, outnumber the particle's; only the heavy ones are measured."""
    film = [f"6 {1.4 * x} {1.4 * y} 0.0 1 0.08" for x in range(10) for y in range(10)]
    metal = [f"78 {2.77 * x} {2.77 * y} 9.0 1 0.08" for x in range(4) for y in range(4)]
    (tmp_path / "a.xyz").write_text("\n".join(["a particle on a film", "  20.0 20.0 20.0", *film, *metal, "-1", ""]))
    atoms = read_coordinates(tmp_path / "a.xyz")

    assert (len(atoms.species), atoms.nearest_neighbour_angstrom) == (116, pytest.approx(2.77))
    assert set(atoms.species) == {"C", "Pt"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3\n\nPt 0 0 0\nPt 2.7 0 0\n", "truncated_file"),
        ("atoms\nof something\nPt 0 0 0\n", "bad_coordinates"),
        ("2\n\nPt 0 0 0\nPt 2.7 x 0\n", "damaged_file"),
        ("2\n\nPt 0 0 0\nPt nan 0 0\n", "bad_coordinates"),
        ("0\n\n", "bad_coordinates"),
        ("99999999999999\n\nPt 0 0 0\n", "truncated_file"),
        ("1\n\nPt 0 0 0\n", "implausible_length_unit"),
        ("2\n\nPt 0 0\nPt 2.7 0\n", "damaged_file"),
    ],
)
def test_files_that_are_no_atoms_are_refused(text, reason, tmp_path):
    (tmp_path / "a.xyz").write_text(text)

    with pytest.raises(Refusal) as refused:
        read_coordinates(tmp_path / "a.xyz")
    assert refused.value.reason == reason


def test_an_image_is_no_coordinates(write):
    with pytest.raises(Refusal) as refused:
        probe_file(write("a.tif"), "coordinates")
    assert refused.value.reason == "not_coordinates"


def test_real_coordinates_in_voxels_need_their_scale(real_data):
    path = real_data / "aet_decahedron" / "PB.xyz"

    with pytest.raises(Refusal, match="voxels"):
        read_coordinates(path)
    atoms = read_coordinates(path, scale_angstrom_per_unit=0.3434)
    assert (len(atoms.species), atoms.nearest_neighbour_angstrom) == (12038, pytest.approx(2.61, abs=0.03))
