from dataclasses import replace

import numpy as np
import pytest
from scipy import fftpack
from scipy.special import erf

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.fault_features import (
    FIVE_FEATURES,
    SHAPE_FEATURES,
    feature_names,
    features_of,
    five_features,
    region_features,
    thesis_features,
)
from nanodefect_assets.science.hrtem.fault_params import FeatureParams
from nanodefect_assets.science.hrtem.lattice_features import LATTICE_FEATURES, lattice_features
from nanodefect_assets.science.hrtem.regions import sample_background
from nanodefect_assets.science.hrtem.support import describe_support

PARAMS = FeatureParams()
EDGE_NM = 5.0


def fringes(pixel_size_nm, *, jump_deg=0.0, spacings_nm=(0.25, 0.25), turns_deg=(0.0, 70.5), rng=None):
    """Return crossed fringes in a disc whose right half is shifted in phase, and the disc."""
    n = round(EDGE_NM / pixel_size_nm)
    rows, cols = (np.indices((n, n)) + 0.5) * pixel_size_nm - EDGE_NM / 2
    image = np.ones((n, n))
    for spacing_nm, turn_deg in zip(spacings_nm, turns_deg, strict=True):
        turn = np.deg2rad(turn_deg + 20)
        phase = 2 * np.pi / spacing_nm * (rows * np.sin(turn) + cols * np.cos(turn))
        amplitude = 0.2 / (1 + turn_deg / 100)
        image += amplitude * np.cos(phase + np.deg2rad(jump_deg) * (cols > 0))
    if rng is not None:
        image += rng.normal(0, 0.05, image.shape)
    return image, rows**2 + cols**2 <= (EDGE_NM / 2) ** 2


def lattice_of(*args, **options):
    image, mask = fringes(*args, **options)
    return dict(zip(LATTICE_FEATURES, lattice_features(image, mask, args[0], PARAMS), strict=True))


def published_features(crop):
    """Return the five features as the authors' loop computes them, ring by ring."""
    side = min(crop.shape)
    cut = crop[:side, :side]
    shifted = fftpack.fftshift(fftpack.fft2(cut))
    xx, yy = np.meshgrid(np.arange(side), np.arange(side))
    radius = np.sqrt((xx - side / 2) ** 2 + (yy - side / 2) ** 2)

    def step(low, high):
        return (1 + erf((radius - (low + (high - low) / 2.0)) / (high - low) * 4)) / 2

    rings = []
    for k in range(side):
        start = np.sqrt(2) * k
        rings.append(np.abs(shifted * (step(start, start + 4) - step(start + 14, start + 18))).sum())
    rings = np.array(rings[:100])
    return [rings.mean(), rings.std(), rings @ np.arange(rings.size) / rings.sum(), crop.mean(), crop.std()]


@pytest.mark.parametrize("shape", [(80, 97), (120, 110), (41, 41)])
def test_thesis_features_are_those_of_the_published_loop(shape, rng):
    crop = rng.poisson(40, shape).astype(np.float32)

    assert thesis_features(crop) == pytest.approx(published_features(crop), rel=1e-6)


def test_five_features_do_not_depend_on_the_pixel_size():
    coarse, fine = (five_features(*fringes(size_nm), size_nm, PARAMS) for size_nm in (0.05, 0.025))

    assert coarse == pytest.approx(fine, rel=0.05)


def test_five_features_by_hand():
    image, mask = fringes(0.04, spacings_nm=(0.25,), turns_deg=(0.0,))

    mean, sd, centre, inside_mean, inside_sd = five_features(image, mask, 0.04, PARAMS)

    assert inside_mean == pytest.approx(1, abs=0.01)
    assert inside_sd == pytest.approx(0.2 / np.sqrt(2), rel=0.02)
    assert centre == pytest.approx(4.0, abs=0.6)  # 1 / 0.25 nm; the shape of the disc adds tails
    assert sd > mean > 0
    wider = five_features(*fringes(0.04, spacings_nm=(0.35,), turns_deg=(0.0,)), 0.04, PARAMS)
    assert wider[2] < centre - 0.5


