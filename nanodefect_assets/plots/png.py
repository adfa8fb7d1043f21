"""Figures as small PNG files for the asset pages."""

from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_START_DPI = 120.0
_MIN_DPI = 10.0
_N_COLOURS = 64


def figure_png(figure: Figure, max_bytes: int = 100_000) -> bytes:
    """Return `figure` as PNG of at most `max_bytes`, in 64 colours, as finely as fits; the figure is cleared.

    Raises
    ------
    ValueError
        If it does not fit even at 10 dots per inch.
    """
    dpi = _START_DPI
    data = _render(figure, dpi)
    while len(data) > max_bytes:
        dpi *= min(0.9, np.sqrt(max_bytes / len(data)))
        if dpi < _MIN_DPI:
            raise ValueError(f"Expected a picture that fits in {max_bytes} bytes. Got {len(data)} at its coarsest.")
        data = _render(figure, dpi)
    figure.clear()
    return data


def _render(figure: Figure, dpi: float) -> bytes:
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    file = BytesIO()
    picture.quantize(_N_COLOURS, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue()
