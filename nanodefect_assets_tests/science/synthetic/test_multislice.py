import numpy as np
import pytest

pytest.importorskip("abtem")

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.layered import fcc_particle
from nanodefect_assets.science.crystal.params import CrystalParams
from nanodefect_assets.science.synthetic.dark_field import project_atoms
from nanodefect_assets.science.synthetic.geometry import view_rotation
from nanodefect_assets.science.synthetic.multislice import (
    multislice_dark_field,
    multislice_tilt_views,
    multislice_wave,
)
from nanodefect_assets.science.synthetic.params import MultisliceStemParams
from nanodefect_assets.science.synthetic.waves import phase_factor, projected_phase, propagate

GRID = {"spacing_angstrom": 0.2, "energy_kev": 300.0}
COARSE = MultisliceStemParams(sampling_angstrom=0.09, outer_mrad=90, inner_mrad=41)


def atoms_at(positions, symbol="Pd"):
    positions = np.array(positions, dtype=float)
    n_atoms = len(positions)
    return Structure(
        species=np.full(n_atoms, symbol),
        positions_angstrom=positions,
        grain=np.zeros(n_atoms, dtype=int),
        layer_kind=np.full(n_atoms, "fcc"),
        defect=np.full(n_atoms, "none"),
        frames=np.eye(3)[None],
        kind="phantom",
        bond_angstrom=2.75,
    )


def test_one_light_atom_is_a_phase_object_at_its_place():
    carbon = atoms_at([[3.0, -2.0, 0.0]], "C")
    wave = multislice_wave(carbon, (100, 120), **GRID)
    phase = projected_phase(carbon, (100, 120), **GRID)
    expected = propagate(phase_factor(phase), 0.0, **GRID)
    coarse_wave = propagate(wave, 0.0, **GRID)

    assert np.unravel_index(np.angle(coarse_wave).argmax(), (100, 120)) == (50 - 10, 60 + 15)
    # Atoms of abTEM are spread over four points of the grid; ours are not.
    assert np.abs(coarse_wave - expected).max() < 0.05 * np.abs(expected - 1).max()


def test_the_same_particle_gives_the_same_bits():
    structure = fcc_particle(CrystalParams(diameter_angstrom=8.0))

    first, again = (multislice_wave(structure, (64, 64), **GRID) for _ in range(2))

    np.testing.assert_array_equal(first, again)


def test_a_grid_too_coarse_for_the_detector_is_refused():
    with pytest.raises(ValueError, match="outer 210"):
        multislice_dark_field(
            atoms_at([[0, 0, 0]]),
            8,
            pixel_size_angstrom=0.6,
            params=MultisliceStemParams(sampling_angstrom=0.062),
        )


@pytest.mark.slow
def test_tilted_views_have_the_axes_of_the_linear_model():
    """Three unlike atoms: a mirror, a transposition or the other sense of the tilt would move a peak."""
    phantom = atoms_at([[3.0, 0.5, 0.0], [0.0, 3.5, 0.0], [0.0, -0.5, 4.0]])
    euler_deg = np.array([[0.0, 0.0, 0.0], [0.0, 40.0, 0.0]])
    views = multislice_tilt_views(phantom, euler_deg, 24, pixel_size_angstrom=0.6, params=COARSE)
    rotations = np.array([view_rotation(*angles) for angles in euler_deg])
    linear = project_atoms(phantom, rotations, 24, pixel_size_angstrom=0.6, sigma_angstrom=0.32, power=1.7)

    for exact, model in zip(views, linear, strict=True):
        assert np.corrcoef(exact.ravel(), model.ravel())[0, 1] > 0.95
        assert np.corrcoef(exact.ravel(), model[:, ::-1].ravel())[0, 1] < 0.7


@pytest.mark.slow
def test_the_linear_model_against_multislice_inside_a_particle():
    """Known for 12,000 atoms at these low angles: 0.78; a small particle does better."""
    structure = fcc_particle(CrystalParams(symbol="Pd", lattice_angstrom=3.891, diameter_angstrom=10.0))
    turned = structure.rotated(view_rotation(0, 25, 10))
    exact = multislice_dark_field(turned, 24, pixel_size_angstrom=0.6, params=COARSE)
    linear = project_atoms(turned, np.eye(3)[None], 24, pixel_size_angstrom=0.6, sigma_angstrom=0.32, power=1.7)[0]
    inside = linear > 0.05 * linear.max()

    assert np.corrcoef(linear.ravel(), exact.ravel())[0, 1] > 0.96
    assert np.corrcoef(linear[inside], exact[inside])[0, 1] > 0.9
