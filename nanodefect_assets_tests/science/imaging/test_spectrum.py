import numpy as np
import pytest

from nanodefect_assets.science.imaging.spectrum import (
    patch_spectra,
    ring_backgrounds,
    ring_numbers,
    spectrum_radii,
)


def test_white_noise_has_its_variance_at_every_frequency(rng):
    spectra = np.stack(list(patch_spectra(rng.normal(5, 3, (512, 384)), 64, 1000)))

    assert len(spectra) == 15 * 11
    assert ring_backgrounds(spectra)[8:32] == pytest.approx(9.0, rel=0.1)


def test_a_few_peaks_leave_the_background_of_their_ring(rng):
    rows, cols = np.indices((256, 256))
    noise = rng.normal(size=(256, 256))
    fringes = noise + 3 * np.cos(2 * np.pi * (0.125 * rows + 0.0625 * cols))
    with_peak, without = (np.stack(list(patch_spectra(image, 64, 100))) for image in (fringes, noise))

    assert with_peak[:, 8, 4].min() > 100
    assert ring_backgrounds(with_peak)[9] == pytest.approx(ring_backgrounds(without)[9], rel=0.25)


def test_patches_lie_inside_and_are_no_more_than_asked_for():
    image = np.zeros((100, 300))
    image[99, 299] = 1.0

    spectra = list(patch_spectra(image, 64, 9))

    assert len(spectra) == 2 * 3
    assert [spectrum.max() > 0 for spectrum in spectra] == [False] * 5 + [True]


def test_rings_count_pixels_of_the_spectrum_from_the_centre():
    assert spectrum_radii(8)[0].tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert ring_numbers(8)[:, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert ring_numbers(8)[1, 1] == 1
