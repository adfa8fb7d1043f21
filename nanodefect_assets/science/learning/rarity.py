"""Classes that fill few pixels or are in few patches: how much more they weigh, and how much more often they are seen.

The rules know nothing but how frequent a class is, and do nothing where all classes are frequent.
"""

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.patches import PatchSet


def class_weights(patches: PatchSet, rare_share: float) -> Float[np.ndarray, " class"]:
    """Return by how much a pixel of each class weighs more in the cross-entropy when training begins.

    Parameters
    ----------
    patches : PatchSet
        Training side.
    rare_share : float
        Share of the labelled pixels below which a class is rare.

    Notes
    -----
    rare_share / f for a class that has the share f < rare_share of the labelled pixels, else 1. Without them a network
    first learns that there is no such class, and its gradient is then too small to unlearn that. Weights that stay [1]_
    let it be found too often; without any at the end it is lost again. These are meant to fade to their square roots.

    References
    ----------
    .. [1] D. Eigen, R. Fergus, ICCV 2015, section 6, doi:10.1109/ICCV.2015.304.
    """
    n_pixels = np.array(list(patches.n_pixels.values()), dtype=np.float64)
    return _times(n_pixels / max(n_pixels.sum(), 1), rare_share)


def patch_repeats(patches: PatchSet, rare_patch_share: float) -> Int[np.ndarray, " patch"]:
    """Return how often each patch is in one pass through the set.

    Parameters
    ----------
    patches : PatchSet
        Training side.
    rare_patch_share : float
        Share of the patches below which a class is in few of them.

    Notes
    -----
    The repeat factor of a class that the share f of the patches holds is max(1, sqrt(rare_patch_share / f)), that of a
    patch the largest of its classes, rounded [1]_.

    References
    ----------
    .. [1] A. Gupta, P. Dollar, R. Girshick, LVIS, CVPR 2019, doi:10.1109/CVPR.2019.00550, section 4.
    """
    numbers = np.arange(len(patches.class_names))
    holds = np.array([np.isin(numbers, classes) for classes in patches.classes]).reshape(-1, len(numbers))
    factors = np.sqrt(_times(holds.mean(axis=0), rare_patch_share))
    return np.rint((holds * factors).max(axis=1, initial=1)).astype(np.int64)


def _times(shares: Float[np.ndarray, " class"], least: float) -> Float[np.ndarray, " class"]:
    """Return least / share, at least 1; 1 for a class that is not there at all."""
    known = np.where(shares > 0, shares, np.inf)
    return np.maximum(least / known, 1)
