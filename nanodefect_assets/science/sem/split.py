"""Images to train on and images to judge by, no particle among both."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.mirror import HandedSet, mirror_label, plant_error
from nanodefect_assets.science.sem.params import MirrorLabelParams

_Images = Float[np.ndarray, "n row col"]
_Flags = Bool[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class HandedSplit:
    """Images to train on, images that choose the best epoch, and images to judge by.

    Attributes
    ----------
    train, validation : HandedSet
        Mirror-labelled, with wrong labels.
    test : HandedSet
        As many of either true hand.
    skewed : HandedSet
        With the minority of the population.
    kind : str
        ``pairs`` or ``leaking`` where an error was planted, else ``as_found``.
    """

    train: HandedSet
    validation: HandedSet
    test: HandedSet
    skewed: HandedSet
    kind: Literal["pairs", "leaking", "as_found"]


def split_labelled(images: _Images, params: MirrorLabelParams, *, rng: np.random.Generator) -> HandedSplit:
    """Return a planted-error training and validation set, and clean test sets.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        One image of each particle, all of one hand.

    Notes
    -----
    Split ``pairs`` shares out particles, so that no image is judged whose mirror was trained on. Split ``leaking``
    shares out images, as was done for the published figure: about `train_fraction` of the test images then have their
    mirror in the training set.
    """
    noisy, is_right = plant_error(images, params.error_fraction, rng=rng)
    everything, clean = mirror_label(noisy, is_right=is_right), mirror_label(images)
    n_items = len(images) if params.split == "pairs" else len(everything)
    train, validation, held_out = _share_out(n_items, params, rng)
    if params.split == "pairs":
        train, validation, held_out = (_with_mirrors(side, len(images)) for side in (train, validation, held_out))
    test = clean.take(held_out)
    return HandedSplit(
        train=everything.take(train),
        validation=everything.take(validation),
        test=test,
        skewed=test.take(skewed_indices(test, params.error_fraction)),
        kind=params.split,
    )


def split_as_found(
    images: _Images, is_right: _Flags, params: MirrorLabelParams, *, rng: np.random.Generator
) -> HandedSplit:
    """Return sets of a population of both hands, of which the labels know only the majority.

    Parameters
    ----------
    images : ndarray of shape (n, row, col)
        One image of each particle.
    is_right : ndarray of shape (n,)
        Their true hands, used for the test sets alone.
    params : MirrorLabelParams
        The shares; no error is planted in what has its own.

    Notes
    -----
    No image of the test sets is mirrored: a balanced set of mirror images would hide that the hands look different.
    """
    if params.error_fraction:
        raise ValueError(f"Expected no planted error in a population as found. Got {params.error_fraction}.")
    labelled = mirror_label(images, is_right=is_right)
    train, validation, held_out = _share_out(len(images), params, rng)
    right, left = held_out[is_right[held_out]], held_out[~is_right[held_out]]
    n_each = min(len(right), len(left))
    if n_each == 0:
        raise Refusal("empty_class", expected="test particles of both hands", got=f"{len(right)} right-handed alone")
    return HandedSplit(
        train=labelled.take(_with_mirrors(train, len(images))),
        validation=labelled.take(_with_mirrors(validation, len(images))),
        test=labelled.take(np.concatenate([right[:n_each], left[:n_each]])),
        skewed=labelled.take(held_out),
        kind="as_found",
    )


def _with_mirrors(particles: Int[np.ndarray, " m"], n: int) -> Int[np.ndarray, " twice_m"]:
    return np.concatenate([particles, particles + n])


def _share_out(n: int, params: MirrorLabelParams, rng: np.random.Generator) -> list[Int[np.ndarray, " m"]]:
    ends = np.round(np.cumsum([params.train_fraction, params.validation_fraction]) * n).astype(int)
    sides = np.split(rng.permutation(n), ends)
    if min(map(len, sides)) == 0:
        raise Refusal(
            "too_few_particles",
            expected="at least one particle each to train, validate and test",
            got=f"{n} in all",
        )
    return sides


def skewed_indices(test: HandedSet, left_fraction: float) -> Int[np.ndarray, " m"]:
    """Return which images make up a population with the share `left_fraction` of left-handed particles.

    One image of each particle of `test` where both are there, the left-handed one for the first of them.
    """
    numbers = np.unique(test.pair)
    wants_left = np.isin(test.pair, numbers[: round(left_fraction * len(numbers))])
    return np.flatnonzero(test.is_right != wants_left)
