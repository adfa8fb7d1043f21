"""How well fast simulators agree with multislice, as curves and as images side by side."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanodefect_assets.domain.agreement import Agreement, ComparedImages

_COLOURS = {"Au": "#c9a227", "Pd": "#3b4cc0", "CdSe": "#b40426"}
_STYLES = {"phase grating": "-", "weak phase": "--"}
_MEASURES = {"correlation": "correlation", "contrast_ratio": "contrast ratio", "spectrum_correlation": "log power r"}
_WIDTH_ANGSTROM = 40.0
"""Edge of the part of an image that is shown: enough for columns to be seen."""


def plot_agreements(agreements: Sequence[Agreement]) -> Figure:
    """Draw how correlation, contrast and power spectra of HRTEM models go with size: a column of panels for each view.

    Parameters
    ----------
    agreements : sequence of Agreement
        Of several sizes; lines are means over the settings (defoci), bands reach from the least to the largest.
    """
    views = sorted({each.view for each in agreements})
    figure = Figure(figsize=(3.6 * max(len(views), 1) + 1.4, 6.4), layout="constrained")
    panels = figure.subplots(len(_MEASURES), max(len(views), 1), squeeze=False, sharex=True, sharey="row")
    for column, view in enumerate(views):
        panels[0, column].set_title(view, fontsize=9)
        panels[-1, column].set_xlabel("diameter (nm)")
        for row, (measure, label) in enumerate(_MEASURES.items()):
            _draw_lines(panels[row, column], [each for each in agreements if each.view == view], measure)
            panels[row, 0].set_ylabel(label)
    for axes in panels[1]:
        axes.axhline(1, color="grey", lw=0.6)
        axes.set_yscale("log")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="outside right upper")
    return figure


def _draw_lines(axes: Axes, agreements: Sequence[Agreement], measure: str) -> None:
    for material, model in sorted({(each.material, each.model) for each in agreements}):
        own = [each for each in agreements if (each.material, each.model) == (material, model)]
        sizes = sorted({each.diameter_nm for each in own})
        values = [[getattr(each, measure) for each in own if each.diameter_nm == size] for size in sizes]
        colour, style = _COLOURS.get(material, "black"), _STYLES.get(model, ":")
        means = [np.mean(found) for found in values]
        axes.plot(sizes, means, style, marker="o", ms=3, color=colour, label=f"{material}, {model}")
        axes.fill_between(
            sizes, [min(each) for each in values], [max(each) for each in values], color=colour, alpha=0.1
        )


def plot_compared_images(compared: Sequence[ComparedImages]) -> Figure:
    """Draw images side by side, a row for each particle: multislice, then the faster models, on one scale of grey.

    Parameters
    ----------
    compared : sequence of ComparedImages
        What to draw; the middle of each image, up to 4 nm across. Each image is divided by its mean in the particle.
    """
    n_cols = 1 + max((len(each.models) for each in compared), default=1)
    figure = Figure(figsize=(2.1 * n_cols, 2.3 * max(len(compared), 1)), layout="constrained")
    panels = figure.subplots(max(len(compared), 1), n_cols, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    for row, each in zip(panels, compared, strict=False):
        images = {"multislice": each.exact, **each.models}
        low, high = np.quantile(_middle(each.exact, each.inside, each.pixel_size_angstrom), [0.005, 0.995])
        for axes, (name, image) in zip(row, images.items(), strict=False):
            shown = _middle(image, each.inside, each.pixel_size_angstrom)
            axes.imshow(shown, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set_title(name, fontsize=8)
        row[0].set_title(
            f"{each.material} {each.diameter_nm:g} nm {each.view},\n{each.setting}: multislice", fontsize=7
        )
    return figure


def _middle(
    image: Float[np.ndarray, "row col"], inside: Bool[np.ndarray, "row col"], pixel_size_angstrom: float
) -> Float[np.ndarray, "part_row part_col"]:
    half = int(_WIDTH_ANGSTROM / pixel_size_angstrom / 2)
    rows, cols = (slice(max(n // 2 - half, 0), n // 2 + half) for n in image.shape)
    return (image / image[inside].mean())[rows, cols]
