import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import label

from nanodefect_assets.science.synthetic.discs import disc_micrograph
from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.params import ParticleFieldParams


def field(seed=0, **settings):
    return particle_field(ParticleFieldParams(**settings), rng=np.random.default_rng(seed))


def test_the_same_seed_gives_the_same_field_and_another_another():
    first, again, other = field(1), field(1), field(2)

    np.testing.assert_array_equal(first.micrograph.counts, again.micrograph.counts)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).any()
    assert first.micrograph.is_simulated


@pytest.mark.parametrize("faceted_fraction", [0.0, 1.0])
def test_planted_areas_are_those_of_the_diameters(faceted_fraction):
    truth = field(n_particles=60, n_rows=1024, n_cols=1024, sigma_diameter=0, faceted_fraction=faceted_fraction)
    areas = np.bincount(truth.labels.ravel())[1:] * 0.05**2

    assert np.median(areas) == pytest.approx(np.pi / 4 * 3.0**2, rel=0.01)


def test_particles_keep_apart_and_some_are_cut():
    truth = field(n_particles=25)

    numbers = np.unique(truth.labels[truth.labels > 0])
    border = np.concatenate((truth.labels[0], truth.labels[-1], truth.labels[:, 0], truth.labels[:, -1]))
    assert label(truth.labels > 0)[1] == len(numbers)
    assert border.any()


@pytest.mark.parametrize("dose_e_per_nm2", [4e3, 4e5])
def test_noise_on_bare_support_is_that_of_the_dose(dose_e_per_nm2):
    counts = field(
        n_particles=0, support_contrast=0, hot_pixel_fraction=0, dose_e_per_nm2=dose_e_per_nm2
    ).micrograph.counts

    assert counts.mean() == pytest.approx(dose_e_per_nm2 * 0.05**2, rel=0.01)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.02)


def test_fringes_stand_at_the_lattice_spacing():
    truth = field(3, n_particles=1, median_diameter_nm=40.0, faceted_fraction=0, support_contrast=0)
    inside = truth.labels > 0
    counts = truth.micrograph.counts
    power = np.abs(np.fft.fft2(np.where(inside, counts - counts[inside].mean(), 0)))
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(512, 0.05), np.fft.fftfreq(512, 0.05)))

    assert inside.mean() > 0.1
    assert frequencies.ravel()[power.argmax()] == pytest.approx(1 / 0.235, rel=0.02)


@pytest.mark.parametrize("modality", ["hrstem", "sem"])
def test_particles_are_bright_by_mass(modality):
    truth = field(modality=modality)

    assert truth.micrograph.modality == modality
    inside, outside = (truth.micrograph.counts[mask].mean() for mask in (truth.labels > 0, truth.labels == 0))
    assert inside > 1.3 * outside


def test_hot_pixels_are_as_many_as_asked():
    counts = field(n_particles=0, hot_pixel_fraction=0.01).micrograph.counts

    assert np.mean(counts > 10 * np.median(counts)) == pytest.approx(0.01, rel=0.1)


def test_too_many_particles_find_no_room():
    with pytest.raises(ValueError, match="room for 500 particles"):
        field(n_particles=500)


def test_fringes_below_the_sampling_limit_are_refused():
    with pytest.raises(ValidationError, match="half the lattice spacing"):
        ParticleFieldParams(pixel_size_nm=0.2)


def test_discs_have_their_areas_and_none_is_cut():
    truth = disc_micrograph(diameters_nm=(4.0, 2.0), pixel_size_nm=0.05, rng=np.random.default_rng(0))

    np.testing.assert_allclose(
        np.bincount(truth.labels.ravel())[1:] * 0.05**2, np.pi / 4 * np.array([16, 4]), rtol=0.01
    )
    assert not np.concatenate((truth.labels[0], truth.labels[-1], truth.labels[:, 0], truth.labels[:, -1])).any()


def test_discs_without_room_are_refused():
    with pytest.raises(ValueError, match="room"):
        disc_micrograph(diameters_nm=(4.0,), pixel_size_nm=0.05, rng=np.random.default_rng(0), shape=(50, 50))
