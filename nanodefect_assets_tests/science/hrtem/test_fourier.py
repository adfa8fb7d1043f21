from dataclasses import replace

import numpy as np
import pytest
from skimage.io import imread

from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fourier import filter_annulus, find_fringes
from nanodefect_assets.science.hrtem.params import AnnulusParams, LatticeParams, SegmentationParams
from nanodefect_assets.science.hrtem.score import score_mask
from nanodefect_assets.science.hrtem.segment import segment_particles
from nanodefect_assets.science.synthetic.micrographs import hrtem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams

FOURIER = SegmentationParams(method="fourier")


@pytest.fixture(scope="module", params=[("Au", 0.04, 2e4), ("Pd", 0.03, 2e5), ("CdSe", 0.05, 4e4)], ids=lambda p: p[0])
def field(request):
    material, pixel_size_nm, dose = request.param
    params = HrtemFieldParams(
        material=material, pixel_size_nm=pixel_size_nm, dose_e_per_nm2=dose, n_particles=4, mtf_at_nyquist=0.5
    )
    return material, hrtem_field(params, rng=np.random.default_rng(11))


def dice(found, field):
    return score_mask(found.labels, field.labels).dice


def test_simulated_particles_are_found_by_their_lattice(field):
    material, seen = field
    found = segment_particles(seen.micrograph, FOURIER, material=material)

    assert (found.method, found.polarity) == ("fourier", "bright")
    assert dice(found, seen) > 0.85
    assert dice(found, seen) > dice(segment_particles(seen.micrograph, SegmentationParams()), seen)
    assert dice(found, seen) > dice(segment_particles(seen.micrograph, SegmentationParams.thesis()), seen)


def test_without_scale_or_material_the_lattice_is_looked_for(field):
    _, seen = field
    uncalibrated = replace(seen.micrograph, pixel_size_nm=None)

    assert find_fringes(uncalibrated, FOURIER, material="Au").is_automatic
    assert dice(segment_particles(uncalibrated, FOURIER), seen) > 0.75
    assert dice(segment_particles(seen.micrograph, FOURIER, material="unobtainium"), seen) > 0.75


def noise(rng, pixel_size_nm):
    counts = rng.normal(100, 5, (300, 300)).astype(np.float32)
    return Micrograph(micrograph_id="b/end/x.tif", counts=counts, pixel_size_nm=pixel_size_nm, modality="hrtem")


@pytest.mark.parametrize(("pixel_size_nm", "material"), [(0.05, "Au"), (0.05, None), (None, None)])
def test_bare_support_has_next_to_no_particles(rng, pixel_size_nm, material):
    found = segment_particles(noise(rng, pixel_size_nm), FOURIER, material=material)

    assert found.covered_fraction < 0.01


@pytest.mark.parametrize(("material", "words"), [("Au", ("0.236 nm", "Au")), (None, ("0.45 nm", "a crystal"))])
def test_a_lattice_beyond_nyquist_is_refused(rng, material, words):
    with pytest.raises(Refusal) as refusal:
        segment_particles(noise(rng, 0.3), FOURIER, material=material)

    assert refusal.value.reason == "lattice_beyond_nyquist"
    assert all(word in str(refusal.value) for word in (*words, "0.3 nm"))


def test_spacings_too_fine_are_left_out_and_neighbours_share_a_band(rng):
    coarse, fine = (find_fringes(noise(rng, pixel), FOURIER, material="Au").periods_px for pixel in (0.09, 0.02))

    assert coarse == pytest.approx([0.2356 / 0.09], rel=1e-3)
    assert len(fine) < len({0.2356, 0.2040, 0.1442, 0.1230, 0.1178, 0.1020, 0.0936, 0.0912})
    assert fine[0] == pytest.approx((0.2356 * 0.2040) ** 0.5 / 0.02, rel=1e-3)


@pytest.mark.parametrize(("annulus", "inside", "outside"), [("removed", 0.0, 1.0), ("kept", 1.0, 0.0)])
def test_the_annulus_takes_away_what_lies_in_it(annulus, inside, outside):
    cols = np.arange(512)
    params = AnnulusParams(annulus=annulus, annulus_smoothing_px=0)

    def kept(cycles):
        wave = np.broadcast_to(np.cos(2 * np.pi * cycles * cols / 512), (512, 512))
        return np.abs(filter_annulus(wave, params)).max()

    assert [kept(75), kept(30), kept(120)] == pytest.approx([inside, outside, outside], abs=1e-4)


def test_the_published_filter_is_within_reach():
    params = SegmentationParams.thesis()

    assert (params.annulus_inner_px, params.annulus_outer_px, params.annulus_smoothing_px) == (50, 100, 2)
    assert params.method == "fourier_annulus"
    assert LatticeParams().highest_frequency < 0.5


def test_a_real_gold_micrograph_without_a_scale(real_data):
    folder = real_data / "hrtem_au_patch"
    micrograph = Micrograph(
        micrograph_id="b/end/x.tif",
        counts=imread(folder / "image.png").astype(np.float32),
        pixel_size_nm=None,
        modality="hrtem",
    )

    found = segment_particles(micrograph, FOURIER)

    score = score_mask(found.labels, imread(folder / "label.png"))
    assert score.dice > 0.69
    assert score.precision > 0.75
