import numpy as np
import pytest

from nanodefect_assets.domain.agreement import ComparedImages
from nanodefect_assets.science.synthetic.agreement import (
    compare_dark_field,
    compare_hrtem,
    compare_simulators,
    measure_agreement,
    radial_power,
    ring_frequencies,
)
from nanodefect_assets.science.synthetic.multislice import multislice_dark_field, prism_dark_field
from nanodefect_assets.science.synthetic.params import AgreementParams, MultisliceStemParams

DEFOCI_NM = (4.0, 8.0, 12.0)
QUICK_STEM = MultisliceStemParams(outer_mrad=60.0, sampling_angstrom=0.125, interpolation=1)


def found_by(material, diameter_nm, view, model):
    """Smallest correlation, and smallest and largest contrast ratio, over the defoci."""
    compared = compare_hrtem(material, diameter_nm, view, DEFOCI_NM, rng=np.random.default_rng(2021))
    found = [each for images in compared for each in measure_agreement(images) if each.model == model]
    ratios = [each.contrast_ratio for each in found]
    return min(each.correlation for each in found), min(ratios), max(ratios)


def made_by_hand(model):
    rows, cols = np.indices((80, 80)) - 40
    exact = 1 + 0.2 * np.cos(2 * np.pi * 0.2 * rows * 0.4)
    images = {"same": exact, "fainter": 1 + (exact - 1) / 2, "reversed": 2 - exact, "brighter": 3 * exact}
    compared = ComparedImages(
        material="Au",
        diameter_nm=2.0,
        view="off zones",
        setting="by hand",
        n_atoms=1,
        pixel_size_angstrom=0.4,
        exact=exact,
        models={model: images[model]},
        inside=np.hypot(rows, cols) < 35,
    )
    return measure_agreement(compared)[0]


@pytest.mark.parametrize(
    ("model", "correlation", "contrast", "power"),
    [("same", 1, 1, 1), ("fainter", 1, 0.5, 0.25), ("reversed", -1, 1, 1), ("brighter", 1, 1, 1)],
)
def test_agreement_by_hand(model, correlation, contrast, power):
    found = made_by_hand(model)

    assert found.correlation == pytest.approx(correlation, abs=0.001)
    assert found.contrast_ratio == pytest.approx(contrast, rel=0.02)
    assert found.power_ratio == pytest.approx(power, rel=0.02)
    assert found.spectrum_correlation == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("frequency", [0.2, 0.5, 0.8])
def test_the_power_of_a_wave_lies_in_its_ring(frequency):
    rows, cols = np.indices((160, 160)) - 80
    image = 1 + 0.1 * np.cos(2 * np.pi * frequency * 0.25 * rows)
    power = radial_power(image, np.hypot(rows, cols) < 60, 0.25)

    assert ring_frequencies()[power.argmax()] == pytest.approx(frequency, abs=0.016)
    assert power.max() > 5 * np.delete(power, range(max(power.argmax() - 1, 0), power.argmax() + 2)).max()


def test_an_image_of_nothing_but_noise_does_not_agree(rng):
    noise = 1 + 0.1 * rng.standard_normal((2, 80, 80))
    images = ComparedImages(
        material="Au",
        diameter_nm=2.0,
        view="off zones",
        setting="by hand",
        n_atoms=1,
        pixel_size_angstrom=0.2,
        exact=noise[0],
        models={"noise": noise[1]},
        inside=np.ones((80, 80), dtype=bool),
    )
    assert abs(measure_agreement(images)[0].correlation) < 0.05


def test_every_case_is_compared():
    pytest.importorskip("abtem")
    params = AgreementParams(
        materials=("Au", "CdSe"),
        diameters_nm=(1.2,),
        defoci_nm=(4.0, 8.0),
        dark_field_diameter_nm=0.0,
    )
    steps = []
    compared = list(compare_simulators(params, rng=np.random.default_rng(0), on_step=steps.append))
    cases = [(each.material, each.view, each.setting) for each in compared]

    assert len(cases) == len(set(cases)) == 2 * 2 * 2
    assert [step.done for step in steps] == list(range(4))
    assert {step.total for step in steps} == {4}
    assert all(each.inside.any() for each in compared)


@pytest.mark.slow
def test_prism_with_every_beam_is_multislice():
    pytest.importorskip("abtem")
    from nanodefect_assets.science.synthetic.agreement import laid_particle

    structure = laid_particle("Pd", 0.9, "along a row", rng=np.random.default_rng(0))
    exact = multislice_dark_field(structure, 40, pixel_size_angstrom=0.35, params=QUICK_STEM)
    middle = prism_dark_field(structure, 40, 16, pixel_size_angstrom=0.35, params=QUICK_STEM)

    np.testing.assert_allclose(middle, exact[12:28, 12:28], rtol=0.02, atol=0.01 * exact.max())


@pytest.mark.parametrize(("material", "view"), [("Au", "along a row"), ("CdSe", "off zones")])
def test_the_phase_grating_is_nearly_multislice_for_small_particles(material, view):
    pytest.importorskip("abtem")
    correlation, least, most = found_by(material, 2.0, view, "phase grating")

    assert correlation > 0.995
    assert 0.95 < least <= most < 1.1


# The numbers measured with this seed, less a margin for other versions of abTEM and FFTW.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("material", "diameter_nm", "view", "correlation", "contrast"),
    [
        ("Au", 4.0, "off zones", 0.995, (0.95, 1.08)),
        ("Au", 8.0, "off zones", 0.985, (0.95, 1.08)),
        ("Au", 8.0, "along a row", 0.90, (0.65, 1.05)),
        ("CdSe", 8.0, "along a row", 0.99, (0.95, 1.06)),
    ],
)
def test_the_phase_grating_against_multislice(material, diameter_nm, view, correlation, contrast):
    pytest.importorskip("abtem")
    found = found_by(material, diameter_nm, view, "phase grating")

    assert found[0] > correlation
    assert contrast[0] < found[1] <= found[2] < contrast[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("material", "diameter_nm", "view", "correlation", "contrast"),
    [
        ("Au", 2.0, "off zones", (0.96, 1.0), (0.85, 1.2)),
        ("Au", 2.0, "along a row", (0.6, 0.85), (1.0, 2.3)),
        ("CdSe", 8.0, "along a row", (-0.1, 0.3), (1.2, 2.2)),
    ],
)
def test_a_weak_phase_fails_along_rows_as_is_said(material, diameter_nm, view, correlation, contrast):
    pytest.importorskip("abtem")
    found = found_by(material, diameter_nm, view, "weak phase")

    assert correlation[0] < found[0] < correlation[1]
    assert contrast[0] < found[1] <= found[2] < contrast[1]


@pytest.mark.slow
def test_linear_dark_field_in_a_small_particle():
    pytest.importorskip("abtem")
    params = MultisliceStemParams(outer_mrad=100.0, sampling_angstrom=0.08)
    images = compare_dark_field("Au", 1.5, "off zones", params, rng=np.random.default_rng(2021))
    (found,) = measure_agreement(images)

    assert found.model == "linear"
    assert found.correlation > 0.9
    assert 0.7 < found.contrast_ratio < 1.4
