"""Planted shifts, factors and angles in analytic projections of a cloud of Gaussians, with counting noise."""

from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tilt_geometry import TiltGeometry
from nanodefect_assets.domain.tilt_series import TiltSeries
from nanodefect_assets.science.tomography.align import align_series, match_images, turned_about_beam
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams, RefinementParams
from nanodefect_assets.science.tomography.angles import refine_angles, turns_between_deg
from nanodefect_assets.science.tomography.choice import choose_images
from nanodefect_assets.science.tomography.common_lines import find_axis_deg
from nanodefect_assets.science.tomography.screen import screen_tilts
from nanodefect_assets.science.tomography.shifting import centred, common_shift, shifts_of_move

EDGE = 48
TILTS = np.linspace(64, -61, 31)
BACKGROUND = 3.0
SIGMA_PX = 1.5


def views(geometry, brightness=25.0):
    rng = np.random.default_rng(5)
    places = rng.uniform(-9, 9, (70, 3))
    places = places[np.linalg.norm(places, axis=1) < 9]
    seen = places @ np.transpose(geometry.rotations, (0, 2, 1))
    offsets = np.arange(EDGE) - EDGE // 2
    rows, cols = (
        np.exp(-0.5 * ((offsets - seen[..., axis, None] - shift[:, None, None]) / SIGMA_PX) ** 2)
        for axis, shift in ((1, geometry.shifts_px[:, 0]), (0, geometry.shifts_px[:, 1]))
    )
    return brightness * np.einsum("vpr,vpc->vrc", rows, cols)


@pytest.fixture
def planted(rng):
    true = TiltGeometry(
        euler_deg=np.stack([0 * TILTS, TILTS, 0 * TILTS], axis=1), shifts_px=rng.normal(0, 2, (len(TILTS), 2))
    )
    return true, rng.normal(1, 0.05, len(TILTS))


def misplaced_px(found_px, true):
    wrong = found_px - true.shifts_px
    return np.sqrt(np.mean((wrong - shifts_of_move(common_shift(wrong, true), true)) ** 2))


@pytest.mark.slow
def test_shifts_and_factors_are_found(planted, rng):
    true, factors = planted
    counts = rng.poisson(factors[:, None, None] * views(true) + BACKGROUND)
    found = align_series(counts, TiltGeometry.single_axis(TILTS), AlignmentParams(n_rounds=4, max_axis_deg=0))

    assert misplaced_px(found.shifts_px, true) < 0.1
    assert np.std(found.factors / factors) < 0.01
    assert found.background_counts == pytest.approx(BACKGROUND, rel=0.06)
    assert not found.odd_factors().any()


def test_a_killed_alignment_goes_on_where_it_stopped(planted, rng, kept):
    true, _ = planted
    counts, nominal = rng.poisson(views(true) + BACKGROUND), TiltGeometry.single_axis(TILTS)
    params = AlignmentParams(n_rounds=1, max_axis_deg=0, n_iterations=10)
    align_series(counts, nominal, params, checkpoint=kept)
    steps = []
    align_series(counts, nominal, params.model_copy(update={"n_rounds": 2}), checkpoint=kept, on_step=steps.append)

    assert [step.done for step in steps] == [2]


def test_alignment_puts_the_sample_in_the_middle(planted):
    true, _ = planted
    middle = replace(true, shifts_px=0 * true.shifts_px)

    assert centred(views(true), true.shifts_px)[:, 8:-8, 8:-8] == pytest.approx(views(middle)[:, 8:-8, 8:-8], abs=0.05)


def test_matching_finds_shift_and_brightness(planted):
    true, factors = planted
    moved = replace(true, shifts_px=true.shifts_px + 0.3)
    steps, scales = match_images(factors[:, None, None] * views(moved), views(true))

    assert steps == pytest.approx(np.full_like(steps, 0.3), abs=0.03)
    assert scales == pytest.approx(factors, rel=0.02)


@pytest.mark.parametrize(("axis_deg", "near_deg"), [(-1.5, 0.0), (1.0, 0.0), (10.5, 9.0)])
def test_a_turned_tilt_axis_is_found_in_the_sense_of_the_geometry(axis_deg, near_deg):
    turned = turned_about_beam(TiltGeometry.single_axis(TILTS), axis_deg)

    found_deg, is_at_bound = find_axis_deg(views(turned), "rows", 3.0, near_deg)

    assert found_deg == pytest.approx(axis_deg, abs=0.25)
    assert not is_at_bound