def test_gain_does_not_matter(rng):
    counts = rng.poisson(100, (90, 90)).astype(np.float32)
    first, second = (background_of(gain * counts, rng=np.random.default_rng(1)) for gain in (1, 7))

    for features in ("five", "rich", "local"):
        assert features_of(first, features, PARAMS) == pytest.approx(features_of(second, features, PARAMS), rel=1e-3)


def test_the_zero_of_the_grey_levels_does_not_matter_to_local_features(rng):
    counts = rng.poisson(100, (90, 90)).astype(np.float32)
    first, second = (background_of(counts + offset, rng=np.random.default_rng(1)) for offset in (0, 900))

    near = [features_of(one, "local", PARAMS) for one in (first, second)]
    assert near[0] == pytest.approx(near[1], rel=2e-2)
    far = [features_of(one, "rich", PARAMS)[:5] for one in (first, second)]
    assert far[0] != pytest.approx(far[1], rel=0.5)


def background_of(counts, *, rng, pixel_size_nm=0.04):
    micrograph = Micrograph(micrograph_id="b/end/x.tif", counts=counts, pixel_size_nm=pixel_size_nm, modality="hrtem")
    labelled = LabelledMicrograph(micrograph=micrograph, labels=np.zeros(counts.shape, dtype=np.int32))
    disc = np.hypot(*np.ogrid[-24:25, -24:25]) <= 24
    (region,) = sample_background(labelled, 1, [disc], rng=rng)
    return region


def test_shape_features_of_an_ellipse_by_hand(rng):
    rows, cols = np.indices((121, 121)) - 60
    ellipse = (rows / 60) ** 2 + (cols / 30) ** 2 <= 1
    disc = replace(background_of(rng.poisson(50, (200, 200)).astype(np.float32), rng=rng), contact_fraction=0.25)
    region = replace(disc, counts=rng.poisson(50, (121, 121)).astype(np.float32), mask=ellipse, touches_edge=True)

    found = dict(zip(feature_names("rich"), features_of(region, "rich", PARAMS), strict=True))

    assert found["diameter_nm"] == pytest.approx(2 * np.sqrt(60 * 30) * 0.04, rel=0.01)
    assert found["elongation"] == pytest.approx(2, rel=0.01)
    assert found["solidity_box"] == pytest.approx(1, rel=0.01)
    assert [found[name] for name in SHAPE_FEATURES[3:]] == [0.25, 1.0]
    two = replace(region, mask=ellipse & (np.abs(rows) > 20))
    assert features_of(two, "rich", PARAMS)[len(FIVE_FEATURES) + 1] < 0.8


def test_peaks_of_a_lattice_are_found_where_they_are(rng):
    found = lattice_of(0.04, rng=rng)

    assert found["n_peaks"] >= 2
    assert found["peak_frequency_1"] == pytest.approx(4.0, abs=0.1)
    assert found["peak_angle_12"] == pytest.approx(70.5, abs=3)
    assert found["lattice_share"] > 0.8


def test_noise_has_no_lattice(rng):
    noise = 1 + rng.normal(0, 0.1, (120, 120))

    found = dict(zip(LATTICE_FEATURES, lattice_features(noise, np.ones((120, 120), bool), 0.04, PARAMS), strict=True))

    assert found["n_peaks"] <= 1
    assert found["lattice_share"] < 0.1


