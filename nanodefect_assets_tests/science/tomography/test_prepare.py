"""Which alignment a series gets: found, none because it came aligned, or that of a person; from which of its images."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_alignment import TiltAlignment
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.science.tomography.align import apply_alignment, turned_about_beam
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams, DenoisingParams, RefinementParams
from nanodefect_assets.science.tomography.choice import Comparison, why_nominal_angles_stand
from nanodefect_assets.science.tomography.denoise import denoise_series
from nanodefect_assets.science.tomography.noise import NoiseModel
from nanodefect_assets.science.tomography.prepare import (
    find_alignment,
    nominal_geometry,
    repeat_correlation,
    take_alignment,
)
from nanodefect_assets.science.tomography.scan_pairs import mend_scans, upright
from nanodefect_assets.science.tomography.screen import leaving_tilts, screen_tilts
from nanodefect_assets.science.tomography.tilt_axis import AxisChoice, likelier_axis, mirror_axis_deg

PARAMS = AlignmentParams(n_rounds=3, n_iterations=12, max_axis_deg=0, max_edge_px=32)
ROWS = AxisChoice(axis="rows")
TILTS_DEG = np.linspace(-68, 68, 18)


@pytest.fixture
def counts(series, rng):
    return rng.poisson(20 * series.images + 3).astype(np.float32)


def found_in(images, params=PARAMS):
    why = screen_tilts(images, TILTS_DEG)
    return find_alignment(images, TiltGeometry.single_axis(TILTS_DEG), ROWS, why, params)


def test_a_series_that_came_aligned_is_left_alone_to_the_bit(counts):
    found = found_in(counts)

    assert found.source == "found"
    assert (apply_alignment(counts, found.alignment, None).images == counts).all()


def test_a_series_that_strays_is_aligned_and_its_bad_images_left_out(counts, rng):
    strays = rng.integers(-3, 4, (18, 2))
    images = np.stack([np.roll(image, stray, (0, 1)) for image, stray in zip(counts, strays, strict=True)])
    images[2, 0, 0] = np.nan
    found = found_in(images)
    series = apply_alignment(images, found.alignment, 0.05)

    assert found.source == "computed"
    assert found.alignment.reasons[2] == "1 pixels are not finite"
    assert len(series) == 17
    assert np.isfinite(series.images).all()
    assert found.stray_px > 2


def test_fewer_than_three_sound_images_are_refused(counts):
    counts[2:] = 5

    with pytest.raises(Refusal, match="at least 3 sound tilts, got 2"):
        found_in(counts)


def test_a_given_alignment_is_taken_but_for_images_that_cannot_be_used(counts):
    nominal = TiltGeometry.single_axis(TILTS_DEG)
    given = replace(TiltAlignment.as_it_came(nominal), shifts_px=np.full((18, 2), 1.5))
    found = take_alignment(counts, nominal, ROWS, {3: "dead"}, given)

    assert found.source == "given"
    assert found.alignment.reasons[3] == "dead"
    assert found.alignment.is_used.sum() == 17
    assert (found.alignment.shifts_px == 1.5).all()


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_the_tilt_axis_is_seen_in_the_images(counts, axis):
    images = counts if axis == "rows" else np.ascontiguousarray(counts.transpose(0, 2, 1))

    geometry, found = nominal_geometry(images, TILTS_DEG, {}, PARAMS)

    assert (found.axis, found.is_doubtful) == (axis, False)
    assert geometry.is_single_axis == (axis == "rows")


@pytest.mark.parametrize(
    ("stated_deg", "images_axis", "taken"),
    [
        (0.0, "rows", ("rows", 0.0, False)),
        (180.0, "rows", ("rows", 0.0, False)),
        (-10.0, "rows", ("rows", 10.0, False)),
        (90.0, "columns", ("columns", 0.0, False)),
        (85.0, "columns", ("columns", 5.0, False)),
        (-96.0, "columns", ("columns", 6.0, False)),
        (90.0, "rows", ("rows", 0.0, True)),
        (0.0, "columns", ("columns", 0.0, True)),
    ],
)
def test_the_axis_that_a_file_states_is_where_looking_begins_unless_images_disagree(
    counts, stated_deg, images_axis, taken
):
    """Counterclockwise from vertical is from rows towards columns, for rows go down."""
    images = counts if images_axis == "rows" else np.ascontiguousarray(counts.transpose(0, 2, 1))

    _, found = nominal_geometry(images, TILTS_DEG, {}, PARAMS, stated_deg)

    assert (found.axis, found.near_deg, found.is_against_file) == taken


def test_a_persons_axis_holds_against_that_of_the_file(counts):
    by_hand = PARAMS.model_copy(update={"tilt_axis": "rows", "axis_deg": 2.0})
    _, found = nominal_geometry(counts, TILTS_DEG, {}, by_hand, 90.0)

    assert (found.axis, found.axis_deg, found.is_against_file) == ("rows", 2.0, True)
    assert not nominal_geometry(counts, TILTS_DEG, {}, by_hand, -4.0)[1].is_against_file


def test_a_rod_that_is_turned_about_its_length_does_not_tell_its_axis(rng):
    rows, cols = np.indices((32, 32)) - 16
    rod = 30 * np.exp(-0.5 * (rows / 4) ** 2) * (np.abs(cols) < 11)
    images = rng.poisson(np.broadcast_to(rod + 3, (9, 32, 32))).astype(np.float32)

    assert likelier_axis(images, np.linspace(-60, 60, 9), PARAMS).is_doubtful
    assert not nominal_geometry(images, np.linspace(-60, 60, 9), {}, given("columns"))[1].is_doubtful


@pytest.mark.parametrize("turn_deg", [-30.0, 0.0, 11.0, 80.0])
def test_views_half_a_turn_apart_tell_the_axis_whatever_the_sample(rng, turn_deg):
    """Planted through the geometry: the axis along columns, turned as `turned_about_beam` turns it."""
    tilts_deg = np.array([-90.0, 0.0, 90.0])
    turned = turned_about_beam(TiltGeometry.about(tilts_deg, axis="columns"), turn_deg)
    places = rng.uniform(-9, 9, (12, 3)) @ np.transpose(turned.rotations, (0, 2, 1))
    offsets = np.arange(40) - 20
    rows, cols = (np.exp(-0.5 * ((offsets - places[..., axis, None]) / 1.5) ** 2) for axis in (1, 0))
    images = np.roll(rng.poisson(40 * np.einsum("vpr,vpc->vrc", rows, cols) + 3), 2, axis=1)

    assert mirror_axis_deg(images, tilts_deg) == pytest.approx(turn_deg, abs=0.7)
    assert mirror_axis_deg(images, np.array([-60.0, 0.0, 60.0])) is None


def test_a_ball_mirrors_in_any_line(rng):
    rows, cols = np.indices((40, 40)) - 20
    ball = rng.poisson(np.broadcast_to(50.0 * (np.hypot(rows, cols) < 9), (2, 40, 40)))

    assert mirror_axis_deg(ball, np.array([-90.0, 90.0])) is None


def given(axis):
    return PARAMS.model_copy(update={"tilt_axis": axis})


def test_refined_angles_and_shifts_go_to_the_used_images_alone():
    nominal = TiltGeometry.single_axis([-10.0, 0.0, 10.0, 20.0])
    came = TiltAlignment.as_it_came(nominal).without({1: "dead"})
    used = nominal.taken(came.is_used)
    found = replace(used, euler_deg=used.euler_deg + 0.5, shifts_px=np.ones((3, 2)))

    refined = came.refined(found, np.full(3, 0.1))

    assert refined.euler_deg[:, 1].tolist() == [-9.5, 0.0, 10.5, 20.5]
    assert refined.shifts_px[:, 0].tolist() == [1, 0, 1, 1]
    assert np.isnan(refined.r_factors).tolist() == [False, True, False, False]


def test_a_sample_that_leaves_the_field_is_named(rng):
    rows, cols = np.indices((64, 64)) - 32
    middles = np.zeros(9)
    middles[5] = 25
    discs = [np.hypot(rows, cols - middle) < 12 for middle in middles]
    images = rng.poisson(3 + 30 * np.array(discs)).astype(np.float32)

    assert list(leaving_tilts(images)) == [5]
    assert leaving_tilts(images[:5]) == {}


def test_of_two_scans_the_sound_one_is_taken(counts, rng):
    second = counts.copy()
    first = counts.copy()
    first[1], second[2] = 0, 0
    first[3], second[3] = 0, 0
    with ThreadPoolExecutor(2) as executor:
        mended = mend_scans(first, second, TILTS_DEG, executor=executor)

    assert list(mended.why) == [3]
    assert [path is None for path in mended.paths[:5]] == [False, True, True, True, False]
    assert (mended.images[1] == counts[1]).all()
    assert (mended.images[2] == counts[2]).all()
    assert mended.combined(first, second) == pytest.approx(mended.images, abs=1e-3)
    assert (upright(np.rot90(counts, axes=(1, 2))) == counts).all()


def test_scans_of_two_sizes_are_refused(counts):
    with ThreadPoolExecutor(1) as executor, pytest.raises(Refusal, match="of one size"):
        mend_scans(counts, counts[:5], TILTS_DEG, executor=executor)


def test_a_sample_that_the_beam_changed_shows_in_repeated_tilts(counts):
    tilts = np.append(TILTS_DEG, TILTS_DEG[0])
    same, other = (np.concatenate([counts, image[None]]) for image in (counts[0] + 1, counts[9]))

    assert repeat_correlation(counts, TILTS_DEG) is None
    assert repeat_correlation(same, tilts) > 0.99 > repeat_correlation(other, tilts)


def test_a_killed_denoising_goes_on_where_it_stopped(counts, kept):
    class Killed(Exception):
        pass

    def kill(progress):
        raise Killed

    is_sound = np.arange(18) != 4
    args = counts, is_sound, NoiseModel(gain=1.0, at_zero=0.0), DenoisingParams(denoiser="nl_means")
    whole = denoise_series(*args)
    with pytest.raises(Killed):
        denoise_series(*args, checkpoint=kept, on_step=kill)
    steps = []
    mended = denoise_series(*args, checkpoint=kept, on_step=steps.append)

    assert [step.done for step in steps] == [16, 17]
    assert (mended.images == whole.images).all()
    assert (mended.images[4] == counts[4]).all()
    assert np.isnan(mended.excess[4])


def test_a_gain_that_fitting_to_noise_explains_is_none():
    before = np.full(20, 0.3) + np.linspace(-0.001, 0.001, 20)

    assert Comparison(before=before, after=before * 0.99).is_better
    assert not Comparison(before=before, after=before * 0.9999, optimism=5e-4).is_better
    assert not Comparison(before=before, after=before[::-1]).is_better


def test_a_gain_too_small_to_matter_is_none_however_sure():
    before = np.full(20, 0.1310846)

    assert Comparison(before=before, after=before - 1e-7).is_better
    assert not Comparison(before=before, after=before - 1e-7, least_gain=0.01).is_better
    assert Comparison(before=before, after=before * 0.98, least_gain=0.01).is_better


def test_angles_that_wandered_are_not_taken_though_they_foretell_better(rng):
    nominal = TiltGeometry.single_axis(TILTS_DEG)
    better = Comparison(before=np.full(18, 0.3), after=np.full(18, 0.2))
    params = RefinementParams(amplitude_deg=0.5, most_wandered=3.0)
    near, far = (
        replace(nominal, euler_deg=nominal.euler_deg + rng.normal(0, spread_deg, (18, 3)) * [0, 1, 0])
        for spread_deg in (1.0, 6.0)
    )

    assert why_nominal_angles_stand(nominal, near, better, params) is None
    assert "deg from the nominal" in why_nominal_angles_stand(nominal, far, better, params)
    worse = Comparison(before=better.after, after=better.before)
    assert "not foretold better" in why_nominal_angles_stand(nominal, near, worse, params)
