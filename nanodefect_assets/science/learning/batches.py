"""Batches of augmented patches: each a pure function of seed and step, so that training can go on anywhere."""

import numpy as np
import torch
from torch import Tensor

from nanodefect_assets.domain.patches import PatchSet
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.augment import augment, draw
from nanodefect_assets.science.learning.params import TrainingParams
from nanodefect_assets.science.learning.rarity import patch_repeats

_ORDERS, _STEPS = 0, 1
"""Streams of random numbers beside one another: the order of patches, and what happens to them."""


class Batches:
    """Patches in a new random order in each pass through the set, augmented."""

    def __init__(self, patches: PatchSet, params: TrainingParams, *, seed: int, device: str) -> None:
        self._patches = patches
        self._params = params
        self._seed = seed
        self._device = device
        self._deck = np.repeat(np.arange(len(patches)), patch_repeats(patches, params.rare_patch_share))

    def at(self, step: int, *, progress: float = 1.0) -> tuple[Tensor, Tensor, int]:
        """Return images (n, 1, row, col) and classes (n, row, col) of a step, and a seed for what else it draws.

        `progress` is the share of the training that is over: until `cropped_share` of it patches are cropped.
        """
        rng = np.random.default_rng([self._seed, _STEPS, step])
        chosen = self._indices(step)
        images = torch.from_numpy(self._patches.images[chosen]).to(self._device)
        classes = torch.from_numpy(self._patches.classes[chosen]).to(self._device)
        n_rows, n_cols = images.shape[1:]
        draws = draw(len(chosen), is_square=n_rows == n_cols, params=self._params, rng=rng)
        images, classes = augment(images, classes, draws, seed=_seed_from(rng))
        seed = _seed_from(rng)
        if progress < self._params.cropped_share:
            images, classes = _cropped(images, classes, rng)
        return images[:, None], classes, seed

    def _indices(self, step: int) -> np.ndarray:
        """Return the patches of a step: batches follow one another through passes that are shuffled one by one."""
        n, size = len(self._deck), self._params.n_per_batch
        first = step * size
        passes = np.arange(first // n, (first + size - 1) // n + 1)
        orders = [np.random.default_rng([self._seed, _ORDERS, int(number)]).permutation(n) for number in passes]
        start = first - int(passes[0]) * n
        return self._deck[np.concatenate(orders)[start : start + size]]


def _cropped(images: Tensor, classes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return a random window of each patch, half as wide and high."""
    n, n_rows, n_cols = images.shape
    tops = rng.integers(0, n_rows - n_rows // 2 + 1, size=n)
    lefts = rng.integers(0, n_cols - n_cols // 2 + 1, size=n)

    def cut(stack: Tensor) -> Tensor:
        corners = zip(stack, tops, lefts, strict=True)
        return torch.stack([patch[top : top + n_rows // 2, left : left + n_cols // 2] for patch, top, left in corners])

    return cut(images), cut(classes)


def _seed_from(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def check_sets(train_set: PatchSet, validation_set: PatchSet, *, n_classes: int) -> None:
    """Refuse sets that nothing can be learnt from or judged by.

    Raises
    ------
    Refusal
        If a set has no patch or lacks a class, if the two sets have different classes, or share a micrograph.
    """
    for name, patches in (("training", train_set), ("validation", validation_set)):
        _check_classes(name, patches)
        if len(patches.class_names) != n_classes:
            raise ValueError(f"Expected a network of {len(patches.class_names)} classes. Got one of {n_classes}.")
    if train_set.class_names != validation_set.class_names:
        raise Refusal(
            "different_classes",
            expected=f"a validation set of the classes {', '.join(train_set.class_names)}",
            got=", ".join(validation_set.class_names),
            advice="Make both sets from the same labels.",
        )
    if shared := sorted(_micrographs(train_set) & _micrographs(validation_set)):
        raise Refusal(
            "micrograph_on_both_sides",
            expected="training and validation on different micrographs",
            got=f"{len(shared)} on both sides",
            file=shared[0],
            advice="Split the set by micrograph, not by patch.",
        )


def _check_classes(name: str, patches: PatchSet) -> None:
    missing = [class_name for class_name, n_pixels in patches.n_pixels.items() if n_pixels == 0]
    if missing:
        raise Refusal(
            "class_missing",
            expected=f"a {name} set with labelled pixels of {', '.join(patches.class_names)}",
            got=f"{len(patches.images)} patches and not a pixel of {', '.join(missing)}",
            advice="Add micrographs with labels of that class, or leave the class out of the set.",
        )


def _micrographs(patches: PatchSet) -> set[str]:
    return {patches.micrograph_ids[index] for index in np.unique(patches.group)}
