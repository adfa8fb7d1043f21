"""Pictures with channels: grey if the colours are equal, refused if not."""

import numpy as np

from nanodefect_assets.domain.refusal import Refusal

_DRAWN_SHARE = 0.3


def grey(frame: np.ndarray, *, channels_first: bool = False) -> np.ndarray:
    """Return the one channel of a picture whose colours are equal.

    Parameters
    ----------
    frame : ndarray of shape (row, col) or (row, col, channel)
        One, two (grey and opacity), three or four (with opacity) channels. Opacity is left aside.
    channels_first : bool
        Whether the channels are the first axis instead.

    Returns
    -------
    ndarray of shape (row, col)
    """
    if frame.ndim == 2:
        return frame
    colours = np.moveaxis(frame, 0, -1) if channels_first else frame
    n_colours = 1 if colours.shape[-1] == 2 else min(colours.shape[-1], 3)
    first = colours[..., 0]
    is_coloured = np.zeros(first.shape, dtype=bool)
    for index in range(1, n_colours):
        is_coloured |= first != colours[..., index]
    if is_coloured.any():
        raise _coloured(float(is_coloured.mean()))
    return np.ascontiguousarray(first)


def _coloured(share: float) -> Refusal:
    """Say what to do about a drawing, which covers some of the pixels, and about a colour map, which covers most."""
    is_drawn = share < _DRAWN_SHARE
    return Refusal(
        "coloured_image",
        expected="grey values, one number a pixel",
        got=f"a picture whose red, green and blue differ in {share:.2%} of its pixels, as "
        + ("something drawn or written into it does" if is_drawn else "a colour map does"),
        advice=("What lies under a drawing is lost. " if is_drawn else "")
        + "Export the data itself, as TIFF or MRC of one grey channel, without overlay, colour map or scale bar, not a "
        "screenshot.",
    )
