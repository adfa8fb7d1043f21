import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.io import imread

from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.params import SegmentationParams
from nanodefect_assets.science.hrtem.score import score_mask
from nanodefect_assets.science.hrtem.segment import choose_polarity, segment_particles
from nanodefect_assets.science.imaging.despike import remove_spikes
from nanodefect_assets.science.imaging.params import DespikeParams
from nanodefect_assets.science.synthetic.discs import disc_micrograph
from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.params import ParticleFieldParams


def micrograph_of(counts, *, modality="hrstem", pixel_size_nm=None):
    return Micrograph(
        micrograph_id="b/end/x.tif",
        counts=np.asarray(counts, dtype=np.float32),
        pixel_size_nm=pixel_size_nm,
        modality=modality,
    )


def discs(seed=0, **settings):
    given_settings = {"diameters_nm": (4.0, 6.0, 8.0), "pixel_size_nm": 0.1} | settings
    return disc_micrograph(rng=np.random.default_rng(seed), **given_settings)


@pytest.mark.parametrize(
    ("modality", "method", "min_dice"),
    [("hrtem", "otsu_local_std", 0.88), ("hrstem", "otsu_intensity", 0.88), ("sem", "otsu_intensity", 0.88)],
)
def test_planted_particles_are_found_by_the_method_of_their_contrast(modality, method, min_dice):
    truth = particle_field(ParticleFieldParams(modality=modality), rng=np.random.default_rng(5))
    counts, _ = remove_spikes(truth.micrograph.counts, DespikeParams())

    found = segment_particles(replace(truth.micrograph, counts=counts), SegmentationParams())

    assert (found.method, found.polarity) == (method, "bright")
    assert score_mask(found.labels, truth.labels).dice > min_dice


@pytest.mark.parametrize("contrast_counts", [-100.0, 100.0])
def test_particles_are_the_same_whether_bright_or_dark(contrast_counts):
    truth = discs(contrast_counts=contrast_counts)

    found = segment_particles(truth.micrograph, SegmentationParams())

    assert found.polarity == ("bright" if contrast_counts > 0 else "dark")
    assert score_mask(found.labels, truth.labels).dice > 0.98
    assert found.n_particles == 3
    assert found.covered_fraction == pytest.approx(np.mean(truth.labels > 0), rel=0.03)


@settings(max_examples=40, deadline=None)
@given(gain=st.floats(0.01, 1e3), offset=st.floats(-1e3, 1e3))
def test_gain_and_offset_of_the_detector_do_not_matter(gain, offset):
    micrograph = discs().micrograph
    changed = replace(micrograph, counts=(gain * micrograph.counts + offset).astype(np.float32))

    labels, changed_labels = (segment_particles(m, SegmentationParams()).labels for m in (micrograph, changed))

    assert np.mean(labels != changed_labels) < 0.002


@pytest.mark.parametrize("method", ["otsu_intensity", "otsu_local_std"])
@pytest.mark.parametrize("turn", [lambda image: np.rot90(image), lambda image: image[::-1], lambda image: image.T])
def test_a_turned_micrograph_has_turned_particles(method, turn):
    micrograph, params = discs().micrograph, SegmentationParams(method=method)
    turned = replace(micrograph, counts=np.ascontiguousarray(turn(micrograph.counts)))

    mask, turned_mask = (segment_particles(m, params).labels > 0 for m in (micrograph, turned))

    assert np.mean(turned_mask != turn(mask)) < 1e-3


@pytest.mark.parametrize(
    ("border_rows", "filled_rows", "polarity"), [(0, 3, "bright"), (10, 0, "dark"), (6, 0, "dark"), (4, 0, "bright")]
)
def test_polarity_takes_the_phase_that_covers_less_of_the_border(border_rows, filled_rows, polarity):
    is_above = np.zeros((10, 10), dtype=bool)
    is_above[:border_rows] = True
    is_above[4 : 4 + filled_rows, 1:-1] = True

    assert choose_polarity(is_above, ~is_above) == polarity


@pytest.mark.parametrize(("is_inside_above", "polarity"), [(True, "dark"), (False, "bright")])
def test_a_tie_at_the_border_goes_to_the_smaller_area(is_inside_above, polarity):
    is_above = np.zeros((10, 10), dtype=bool)
    is_above[:5] = True
    is_above[1:-1, 1:-1] = is_inside_above

    assert choose_polarity(is_above, ~is_above) == polarity


