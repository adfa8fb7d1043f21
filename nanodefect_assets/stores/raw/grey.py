"""Pictures with channels: grey if the colours are equal, refused if not."""

import numpy as np

from nanodefect_assets.domain.refusal import Refusal


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
    if any(not np.array_equal(first, colours[..., index]) for index in range(1, n_colours)):
        raise Refusal(
            "coloured_image",
            expected="grey values, one number a pixel",
            got="a picture whose red, green and blue differ",
            advice="Export the data itself without overlay, colour map or scale bar, not a screenshot.",
        )
    return np.ascontiguousarray(first)
