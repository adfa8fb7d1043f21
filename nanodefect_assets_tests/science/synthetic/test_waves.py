import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanodefect_assets.science.crystal.layered import compound_particle, fcc_particle
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams
from nanodefect_assets.science.synthetic.optics import (
    interaction_rad_per_volt_angstrom,
)
from nanodefect_assets.science.synthetic.scattering import projected_potential_volt_angstrom3
from nanodefect_assets.science.synthetic.waves import (
    phase_factor,
    phase_grating_wave,
    projected_phase,
    propagate,
)

GRID = {"spacing_angstrom": 0.2, "energy_kev": 300.0}
ALONG_ROW = Rotation.from_euler("y", 90, degrees=True).as_matrix()
ANYHOW = Rotation.from_rotvec([0.5, 0.9, 0.3]).as_matrix()


def gold(diameter_angstrom=15.0):
    return fcc_particle(CrystalParams(symbol="Au", diameter_angstrom=diameter_angstrom))


def cadmium_selenide(diameter_angstrom=30.0):
    return compound_particle(
        "AB", CompoundParams(diameter_angstrom=diameter_angstrom, length_angstrom=diameter_angstrom)
    )


def shaken(structure, rotation, seed=0):
    turned = structure.rotated(rotation)
    return turned.moved(turned.positions_angstrom + np.random.default_rng(seed).normal(0, 0.08, (len(turned), 3)))


def test_the_phase_integrates_to_the_potentials_of_all_atoms():
    structure = cadmium_selenide(20.0)
    phase = projected_phase(structure, (160, 180), **GRID).astype(float)
    at_rest = {symbol: projected_potential_volt_angstrom3(symbol, np.zeros(1))[0] for symbol in ("Cd", "Se")}
    expected = sum(at_rest[str(symbol)] for symbol in structure.species) * interaction_rad_per_volt_angstrom(300.0)

    assert phase.sum() * 0.2**2 == pytest.approx(expected, rel=1e-4)


def test_atoms_lie_where_they_are_said_to():
    single = gold(3.0).taken(np.array([0]))
    for x, y in ((0.0, 0.0), (4.0, -3.0)):
        phase = projected_phase(single.moved(np.array([[x, y, 5.0]])), (90, 101), **GRID)

        assert np.unravel_index(phase.argmax(), phase.shape) == (45 + round(y / 0.2), 50 + round(x / 0.2))


def test_a_shift_between_grid_points_shifts_the_phase():
    structure = gold(12.0)
    there = projected_phase(structure.moved(structure.positions_angstrom + np.array([0.1, 0, 0])), (128, 128), **GRID)
    spectrum = np.fft.fft2(projected_phase(structure, (128, 128), **GRID))
    expected = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * np.fft.fftfreq(128) * 0.5)).real

    assert np.abs(there - expected).max() < 0.01 * expected.max()


def test_going_there_and_back_changes_nothing(rng):
    wave = propagate(phase_factor(rng.random((64, 64), dtype=np.float32)), 0.0, **GRID)

    back = propagate(propagate(wave, 37.0, **GRID), -37.0, **GRID)

    np.testing.assert_allclose(back, wave, atol=1e-5)


def test_a_single_layer_is_a_phase_object_alone():
    structure = gold(12.0)
    layer = structure.taken(np.abs(structure.positions_angstrom[:, 2]) < 0.1)
    phase = projected_phase(layer, (100, 100), **GRID)

    wave = phase_grating_wave(layer, (100, 100), **GRID)

    assert len(layer) == 7
    np.testing.assert_allclose(wave, propagate(phase_factor(phase), 0.0, **GRID), atol=1e-4)


def test_the_wave_is_referred_to_the_middle_wherever_the_particle_lies():
    structure = gold(15.0)
    far = structure.moved(structure.positions_angstrom + np.array([0, 0, 40.0]))

    moved = propagate(phase_grating_wave(far, (120, 120), **GRID), 40.0, **GRID)

    np.testing.assert_allclose(moved, phase_grating_wave(structure, (120, 120), **GRID), atol=1e-4)
