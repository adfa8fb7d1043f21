"""What a trained model says of single particles, and how far each answer may be trusted."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.judge import log_odds
from nanodefect_assets.science.sem.mirror import mirrored
from nanodefect_assets.science.sem.trained import TrainedHandedness, require_crop_size, restore_networks

_Odds = Float[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class HandednessAnswers:
    """Answers for single particles.

    Attributes
    ----------
    log_odds : ndarray of shape (n,)
        Log odds of right: the mean over an image, its half turn, and their mirror images with the sign changed.
    p_right : ndarray of shape (n,)
        Chance that the particle is right-handed, corrected for the wrong labels that the network learnt from.
    agreement : ndarray of shape (n,)
        Share of those four answers that name the same hand as their mean: 0.25 to 1.
    """

    log_odds: _Odds
    p_right: Float[np.ndarray, " n"]
    agreement: Float[np.ndarray, " n"]


def answer(
    trained: TrainedHandedness,
    images: Float[np.ndarray, "n row col"],
    *,
    error_fraction: float = 0.0,
    device: str = "cpu",
) -> HandednessAnswers:
    """Ask of each image, its half turn and the mirror images of both.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        As `prepare_images` gives them.
    error_fraction : float
        Share of wrong labels in the training, planted or estimated; below 0.5.

    Notes
    -----
    A half turn keeps the hand, a mirror changes it. An antisymmetric network agrees with itself under the mirror by
    construction: of its four answers two are news.
    """
    require_crop_size(trained, images)
    networks = restore_networks(trained, device=device)
    turned = np.ascontiguousarray(images[:, ::-1, ::-1])
    each = np.stack(
        [
            sense * log_odds(networks, view, device=device)
            for sense, view in ((1, images), (1, turned), (-1, mirrored(images)), (-1, mirrored(turned)))
        ]
    )
    mean = each.mean(axis=0)
    return HandednessAnswers(
        log_odds=mean,
        p_right=unmix(1 / (1 + np.exp(-mean)), error_fraction),
        agreement=np.mean((each > 0) == (mean > 0), axis=0),
    )


def unmix(p_labelled_right: Float[np.ndarray, " n"], error_fraction: float) -> Float[np.ndarray, " n"]:
    """Return the chance of being right-handed from the chance of being labelled so.

    Notes
    -----
    With the share x of wrong labels, q = (1 - x) p + x (1 - p), hence p = (q - x) / (1 - 2 x), held within 0 and 1.
    """
    if not 0 <= error_fraction < 0.5:
        raise Refusal(
            "error_fraction",
            expected="a share of wrong labels from 0 to below 0.5",
            got=f"{error_fraction:g}",
            advice="With half the labels wrong nothing can be learnt of the hand: the batch is racemic.",
        )
    return np.clip((p_labelled_right - error_fraction) / (1 - 2 * error_fraction), 0, 1)
