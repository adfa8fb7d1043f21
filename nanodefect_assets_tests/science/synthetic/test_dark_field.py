import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.layered import compound_particle, fcc_particle
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams
from nanodefect_assets.science.synthetic.dark_field import atom_brightness, project_atoms
from nanodefect_assets.science.synthetic.geometry import view_rotation

N_PIXELS = 64
FRAME = {"pixel_size_angstrom": 0.5, "sigma_angstrom": 0.6, "power": 1.7}
ANGLES = st.floats(-180, 180)


def atom_at(x, y, z):
    return Structure(
        species=np.array(["Pd"]),
        positions_angstrom=np.array([[x, y, z]], dtype=float),
        grain=np.zeros(1, dtype=int),
        layer_kind=np.array(["fcc"]),
        defect=np.array(["none"]),
        frames=np.eye(3)[None],
        kind="phantom",
        bond_angstrom=2.75,
    )


def seen_at(atom, *euler_deg):
    image = project_atoms(atom, view_rotation(*euler_deg)[None], N_PIXELS, **FRAME)[0]
    row, col = np.unravel_index(image.argmax(), image.shape)
    return int(row) - N_PIXELS // 2, int(col) - N_PIXELS // 2


@pytest.mark.parametrize(
    ("atom", "euler_deg", "row_col"),
    [
        ((0, 0, 0), (0, 0, 0), (0, 0)),  # the origin lies at index N // 2
        ((5, 0, 0), (0, 0, 0), (0, 10)),  # x runs along columns
        ((0, 5, 0), (0, 0, 0), (10, 0)),  # y runs along rows
        ((0, 0, 5), (0, 0, 0), (0, 0)),  # z runs along the beam
        ((0, 0, 5), (0, 90, 0), (0, 10)),  # a positive tilt turns +z towards +x
        ((5, 0, 0), (0, 90, 0), (0, 0)),  # and +x towards -z
        ((0, 5, 0), (0, 37, 0), (10, 0)),  # about y
        ((0, 0, 5), (0, 30, 0), (0, 5)),
        ((5, 0, 0), (90, 0, 0), (10, 0)),  # phi turns x towards y in the image
        ((5, 0, 0), (0, 0, 90), (10, 0)),  # and so does psi, before the tilt
        ((5, 0, 0), (0, 90, 90), (10, 0)),
        ((0, 5, 0), (0, 90, -90), (0, 0)),
    ],
)
def test_axes_and_senses_are_those_of_the_design(atom, euler_deg, row_col):
    assert seen_at(atom_at(*atom), *euler_deg) == row_col


@given(phi=ANGLES, theta=ANGLES, psi=ANGLES)
def test_views_are_rotations(phi, theta, psi):
    rotation = view_rotation(phi, theta, psi)

    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(view_rotation(-psi, -theta, -phi), rotation.T, atol=1e-12)


@given(phi=ANGLES, theta=ANGLES, psi=ANGLES)
def test_no_rotation_changes_the_mass(phi, theta, psi):
    structure = compound_particle("AB", CompoundParams(diameter_angstrom=15, length_angstrom=15))
    image = project_atoms(structure, view_rotation(phi, theta, psi)[None], N_PIXELS, **FRAME)[0]
    expected = np.sum(structure.species == "Cd") * 48**1.7 + np.sum(structure.species == "Se") * 34**1.7

    assert image.sum(dtype=float) == pytest.approx(expected, rel=1e-5)


def test_a_half_turn_about_the_tilt_axis_mirrors_the_view(rng):
    structure = fcc_particle(CrystalParams(diameter_angstrom=14))
    structure = structure.moved(structure.positions_angstrom + rng.normal(0, 0.3, (len(structure), 3)))
    front, back = project_atoms(
        structure, np.array([view_rotation(0, 20, 0), view_rotation(0, 200, 0)]), N_PIXELS, **FRAME
    )

    # Columns mirror about index N // 2; the column 0 has no partner.
    np.testing.assert_allclose(back[:, 1:], front[:, :0:-1], atol=1e-3 * front.max())
    assert np.abs(back - front).max() > 0.1 * front.max()


@pytest.mark.parametrize("power", [1.0, 1.7, 2.0])
def test_brightness_is_a_power_of_the_atomic_number(power):
    found = atom_brightness(np.array(["Au", "C", "Au"]), power)

    np.testing.assert_allclose(found, [79**power, 6**power, 79**power])
