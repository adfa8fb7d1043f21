from io import BytesIO

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from nanodefect_assets.plots.images import block_mean, outline_mask, plot_mosaic, plot_overlay, round_length
from nanodefect_assets.plots.png import figure_png

NOISE = np.random.default_rng(0).normal(100, 10, (60, 100)).astype(np.float32)


def two_squares(shape=(60, 100)):
    labels = np.zeros(shape, dtype=np.int32)
    labels[10:20, 10:20] = 1
    labels[10:20, 20:30] = 2
    return labels


def drawn_images(figure):
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def test_outlines_run_along_particles_and_between_touching_ones():
    outline = outline_mask(two_squares())

    assert outline[10, 10:30].all()
    assert outline[10:20, 19:21].all()
    assert not outline[11:19, 11:19].any()
    assert not outline[two_squares() == 0].any()


def test_the_overlay_draws_counts_and_outlines_in_pixel_coordinates():
    figure = plot_overlay(NOISE, two_squares())

    counts, outlines = drawn_images(figure)
    np.testing.assert_array_equal(counts, NOISE)
    np.testing.assert_array_equal(outlines[..., 3] > 0, outline_mask(two_squares()))
    assert figure.axes[0].images[0].get_extent() == [-0.5, 99.5, 59.5, -0.5]
    assert not figure.axes[0].patches


@pytest.mark.parametrize(("pixel_size_nm", "text", "length_nm"), [(0.05, "1 nm", 1), (3.7, "50 nm", 50)])
def test_the_scale_bar_has_its_length(pixel_size_nm, text, length_nm):
    axes = plot_overlay(NOISE, pixel_size_nm=pixel_size_nm).axes[0]

    [bar] = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert bar.get_width() == pytest.approx(length_nm / pixel_size_nm)
    assert [label.get_text() for label in axes.texts] == [text]
    assert 0 <= bar.get_x() <= bar.get_x() + bar.get_width() < 100


@pytest.mark.parametrize(
    ("length", "expected"), [(1.0, 1), (1.99, 1), (0.2, 0.2), (49.0, 20), (5e-3, 5e-3), (999.0, 500)]
)
def test_round_lengths(length, expected):
    assert round_length(length) == pytest.approx(expected)


@pytest.mark.parametrize("step", [1, 2, 7])
def test_block_means_keep_the_mean_of_whole_blocks(step):
    image = np.arange(15 * 17, dtype=float).reshape(15, 17)

    small = block_mean(image, step)

    assert small.shape == (-(-15 // step), -(-17 // step))
    assert small[0, 0] == pytest.approx(image[:step, :step].mean())
    assert small[-1, -1] == pytest.approx(image[(15 - 1) // step * step :, (17 - 1) // step * step :].mean())


def test_large_micrographs_are_thinned_out():
    figure = plot_overlay(np.zeros((2000, 3000)), np.zeros((2000, 3000), dtype=int))

    assert max(drawn_images(figure)[0].shape) <= 768
    assert {image.shape[:2] for image in drawn_images(figure)} == {drawn_images(figure)[0].shape}


@pytest.mark.parametrize(("n_tiles", "shape"), [(1, (1, 1)), (4, (1, 4)), (6, (2, 4))])
def test_a_mosaic_has_a_titled_tile_for_each_micrograph(n_tiles, shape):
    figure = plot_mosaic([(f"m{i}", NOISE, None) for i in range(n_tiles)])

    assert [axes.get_title() for axes in figure.axes if axes.images] == [f"m{i}" for i in range(n_tiles)]
    assert len(figure.axes) == shape[0] * shape[1]


def test_calibrated_tiles_of_a_mosaic_have_a_scale_bar():
    figure = plot_mosaic([("a", NOISE, None), ("b", NOISE, None)], pixel_sizes_nm=[0.1, None])

    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [
        [f"{round_length(NOISE.shape[1] * 0.1 / 5):g} nm"],
        [],
    ]
    assert [len(axes.patches) for axes in figure.axes] == [1, 0]


def test_a_mosaic_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        plot_mosaic([])


@pytest.mark.parametrize("max_bytes", [100_000, 8_000])
def test_a_png_fits_shows_the_picture_and_leaves_nothing_behind(max_bytes):
    figure = plot_overlay(np.random.default_rng(0).normal(size=(700, 700)))

    data = figure_png(figure, max_bytes)

    with Image.open(BytesIO(data)) as picture:
        assert (picture.format, picture.width) == ("PNG", picture.height)
        assert np.asarray(picture.convert("L")).std() > 20
    assert len(data) <= max_bytes
    assert figure.axes == []
    assert plt.get_fignums() == []


def test_a_limit_that_nothing_fits_is_refused():
    with pytest.raises(ValueError, match="fits in 10 bytes"):
        figure_png(Figure(), 10)
