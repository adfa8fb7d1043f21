"""What an image shows beside the sample: support film, thickness of the carbon, offset of the detector."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation, gaussian_filter

from nanodefect_assets.science.imaging.otsu import otsu_threshold

_SMOOTHING_PX = 2.0
_MARGIN_PX = 5
_LEAST_EMPTY = 0.02
"""Share of an image that must be empty for its background to be known."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """Mean counts beside the sample.

    Attributes
    ----------
    counts : ndarray of shape (tilt,)
        Background of each image; 0 where none could be found.
    empty_share : ndarray of shape (tilt,)
        Share of each image that is empty.
    """

    counts: Float[np.ndarray, " tilt"]
    empty_share: Float[np.ndarray, " tilt"]

    @property
    def is_known(self) -> Bool[np.ndarray, " tilt"]:
        """Whether each image has room beside the sample."""
        return self.empty_share >= _LEAST_EMPTY


def estimate_background(images: Float[np.ndarray, "tilt row col"]) -> Background:
    """Find the background of each image, from where it is empty.

    Notes
    -----
    It is the mean, not the median, of the empty pixels: of few electrons a pixel the median is a whole number.
    """
    found = [_of_image(np.asarray(image, dtype=float)) for image in images]
    counts, share = np.array(found).reshape(-1, 2).T
    return Background(counts=np.where(share >= _LEAST_EMPTY, counts, 0.0), empty_share=share)


def _of_image(image: Float[np.ndarray, "row col"]) -> tuple[float, float]:
    empty = empty_region(image)
    return (float(image[empty].mean()) if empty.any() else 0.0), float(empty.mean())


def empty_region(image: Float[np.ndarray, "row col"]) -> Bool[np.ndarray, "row col"]:
    """Return where an image shows nothing brighter than its darkest plain: neither sample nor neighbours."""
    smooth = gaussian_filter(image, _SMOOTHING_PX, mode="nearest")
    if not np.ptp(smooth) > 0:
        return np.ones(image.shape, dtype=bool)
    limit = otsu_threshold(smooth)
    for _ in range(20):
        dark = smooth[smooth <= limit]
        # Spread from the lower half, which the tails of the sample do not reach.
        middle = np.median(dark)
        spread = np.sqrt(np.mean((dark[dark <= middle] - middle) ** 2))
        following = min(limit, middle + 3.5 * spread)
        if following == limit:
            break
        limit = following
    bright = binary_dilation(smooth > limit, iterations=2)
    grown = binary_dilation(_without_specks(bright), iterations=_MARGIN_PX)
    return ~grown


def _without_specks(bright: Bool[np.ndarray, "row col"]) -> Bool[np.ndarray, "row col"]:
    """Drop what is bright by chance, smaller than a hundredth of the largest bright region."""
    from scipy.ndimage import label

    labels, n_regions = label(bright)
    if n_regions < 2:
        return bright
    areas = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.flatnonzero(areas >= 0.01 * areas.max()))
