"""Whether a sample lies within the frame of its images, or reaches beyond it as a film does."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

_SMOOTHING_PX = 3.0
_BRIGHTEST = 0.999
"""So near to 1 that a particle of a hundredth of the frame still sets the scale; hot pixels do not."""
_LEAST_LEVEL = 0.22
"""Measured: 0.01 for particles at usual doses, 0.13 for a tiny one at an electron a pixel, 0.35 and 0.41 for a film."""


def fills_frame(images: Float[np.ndarray, "tilt row col"]) -> bool:
    """Return whether the borders of images are about as bright as the rest, as where a film goes on beside them.

    Notes
    -----
    Of each image, smoothed, the border's median is set between the 5 % and the 99.9 % quantile; their median counts.
    Where it does, atoms beside the frame show in tilted images, and no model of the atoms within can explain these.
    """
    return float(np.median([_border_level(np.asarray(image, dtype=float)) for image in images])) > _LEAST_LEVEL


def _border_level(image: Float[np.ndarray, "row col"]) -> float:
    smooth = gaussian_filter(image, _SMOOTHING_PX, mode="nearest")
    border = np.concatenate([smooth[0], smooth[-1], smooth[1:-1, 0], smooth[1:-1, -1]])
    low, high = np.quantile(smooth, [0.05, _BRIGHTEST])
    return float((np.median(border) - low) / (high - low)) if high > low else 0.0
