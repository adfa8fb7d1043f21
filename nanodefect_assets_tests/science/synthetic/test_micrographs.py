import numpy as np
import pytest

from nanodefect_assets.science.synthetic.exit_field import field_intensities
from nanodefect_assets.science.synthetic.micrographs import hrtem_field, hrtem_focal_series, stem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams, StemFieldParams
from nanodefect_assets.science.synthetic.placement import place_particles
from nanodefect_assets.science.synthetic.truth import AGGLOMERATION, FAULT, MISORIENTED, NO_FAULT

SMALL = {"n_rows": 160, "n_cols": 192, "n_particles": 4, "median_diameter_nm": 2.2}


def hrtem(seed=0, **settings):
    return hrtem_field(HrtemFieldParams(**(SMALL | settings)), rng=np.random.default_rng(seed))


def stem(seed=0, **settings):
    return stem_field(StemFieldParams(**(SMALL | settings)), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("make", [hrtem, stem])
def test_the_same_seed_gives_the_same_field_and_another_another(make):
    first, again, other = make(1), make(1), make(2)

    np.testing.assert_array_equal(first.micrograph.counts, again.micrograph.counts)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.particles == again.particles
    assert (first.labels != other.labels).any()
    assert first.micrograph.is_simulated
    assert first.labelled().labels is first.labels


@pytest.mark.parametrize("scattering", ["weak_phase", "phase_grating"])
def test_bare_carbon_has_the_dose_and_its_noise(scattering):
    counts = hrtem(n_particles=0, carbon_thickness_nm=0, scattering=scattering, dose_e_per_nm2=2e4).micrograph.counts

    assert counts.mean() == pytest.approx(2e4 * 0.05**2, rel=0.01)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.05)


def test_thicker_carbon_has_more_texture():
    spreads = [
        hrtem(n_particles=0, carbon_thickness_nm=thickness_nm, dose_e_per_nm2=1e8).micrograph.counts.std()
        for thickness_nm in (1.0, 4.0)
    ]

    assert spreads[1] / spreads[0] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("scattering", ["weak_phase", "phase_grating"])
def test_fringes_are_those_of_the_lattice(scattering):
    """The strongest peak of gold is one of {111}, {200}, {220} and {311}."""
    seen = hrtem(
        5,
        n_particles=1,
        median_diameter_nm=4,
        aligned_fraction=1,
        zone_spread_deg=0,
        faulted_fraction=0,
        carbon_thickness_nm=0,
        scattering=scattering,
        dose_e_per_nm2=1e6,
    )
    counts = seen.micrograph.counts - seen.micrograph.counts.mean()
    power = np.abs(np.fft.fft2(np.where(seen.labels > 0, counts, 0)))
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(160, 0.05), np.fft.fftfreq(192, 0.05), indexing="ij"))
    power[frequencies < 2.5] = 0
    spacing_nm = 1 / frequencies.ravel()[power.argmax()]

    assert np.abs(spacing_nm - np.array([0.2355, 0.2039, 0.1442, 0.1230])).min() < 0.006


def test_overlap_is_told_and_labels_are_the_uppermost():
    seen = hrtem(3, n_particles=12, overlapping_fraction=1)
    overlapped = [particle for particle in seen.particles if particle.overlapped_fraction > 0.05]

    assert seen.overlap.any()
    assert np.all(seen.labels[seen.overlap] > 0)
    assert overlapped
    assert {particle.class_name for particle in overlapped} == {AGGLOMERATION}
    assert not hrtem(3, overlapping_fraction=0).overlap.any()


def test_every_label_is_described_and_every_description_labelled():
    seen = hrtem(7, n_particles=10, overlapping_fraction=0)

    assert [particle.label for particle in seen.particles] == np.unique(seen.labels[seen.labels > 0]).tolist()
    for particle in seen.particles:
        rows, cols = np.nonzero(seen.labels == particle.label)
        assert particle.area_px == len(rows)
        at_edge = {rows.min() == 0, cols.min() == 0, rows.max() == 159, cols.max() == 191}
        assert particle.touches_edge is (True in at_edge)
        if not particle.touches_edge:
            assert rows.mean() == pytest.approx(particle.row_px, abs=2)
            assert cols.mean() == pytest.approx(particle.col_px, abs=2)
            assert particle.diameter_nm == pytest.approx(2 * np.sqrt(len(rows) / np.pi) * 0.05)


def test_classes_follow_geometry():
    aligned = {"overlapping_fraction": 0, "n_particles": 6, "material": "CdSe"}
    particles = [
        particle
        for seed in range(6)
        for particle in stem(seed, aligned_fraction=0.8, faulted_fraction=0.7, **aligned).particles
    ]

    classes = {particle.class_name for particle in particles}
    assert classes == {FAULT, NO_FAULT, MISORIENTED}
    for particle in particles:
        is_seen = particle.class_name == FAULT
        assert is_seen is particle.is_fault_visible
        if is_seen:
            assert particle.crystal.zone == "<11-20>"
            assert particle.crystal.faults
        if particle.class_name == MISORIENTED:
            assert particle.crystal.misorientation_deg > 3


def test_further_defoci_see_the_same_field():
    params = HrtemFieldParams(**SMALL)
    series = hrtem_focal_series(params, [5.0, 8.0, -5.0], rng=np.random.default_rng(4), micrograph_id="b/end/a.tif")
    alone = hrtem_field(params, rng=np.random.default_rng(4), micrograph_id="b/end/a.tif")

    assert [seen.micrograph.micrograph_id for seen in series] == ["b/end/a_f0.tif", "b/end/a_f1.tif", "b/end/a_f2.tif"]
    for seen in series:
        np.testing.assert_array_equal(seen.labels, alone.labels)
    over, under = series[2].micrograph.counts, series[0].micrograph.counts
    assert np.corrcoef(over.ravel(), under.ravel())[0, 1] < 0.3


def test_what_lies_outside_the_frame_does_not_come_in_on_the_other_side():
    params = HrtemFieldParams(**SMALL, carbon_thickness_nm=0)
    (particle, *_) = place_particles(params, rng=np.random.default_rng(0))
    cut = type(particle)(structure=particle.structure, row_px=0.0, col_px=96.0)
    (intensity,) = field_intensities([cut], params, [8.0], rng=np.random.default_rng(0))

    assert np.ptp(intensity[:20, 76:116]) > 0.2
    assert np.ptp(intensity[110:]) < 0.02


def test_dark_field_is_bright_where_particles_are_thick():
    seen = stem(2, overlapping_fraction=0, support_roughness=0, drift_rows_nm=0.1)
    counts, inside = seen.micrograph.counts, seen.labels > 0

    assert counts[~inside].mean() == pytest.approx(0.02 * 100, rel=0.1)
    # A particle of median size has 0.08 in its middle, and two thirds of it on average.
    assert counts[inside].mean() / 100 == pytest.approx(0.08 * 2 / 3 + 0.02, rel=0.35)


@pytest.mark.slow
def test_multislice_fields_look_like_those_of_the_phase_grating():
    pytest.importorskip("abtem")
    exact, fast = (
        hrtem(6, scattering=scattering, dose_e_per_nm2=1e7) for scattering in ("multislice", "phase_grating")
    )

    np.testing.assert_array_equal(exact.labels, fast.labels)
    inside = fast.labels > 0
    assert np.corrcoef(exact.micrograph.counts[inside], fast.micrograph.counts[inside])[0, 1] > 0.97
    assert np.corrcoef(exact.micrograph.counts[~inside], fast.micrograph.counts[~inside])[0, 1] > 0.99
