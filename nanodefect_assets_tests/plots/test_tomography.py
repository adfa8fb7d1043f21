import numpy as np

from nanodefect_assets.plots.png import figure_png
from nanodefect_assets.plots.tomography import plot_reconstruction


def test_slices_convergence_and_tilts_are_drawn(rng):
    volume = rng.random((8, 10, 12), dtype=np.float32)
    tilts_deg, values = np.array([20.0, -40.0, 0.0]), np.array([0.2, 0.3, 0.1])

    figure = plot_reconstruction(volume, np.array([0.5, 0.1]), tilts_deg, values, values / 2)

    *slices, convergence, by_tilt = figure.axes
    shown = [axes.images[0].get_array() for axes in slices]
    np.testing.assert_array_equal(shown[0], volume[4])
    np.testing.assert_array_equal(shown[1], volume[:, 5])
    np.testing.assert_array_equal(shown[2], volume[:, :, 6])
    assert convergence.lines[0].get_ydata().tolist() == [0.5, 0.1]
    np.testing.assert_allclose(by_tilt.lines[0].get_ydata(), [30, 10, 20])
    assert len(figure_png(figure)) < 100_000