@pytest.mark.parametrize("jump_deg", [90, 120, 180])
def test_a_jump_of_phase_shows_as_a_step_of_that_size(jump_deg, rng):
    perfect, faulted = lattice_of(0.04, rng=rng), lattice_of(0.04, jump_deg=jump_deg, rng=rng)

    assert faulted["step_phase_deg"] == pytest.approx(jump_deg, abs=50)  # the mean slope takes part of the jump
    assert faulted["step_gain_max"] > perfect["step_gain_max"] + 0.01
    assert faulted["concentration_max"] < perfect["concentration_max"]
    assert faulted["streak_max"] > perfect["streak_max"]


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_turning_the_image_changes_no_lattice(quarter_turns, rng):
    image, mask = fringes(0.04, jump_deg=120, rng=rng)

    turned = lattice_features(np.rot90(image, quarter_turns), np.rot90(mask, quarter_turns), 0.04, PARAMS)

    plain = lattice_features(image, mask, 0.04, PARAMS)
    for name in ("peak_strength_1", "peak_frequency_1", "lattice_share", "concentration_max"):
        at = LATTICE_FEATURES.index(name)
        assert turned[at] == pytest.approx(plain[at], rel=0.1)


def test_features_in_nm_want_a_scale_and_published_ones_do_not(rng):
    region = background_of(np.full((60, 60), 5.0, dtype=np.float32), rng=rng)
    bare = replace(region, pixel_size_nm=None)

    assert features_of(bare, "thesis", PARAMS).shape == (5,)
    with pytest.raises(Refusal, match="calibrated"):
        features_of(bare, "five", PARAMS)


def test_blank_regions_have_finite_features(rng):
    region = background_of(np.zeros((60, 60), dtype=np.float32), rng=rng)

    assert np.isfinite(features_of(region, "rich", PARAMS)).all()
    assert np.isfinite(features_of(region, "local", PARAMS)).all()


def test_columns_are_named_and_no_region_gives_no_row():
    assert feature_names("thesis") == FIVE_FEATURES
    for features in ("thesis", "five", "rich", "local"):
        assert region_features([], features, PARAMS).shape == (0, len(feature_names(features)))


def test_angles_between_peaks_are_those_of_the_lattice_whichever_way_it_lies(rng):
    """Three fringes at 0, 60 and 120 degrees: each two of them make 60."""
    for turn_deg in (0, 35, 100, 150):
        found = lattice_of(
            0.04, spacings_nm=(0.25, 0.25, 0.25), turns_deg=(turn_deg, turn_deg + 60, turn_deg + 120), rng=rng
        )
        assert (found["peak_angle_12"], found["peak_angle_13"]) == pytest.approx((60, 60), abs=4)


def test_streaks_of_a_plane_point_one_way_and_those_of_a_lattice_nowhere(rng):
    agreements = [lattice_of(0.04, jump_deg=jump_deg, rng=rng)["streak_agreement"] for jump_deg in (180, 0)]

    assert agreements[0] > 0.8 > agreements[1]


def test_a_twin_of_which_a_peak_fills_one_half_is_uneven(rng):
    image, mask = fringes(0.04, spacings_nm=(0.25, 0.3), turns_deg=(0.0, 60.0), rng=rng)
    other, _ = fringes(0.04, spacings_nm=(0.25, 0.3), turns_deg=(0.0, -60.0), rng=rng)
    image = np.where(np.indices(image.shape)[1] < image.shape[1] / 2, image, other)
    at = LATTICE_FEATURES.index("evenness_min")

    twinned = lattice_features(image, mask, 0.04, PARAMS)[at]

    assert twinned < 0.75 * lattice_of(0.04, spacings_nm=(0.25, 0.3), turns_deg=(0.0, 60.0), rng=rng)["evenness_min"]


def test_peaks_over_the_support_are_as_strong_as_they_stand_out_of_it(rng):
    """A fringe of amplitude A in white noise of variance v has power A^2 N / (4 v) over it."""
    image, mask = fringes(0.04, spacings_nm=(0.25,), turns_deg=(0.0,), rng=rng)
    noise = 1 + rng.normal(0, 0.05, (300, 300))
    support = describe_support(noise, np.ones((300, 300), dtype=bool))

    found = dict(zip(LATTICE_FEATURES, lattice_features(image, mask, 0.04, PARAMS, support), strict=True))

    assert found["peak_strength_1"] == pytest.approx(np.log(0.2**2 * mask.sum() / (4 * 0.05**2)), abs=0.4)
    assert found["n_peaks"] == 1
