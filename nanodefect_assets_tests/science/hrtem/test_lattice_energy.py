import numpy as np
import pytest

from nanodefect_assets.science.hrtem.lattice_energy import lattice_energy
from nanodefect_assets.science.hrtem.lattice_peaks import find_lattice_frequencies

BAND = {"coherence": 0.85, "smoothing": 1.0}


def fringes(shape, period_px, angle_deg):
    rows, cols = np.indices(shape)
    along = rows * np.sin(np.deg2rad(angle_deg)) + cols * np.cos(np.deg2rad(angle_deg))
    return np.cos(2 * np.pi * along / period_px)


@pytest.mark.parametrize("frequencies", [[0.1], [0.1, 0.2], [0.05, 0.4]])
@pytest.mark.parametrize("false_alarm", [1e-2, 1e-3])
def test_noise_exceeds_the_threshold_as_often_as_stated(frequencies, false_alarm):
    rng = np.random.default_rng(2)

    energies = [lattice_energy(rng.normal(size=(1024, 1024)), frequencies, **BAND) for _ in range(6)]

    exceeding = np.mean([np.mean(energy.ratio > energy.threshold(false_alarm)) for energy in energies])
    assert false_alarm / 2 < exceeding < false_alarm * 2


def test_the_threshold_holds_on_coloured_noise_too(rng):
    spectrum = np.fft.rfft2(rng.normal(size=(1024, 1024)))
    radii = np.hypot(np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024))
    coloured = np.fft.irfft2(spectrum * np.sin(np.pi * (radii / 0.08) ** 2))  # rings of a contrast transfer

    energy = lattice_energy(coloured, [0.12], **BAND)

    assert np.mean(energy.ratio > energy.threshold(1e-2)) < 0.03


@pytest.mark.parametrize("angle_deg", [0, 17, 45, 90, 133, 179])
@pytest.mark.parametrize("shape", [(200, 200), (160, 251)])
def test_fringes_are_found_in_any_direction_where_they_are(rng, angle_deg, shape):
    image = rng.normal(size=shape)
    planted = np.hypot(*(np.indices(shape) - np.reshape([80, 80], (2, 1, 1)))) < 40
    image[planted] += 1.5 * fringes(shape, 8.0, angle_deg)[planted]

    energy = lattice_energy(image, [1 / 8], **BAND)

    found = energy.ratio > energy.threshold(1e-3)
    assert found.shape == shape
    assert np.mean(found[planted]) > 0.97
    assert np.mean(found[np.hypot(*(np.indices(shape) - np.reshape([80, 80], (2, 1, 1)))) > 60]) < 0.01


def test_fringes_reach_up_to_the_frame(rng):
    image = rng.normal(size=(200, 200))
    image[:80, :80] += 2 * fringes((80, 80), 8.0, 30)

    energy = lattice_energy(image, [1 / 8], **BAND)

    assert (energy.ratio[:75, :75] > energy.threshold(1e-3)).mean() > 0.98
    assert (energy.ratio > energy.threshold(1e-3))[0, 0]


def test_gain_and_offset_do_not_matter(rng):
    image = rng.normal(size=(128, 128)).astype(np.float32)
    image[:64] += fringes((64, 128), 6.0, 0)

    plain, changed = (lattice_energy(each, [1 / 6], **BAND).ratio for each in (image, 300 + 40 * image))

    assert changed == pytest.approx(plain, rel=1e-2)


def test_peaks_give_the_periods_of_fringes(rng):
    image = rng.normal(size=(300, 300))
    image[40:140, 40:140] += 1.2 * fringes((100, 100), 9.0, 20)
    image[160:260, 160:260] += 1.2 * fringes((100, 100), 5.0, 75)

    found = find_lattice_frequencies(image, lowest=1 / 40, highest=0.42, n_bands=3, band_share=0.19)

    assert sorted(1 / frequency for frequency in found) == pytest.approx([5.0, 9.0], rel=0.05)


@pytest.mark.parametrize("shape", [(300, 300), (40, 300)])
def test_noise_alone_has_no_peaks(rng, shape):
    image = rng.normal(size=shape)

    assert find_lattice_frequencies(image, lowest=1 / 40, highest=0.42, n_bands=3, band_share=0.19) == ()
