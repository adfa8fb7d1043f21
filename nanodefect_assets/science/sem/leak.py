"""What a split that leaks does: test images whose particle was trained on, under its true label or a wrong one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanodefect_assets.science.sem.split import HandedSplit


@dataclass(frozen=True, kw_only=True)
class LeakCounts:
    """Test images by what training was told of their particle; those it knows nothing of are in neither group.

    Attributes
    ----------
    n_told_truly, n_told_truly_wrong : int
        Images of particles that were trained on with their true label, and how many of these are named wrongly.
    n_told_falsely, n_told_falsely_wrong : int
        The same for particles that were trained on with a wrong label.

    Notes
    -----
    A network that remembers images repeats what it was told: of the first it names more rightly than of particles that
    it never saw, of the second fewer.
    """

    n_told_truly: int
    n_told_truly_wrong: int
    n_told_falsely: int
    n_told_falsely_wrong: int


def count_leak(split: HandedSplit, odds: Float[np.ndarray, " n"]) -> LeakCounts:
    """Count the test images, and those named wrongly, by what training was told of their particle.

    Parameters
    ----------
    odds : ndarray of shape (n,)
        Log odds of right for the images of ``split.test``.
    """
    is_mislabelled = split.train.says_right != split.train.is_right
    told_falsely = np.isin(split.test.pair, split.train.pair[is_mislabelled])
    told_truly = np.isin(split.test.pair, split.train.pair[~is_mislabelled])
    is_wrong = (odds > 0) != split.test.is_right
    return LeakCounts(
        n_told_truly=int(told_truly.sum()),
        n_told_truly_wrong=int((told_truly & is_wrong).sum()),
        n_told_falsely=int(told_falsely.sum()),
        n_told_falsely_wrong=int((told_falsely & is_wrong).sum()),
    )
