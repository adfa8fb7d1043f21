"""Alignment and refinement as pictures."""

import numpy as np

from nanodefect_assets.plots.alignment import plot_aligned_series, plot_refinement, spread_indices
from nanodefect_assets.plots.png import figure_png

TILTS_DEG = np.linspace(60, -60, 9)


def test_shifts_and_moves_are_drawn_in_the_order_of_tilts(rng):
    images, shifts = rng.random((9, 20, 20)), rng.normal(size=(9, 2))
    figure = plot_aligned_series(images, images, TILTS_DEG, shifts, np.ones(9), np.array([1.0, 0.1]))

    by_shift, _, by_round = figure.axes[-3:]
    assert by_shift.lines[0].get_ydata().tolist() == shifts[::-1, 0].tolist()
    assert by_round.lines[0].get_ydata().tolist() == [1.0, 0.1]
    assert len(figure_png(figure)) < 100_000


def test_the_change_of_angles_is_drawn_by_round(rng):
    nominal = np.stack([0 * TILTS_DEG, TILTS_DEG, 0 * TILTS_DEG], axis=1)
    history = nominal + np.array([0.1, 0.3])[:, None, None]
    pair = (rng.random(9), rng.random(9))
    figure = plot_refinement(np.array([0.2, 0.1]), history, nominal, pair, pair)

    assert np.allclose(figure.axes[1].lines[1].get_ydata(), [0.1, 0.3])
    assert figure.axes[0].lines[0].get_ydata().tolist() == [20.0, 10.0]


def test_images_shown_span_all_tilts():
    assert spread_indices(TILTS_DEG, 3) == [8, 4, 0]
    assert spread_indices(TILTS_DEG[:2], 8) == [1, 0]
