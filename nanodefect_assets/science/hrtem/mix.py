"""Parts of a training side: patches of one material, or some of all."""

from dataclasses import replace

import numpy as np

from nanodefect_assets.domain.patches import PatchSet


def of_material(patches: PatchSet, material: str) -> PatchSet:
    """Return the patches of micrographs of one material."""
    return patches.subset([group for group, source in enumerate(patches.sources) if source.material == material])


def mixed_subset(patches: PatchSet, n: int, *, rng: np.random.Generator) -> PatchSet:
    """Return `n` patches drawn from all of a set, each at most once and every material with its share.

    Parameters
    ----------
    patches : PatchSet
        With the material of each micrograph.
    n : int
        At most as many as there are.
    rng : Generator
        Draws them.
    """
    if not 0 < n <= len(patches):
        raise ValueError(f"Expected between 1 and {len(patches)} patches. Got {n}.")
    materials = np.array([str(source.material) for source in patches.sources])[patches.group]
    # in the order of the share of its material that each patch completes, every stretch has all materials
    order, shuffled = np.empty(len(patches)), rng.permutation(len(patches))
    for material in np.unique(materials):
        own = shuffled[materials[shuffled] == material]
        order[own] = (np.arange(len(own)) + rng.uniform()) / len(own)
    chosen = np.sort(np.argsort(order, kind="stable")[:n])
    return replace(
        patches,
        images=patches.images[chosen],
        classes=patches.classes[chosen],
        group=patches.group[chosen],
        pixel_size_nm=patches.pixel_size_nm[chosen],
    )
