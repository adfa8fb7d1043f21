"""Micrographs as pictures: grey levels, particle outlines and a scale bar."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

_Image = Num[np.ndarray, "row col"]
_Labels = Int[np.ndarray, "row col"]

OUTLINE_COLOUR = (1.0, 0.35, 0.1, 1.0)
_GREY_PERCENTILES = (0.5, 99.5)


def plot_overlay(counts: _Image, labels: _Labels | None = None, *, pixel_size_nm: float | None = None) -> Figure:
    """Draw a micrograph with the outlines of its particles, and a scale bar where it is calibrated.

    Parameters
    ----------
    counts : ndarray of shape (row, col)
        Intensity; shown from its 0.5th to its 99.5th percentile.
    labels : ndarray of shape (row, col) or None
        Particle numbers, 0 for support; None for no outlines.
    pixel_size_nm : float or None
        Edge of a pixel, in nanometres.
    """
    n_rows, n_cols = counts.shape
    figure = Figure(figsize=(5, min(5 * n_rows / n_cols, 10)), layout="constrained")
    axes = figure.add_subplot()
    draw_micrograph(axes, counts, labels, max_edge_px=768)
    if pixel_size_nm is not None:
        draw_scale_bar(axes, counts.shape, pixel_size_nm)
    return figure


def plot_mosaic(
    tiles: Sequence[tuple[str, _Image, _Labels | None]],
    *,
    pixel_sizes_nm: Sequence[float | None] | None = None,
    n_cols: int = 4,
) -> Figure:
    """Draw micrographs side by side, each with its title and the outlines of its particles.

    Parameters
    ----------
    tiles : sequence of (str, ndarray, ndarray or None)
        Title, intensity of shape (row, col), and particle numbers of that shape or None.
    pixel_sizes_nm : sequence of float or None
        Edge of a pixel of each, in nanometres, for a scale bar; None for none.
    n_cols : int
        Most micrographs in a row.
    """
    if not tiles:
        raise ValueError("Expected at least one micrograph to draw. Got none.")
    n_cols = min(n_cols, len(tiles))
    n_rows = -(-len(tiles) // n_cols)
    figure = Figure(figsize=(2.2 * n_cols, 2.4 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_cols, squeeze=False)
    for axes in grid.flat[len(tiles) :]:
        axes.set_axis_off()
    sizes_nm = [None] * len(tiles) if pixel_sizes_nm is None else pixel_sizes_nm
    for axes, (title, counts, labels), size_nm in zip(grid.flat[: len(tiles)], tiles, sizes_nm, strict=True):
        draw_micrograph(axes, counts, labels, max_edge_px=256)
        if size_nm is not None:
            draw_scale_bar(axes, counts.shape, size_nm, font_size=6)
        axes.set_title(title, fontsize=7)
    return figure


def draw_micrograph(axes: Axes, counts: _Image, labels: _Labels | None, *, max_edge_px: int) -> None:
    """Draw one micrograph into `axes`, in pixel coordinates, with at most `max_edge_px` points along an edge."""
    step = -(-max(counts.shape) // max_edge_px)
    small = block_mean(counts, step)
    extent = (-0.5, counts.shape[1] - 0.5, counts.shape[0] - 0.5, -0.5)
    low, high = np.percentile(small, _GREY_PERCENTILES)
    axes.imshow(small, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=extent, interpolation="nearest")
    if labels is not None:
        outlines = np.zeros((*small.shape, 4), dtype=np.float32)
        outlines[outline_mask(labels[::step, ::step])] = OUTLINE_COLOUR
        axes.imshow(outlines, extent=extent, interpolation="nearest")
    axes.set_axis_off()


def draw_scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size_nm: float, *, font_size: float = 9) -> None:
    """Draw a bar of round length, about a fifth of the width, in the lower left corner."""
    n_rows, n_cols = shape
    length_nm = round_length(n_cols * pixel_size_nm / 5)
    left, bottom = 0.05 * n_cols, 0.95 * n_rows
    bar = Rectangle((left, bottom), length_nm / pixel_size_nm, -0.012 * n_rows, color="white", ec="black", lw=0.5)
    axes.add_patch(bar)
    text = axes.text(left, bottom - 0.025 * n_rows, f"{length_nm:g} nm", color="white", fontsize=font_size, va="bottom")
    text.set_path_effects([Stroke(linewidth=1.5, foreground="black"), Normal()])


def round_length(length: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not above `length`."""
    power = np.floor(np.log10(length))
    mantissa = max(m for m in (1, 2, 5) if m <= length / 10**power * (1 + 1e-9))
    return float(f"{mantissa}e{int(power)}")


def outline_mask(labels: _Labels) -> Bool[np.ndarray, "row col"]:
    """Return the pixels of particles that have support or another particle above, below or beside them."""
    is_outline = np.zeros(labels.shape, dtype=bool)
    differs_below, differs_right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    is_outline[1:] |= differs_below
    is_outline[:-1] |= differs_below
    is_outline[:, 1:] |= differs_right
    is_outline[:, :-1] |= differs_right
    return is_outline & (labels > 0)


def block_mean(image: _Image, step: int) -> Float[np.ndarray, "block_row block_col"]:
    """Return the mean over blocks of `step` x `step` pixels; incomplete blocks count what they have."""
    row_starts, col_starts = np.arange(0, image.shape[0], step), np.arange(0, image.shape[1], step)
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float32), row_starts, axis=0), col_starts, axis=1)
    heights = np.diff(row_starts, append=image.shape[0])
    widths = np.diff(col_starts, append=image.shape[1])
    return sums / (heights[:, None] * widths)