def test_an_axis_that_is_turned_by_more_than_was_looked_for_is_named():
    turned = turned_about_beam(TiltGeometry.single_axis(TILTS), 8.0)

    assert find_axis_deg(views(turned), "rows", 3.0) == (0.0, True)
    assert find_axis_deg(views(turned), "rows", 0.0) == (0.0, False)


def test_a_turn_of_the_whole_sample_is_no_error_of_angles(planted):
    true, _ = planted
    turned = replace(true, euler_deg=true.euler_deg + np.array([0.0, 0.0, 7.0]))

    assert turns_between_deg(turned, true) == pytest.approx(np.zeros((len(TILTS), 3)), abs=1e-6)
    bent = replace(true, euler_deg=true.euler_deg + np.eye(len(TILTS), 3, k=-5)[:, [1, 0, 2]] * 0.3)
    assert np.abs(turns_between_deg(bent, true)).max() == pytest.approx(0.3, abs=0.02)


@pytest.mark.slow
def test_wrong_tilts_are_mended_where_the_dose_allows(rng):
    errors = rng.normal(0, 0.3, (len(TILTS), 3)) * [0.5, 1, 0.5]
    nominal = TiltGeometry.single_axis(TILTS)
    true = replace(nominal, euler_deg=nominal.euler_deg + errors)
    series = TiltSeries.of(views(true).astype(np.float32), nominal, None)
    before = np.sqrt(np.mean(turns_between_deg(nominal, true) ** 2, axis=0))
    after = {
        method: np.sqrt(np.mean(turns_between_deg(found.geometry, true) ** 2, axis=0))
        for method in ("gradient", "trials")
        for found in [refine_angles(series, RefinementParams(method=method, n_rounds=10), rng=rng)]
    }

    assert (after["gradient"] < 0.5 * before).all()
    assert after["gradient"].mean() < after["trials"].mean() < before.mean()


@pytest.mark.slow
def test_a_killed_refinement_goes_on_and_ends_the_same(rng, kept):
    nominal = TiltGeometry.single_axis(TILTS[::3])
    series = TiltSeries.of(views(nominal).astype(np.float32), nominal, None)
    params = RefinementParams(method="trials", n_rounds=2, n_iterations=3, n_trials=1, max_edge_px=32)
    whole = refine_angles(series, params, rng=np.random.default_rng(1))

    class Killed(Exception):
        pass

    def kill(progress):
        raise Killed

    with pytest.raises(Killed):
        refine_angles(series, params, rng=np.random.default_rng(1), checkpoint=kept, on_step=kill)
    mended = refine_angles(series, params, rng=np.random.default_rng(9), checkpoint=kept)

    assert mended.geometry.euler_deg == pytest.approx(whole.geometry.euler_deg, abs=1e-6)


def test_images_that_foretell_worse_are_not_chosen(rng):
    geometry = TiltGeometry.single_axis(TILTS)
    clean = views(geometry)
    raw = TiltSeries.of(rng.poisson(clean + BACKGROUND) - BACKGROUND, geometry, None)
    perfect, spoilt = (TiltSeries.of(images, geometry, None) for images in (clean, np.roll(clean, 2, axis=2)))

    assert choose_images(raw, perfect, 12).is_better
    assert not choose_images(raw, spoilt, 12).is_better
    assert not choose_images(raw, raw, 12).is_better


def test_unsound_images_are_named_with_their_reason(rng):
    images, tilts = rng.poisson(20.0, (9, 16, 16)).astype(float), np.arange(-40.0, 50.0, 10.0)
    images[1, 3, 3] = np.nan
    images[2] = 5
    images[3, :4] = 255
    tilts[7] *= -1

    found = screen_tilts(images, tilts)

    assert {n: reason.split()[0] for n, reason in found.items()} == {1: "1", 2: "dead:", 3: "saturated:", 7: "tilt"}
    assert "wrong sign" in found[7]


def test_the_second_image_of_an_angle_is_left_out(rng):
    images = rng.poisson(20.0, (5, 16, 16)).astype(float)

    assert list(screen_tilts(images, [-10.0, 0.0, 0.0, 10.0, 20.0])) == [2]
    assert screen_tilts(images, [-10.0, 0.0, 5.0, 10.0, 20.0]) == {}


def test_too_few_images_are_refused():
    with pytest.raises(Refusal, match="at least 3"):
        align_series(np.zeros((2, 16, 16)), TiltGeometry.single_axis([0.0, 1.0]), AlignmentParams())