def three_level_micrograph(*, is_support_at_border, sign, rng):
    """Twenty-five particles on a support with vacuum in a hole, or around it; some particles are cut by the frame."""
    rows, cols = np.indices((300, 300))
    is_right = cols >= 150
    is_hole = (rows >= 8) & (rows < 292) & (cols >= 152) & (cols < 292)
    is_vacuum = is_hole if is_support_at_border else is_right | (rows < 8) | (rows >= 292) | (cols < 8)
    is_particle = np.zeros((300, 300), dtype=bool)
    for row in range(0 if is_support_at_border else 30, 300, 60):
        for col in range(20, 150, 28):
            is_particle |= np.hypot(rows - row, cols - col) < 8
    levels = 100.0 - 60 * is_vacuum + 100 * is_particle
    return micrograph_of(sign * levels + rng.normal(0, 4, levels.shape)), is_particle


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("is_support_at_border", [True, False])
def test_three_classes_find_particles_wherever_the_vacuum_is(is_support_at_border, sign, rng):
    micrograph, is_particle = three_level_micrograph(is_support_at_border=is_support_at_border, sign=sign, rng=rng)

    found = segment_particles(micrograph, SegmentationParams(n_classes=3))

    assert found.polarity == ("bright" if sign > 0 else "dark")
    assert found.n_particles == 25
    assert score_mask(found.labels, is_particle).dice > 0.95


def test_stated_polarity_overrides_the_rule():
    found = segment_particles(discs().micrograph, SegmentationParams(polarity="dark", min_diameter_nm=0))

    assert found.polarity == "dark"
    assert found.labels[0, 0] > 0


@pytest.mark.parametrize(
    ("setting", "n_particles"), [({"min_diameter_nm": 5.0}, 2), ({"min_diameter_px": 70.0}, 1), ({}, 3)]
)
def test_small_particles_are_dropped_by_nm_and_by_px(setting, n_particles):
    assert segment_particles(discs().micrograph, SegmentationParams(**setting)).n_particles == n_particles


def test_nm_mean_nothing_where_there_is_no_scale():
    micrograph = replace(discs().micrograph, pixel_size_nm=None)

    assert segment_particles(micrograph, SegmentationParams(min_diameter_nm=5.0)).n_particles == 3


@pytest.mark.parametrize(("pixel_size_nm", "window_px"), [(0.1, 11), (0.02, 51), (10.0, 3), (None, 41)])
def test_the_window_follows_the_scale(pixel_size_nm, window_px):
    counts = np.random.default_rng(0).normal(size=(64, 64))
    by_nm, by_px = (
        segment_particles(micrograph_of(counts, modality="hrtem", pixel_size_nm=pixel_size_nm), params).threshold
        for params in (SegmentationParams(window_nm=1.0), SegmentationParams(window_nm=None, window_px=window_px))
    )

    assert by_nm == by_px


def test_more_classes_find_bright_particles_on_a_support_over_vacuum():
    truth = discs(diameters_nm=(3.0, 3.0), shape=(100, 200))
    support = np.zeros(truth.labels.shape)
    support[10:90, 10:190] = 100.0
    micrograph = replace(truth.micrograph, counts=(truth.micrograph.counts + support).astype(np.float32))

    two, three = (segment_particles(micrograph, SegmentationParams(n_classes=n)).labels for n in (2, 3))

    assert score_mask(two, truth.labels).dice < 0.5
    assert score_mask(three, truth.labels).dice > 0.95


@pytest.mark.parametrize(
    ("counts", "reason"), [(np.full((8, 8), 3.0), "blank_micrograph"), (np.full((8, 8), np.nan), "invalid_pixels")]
)
def test_a_micrograph_without_contrast_is_refused(counts, reason):
    with pytest.raises(Refusal) as refusal:
        segment_particles(micrograph_of(counts), SegmentationParams())

    assert refusal.value.reason == reason
    assert refusal.value.advice


@pytest.fixture
def real_data():
    folder = os.environ.get("NANODEFECT_REAL_DATA")
    if folder is None:
        pytest.skip("NANODEFECT_REAL_DATA is not set: no real micrographs")
    return Path(folder)


@pytest.mark.parametrize(("method", "dice"), [("otsu_intensity", 0.13), ("otsu_local_std", 0.59)])
def test_published_baselines_on_a_real_gold_micrograph(real_data, method, dice):
    folder = real_data / "hrtem_au_patch"
    plain = SegmentationParams(
        method=method, smoothing_px=0, opening_radius_px=0, max_hole_fraction=0, min_diameter_px=0
    )

    found = segment_particles(micrograph_of(imread(folder / "image.png"), modality="hrtem"), plain)

    assert score_mask(found.labels, imread(folder / "label.png")).dice == pytest.approx(dice, abs=0.02)


def test_alumina_stands_out_of_vacuum_in_real_slices(real_data):
    with np.load(real_data / "haadf_pt_alumina" / "train.npz") as archive:
        images, masks = archive["images"][::9], archive["masks"][::9]

    scores = [
        score_mask(segment_particles(micrograph_of(image), SegmentationParams()).labels, mask)
        for image, mask in zip(images, masks, strict=True)
    ]

    assert sum(scores[1:], start=scores[0]).dice > 0.85
