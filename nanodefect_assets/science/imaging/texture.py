"""Local mean and spread of an image."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter

_Image = Float[np.ndarray, "row col"]


def local_standard_deviation(image: _Image, window_px: int) -> _Image:
    """Return the standard deviation inside a square window around each pixel.

    Parameters
    ----------
    image : ndarray of shape (row, col)
        Any unit.
    window_px : int
        Edge of the window, in pixels; odd, so that the window is centred.

    Returns
    -------
    ndarray of shape (row, col)
        Unit of `image`, float32. The image is mirrored at its frame.
    """
    if window_px < 1 or window_px % 2 == 0:
        raise ValueError(f"Expected window_px to be odd and positive. Got {window_px}.")
    scale = float(image.std(dtype=np.float64)) or 1.0
    centred = ((image - image.mean(dtype=np.float64)) / scale).astype(np.float32)
    mean = uniform_filter(centred, window_px, mode="mirror")
    variance = uniform_filter(np.square(centred, out=centred), window_px, mode="mirror")
    variance -= np.square(mean, out=mean)
    return np.sqrt(np.maximum(variance, 0, out=variance), out=variance) * np.float32(scale)
