import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.synthetic.optics import (
    frequency_grid,
    image_of_wave,
    image_of_weak_phase,
    interaction_rad_per_volt_angstrom,
    transfer_function,
    wavelength_angstrom,
)
from nanodefect_assets.science.synthetic.params import OpticsParams

PERFECT = OpticsParams(defocus_nm=0, cs_mm=0, focal_spread_nm=0, convergence_mrad=0)
SPACING = 0.2


@pytest.mark.parametrize(("energy_kev", "expected_angstrom"), [(100, 0.037014), (200, 0.025079), (300, 0.019687)])
def test_wavelengths_are_those_of_the_textbook(energy_kev, expected_angstrom):
    assert wavelength_angstrom(energy_kev) == pytest.approx(expected_angstrom, rel=1e-4)


@pytest.mark.parametrize(("energy_kev", "expected"), [(100, 0.9244e-3), (200, 0.7288e-3), (300, 0.6526e-3)])
def test_interaction_is_that_of_the_textbook(energy_kev, expected):
    assert interaction_rad_per_volt_angstrom(energy_kev) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("defocus_nm", [-10.0, 60.0])
def test_transfer_is_that_of_abtem(defocus_nm):
    abtem = pytest.importorskip("abtem")
    params = OpticsParams(defocus_nm=defocus_nm, cs_mm=1.2, focal_spread_nm=4.0, convergence_mrad=0.5)
    # abTEM takes 1/e widths where we take standard deviations.
    theirs = abtem.CTF(
        energy=300e3,
        Cs=1.2e7,
        defocus=10 * defocus_nm,
        focal_spread=np.sqrt(2) * 40,
        angular_spread=np.sqrt(2) * 0.5,
        gpts=(64, 64),
        sampling=(SPACING, SPACING),
    )
    expected = np.asarray(theirs._evaluate_kernel())

    found = transfer_function(frequency_grid((64, 64), SPACING), params)

    np.testing.assert_allclose(found, expected, atol=2e-3)


@given(seed=st.integers(0, 2**31), strength=st.floats(0.01, 2))
def test_a_perfect_lens_loses_no_electron_of_a_phase_object(seed, strength):
    wave = np.exp(1j * strength * np.random.default_rng(seed).standard_normal((24, 30))).astype(np.complex64)

    np.testing.assert_allclose(image_of_wave(wave, SPACING, PERFECT), 1, atol=1e-5)


@given(seed=st.integers(0, 2**31), defocus_nm=st.floats(-50, 50))
def test_a_lens_without_envelope_keeps_the_mean(seed, defocus_nm):
    phase = np.random.default_rng(seed).standard_normal((32, 32)).astype(np.float32)
    image = image_of_wave(np.exp(1j * phase), SPACING, PERFECT.model_copy(update={"defocus_nm": defocus_nm}))

    assert image.mean() == pytest.approx(1, abs=1e-4)


def smooth_phase(peak_rad, shape=(64, 48)):
    rows, cols = np.indices(shape)
    return (peak_rad * np.exp(-((rows - 30) ** 2 + (cols - 20) ** 2) / 18)).astype(np.float32)


def test_the_weak_phase_image_is_the_limit_of_that_of_the_wave():
    params = OpticsParams()
    differences = []
    for peak_rad in (0.2, 0.02):
        phase = smooth_phase(peak_rad)
        wave = image_of_wave(np.exp(1j * phase), SPACING, params) - 1
        weak = image_of_weak_phase(phase, SPACING, params) - 1
        differences.append(np.abs(wave - weak).max() / np.abs(weak).max())

    assert differences[1] < 0.02
    assert differences[0] / differences[1] == pytest.approx(10, rel=0.3)


def test_atoms_are_dark_under_focus_and_bright_over_it():
    under, over = (
        image_of_weak_phase(smooth_phase(0.1), SPACING, OpticsParams(defocus_nm=defocus_nm))[30, 20]
        for defocus_nm in (8.0, -8.0)
    )

    assert under < 1 < over
    assert under + over == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize("setting", ["focal_spread_nm", "convergence_mrad"])
def test_incoherence_takes_fine_contrast(setting):
    frequencies = np.linspace(0, 1.2, 50)
    coherent = np.abs(transfer_function(frequencies, PERFECT.model_copy(update={"defocus_nm": 50.0})))
    damped = np.abs(transfer_function(frequencies, PERFECT.model_copy(update={"defocus_nm": 50.0, setting: 2.0})))

    np.testing.assert_allclose(coherent, 1, rtol=1e-5)
    assert np.all(np.diff(damped) <= 1e-7)
    assert damped[0] == pytest.approx(1)
    assert damped[-1] < 0.3
