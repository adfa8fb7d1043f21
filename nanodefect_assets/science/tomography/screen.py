"""Images of a tilt series that would spoil it, found before anything is aligned."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nanodefect_assets.science.tomography.background import empty_region

_SAME_ANGLE_DEG = 1e-3
_SATURATED_SHARE = 0.05
"""Of the pixels of a frame at one value, its largest, above which the detector was full."""
_MARGIN_PX = 5
_ALONE_SHARE = 0.02
"""Of a border's pixels that may be bright in most images of a sample that stands alone."""
_LEAVING_SHARE = 0.08
"""Of a border's pixels, above which the sample reaches over it."""
_FAINTEST = 0.1
"""Spread of a frame as a share of the median spread, below which it shows nothing."""


def screen_tilts(
    images: Float[np.ndarray, "tilt row col"], tilts_deg: Float[np.ndarray, " tilt"] | Sequence[float]
) -> dict[int, str]:
    """Return which images are unsound, and why.

    Parameters
    ----------
    images : ndarray of shape (tilt, row, col)
        As they came.
    tilts_deg : ndarray of shape (tilt,)
        Nominal tilts, in the order in which they were taken.

    Notes
    -----
    A tilt of the wrong sign is seen where the tilts run one way but for that one, and would run one way with its sign
    turned; of two images at one angle the second is unsound, unless one of them is a tilt of the wrong sign.
    """
    tilts = np.asarray(tilts_deg, dtype=float)
    if len(images) != len(tilts):
        raise ValueError(f"Expected as many tilts as images. Got {len(tilts)} and {len(images)}.")
    found = {n: "tilt is not a number" for n in range(len(tilts)) if not np.isfinite(tilts[n])}
    found |= bad_frames(images)
    flipped = _flipped(tilts)
    if flipped is not None:
        found.setdefault(flipped, f"tilt {tilts[flipped]:g} degrees seems to have the wrong sign")
    kept: list[int] = []
    for n in range(len(tilts)):
        if n in found:
            continue
        twin = next((other for other in kept if abs(tilts[other] - tilts[n]) < _SAME_ANGLE_DEG), None)
        if twin is None:
            kept.append(n)
        else:
            found[n] = f"tilt {tilts[n]:g} degrees again, first in image {twin}"
    return dict(sorted(found.items()))


def bad_frames(images: Float[np.ndarray, "tilt row col"]) -> dict[int, str]:
    """Return which images show nothing that can be used, and why."""
    found, spreads = {}, np.zeros(len(images))
    for n, image in enumerate(images):
        n_odd = int((~np.isfinite(image)).sum())
        if n_odd:
            found[n] = f"{n_odd} pixels are not finite"
            continue
        spreads[n] = float(np.std(image, dtype=float))
        full = float(np.mean(image == image.max()))
        if spreads[n] == 0:
            found[n] = "dead: one value all over"
        elif full > _SATURATED_SHARE and image.max() > np.median(image):
            found[n] = f"saturated: {100 * full:.0f} % of the pixels at the largest value"
    sound = [n for n in range(len(images)) if n not in found]
    typical = float(np.median(spreads[sound])) if sound else 0.0
    return found | {n: "shows next to nothing" for n in sound if spreads[n] < _FAINTEST * typical}


def leaving_tilts(images: Float[np.ndarray, "tilt row col"]) -> dict[int, str]:
    """Return the images in which a sample that stands alone in most leaves the field.

    Notes
    -----
    What is seen of it then has another centre of mass and another intensity. In a film no image is empty along its
    border, and none is named.
    """
    shares = np.array([_bright_border(np.asarray(image, dtype=float)) for image in images])
    if np.median(shares) > _ALONE_SHARE:
        return {}
    return {
        int(n): f"the sample leaves the field: {100 * shares[n]:.0f} % of the border is bright"
        for n in np.flatnonzero(shares > _LEAVING_SHARE)
    }


def _bright_border(image: Float[np.ndarray, "row col"]) -> float:
    from scipy.ndimage import binary_erosion, label

    # Without the margin that belongs to the emptiness, specks of noise are regions of their own.
    labels, n_regions = label(binary_erosion(~empty_region(image), iterations=_MARGIN_PX, border_value=1))
    if not n_regions:
        return 0.0
    bright = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return float(np.concatenate([bright[0], bright[-1], bright[1:-1, 0], bright[1:-1, -1]]).mean())


def _flipped(tilts: Float[np.ndarray, " tilt"]) -> int | None:
    """Return the one tilt whose sign alone keeps the tilts from running one way; None if there is none such."""
    if len(tilts) < 4 or not np.isfinite(tilts).all() or _runs_one_way(tilts):
        return None
    candidates = []
    for n in np.flatnonzero(np.abs(tilts) > _SAME_ANGLE_DEG):
        turned = tilts.copy()
        turned[n] *= -1
        if _runs_one_way(turned):
            candidates.append(int(n))
    return candidates[0] if len(candidates) == 1 else None


def _runs_one_way(tilts: Float[np.ndarray, " tilt"]) -> bool:
    steps = np.diff(tilts)
    return bool((steps > 0).all() or (steps < 0).all())
