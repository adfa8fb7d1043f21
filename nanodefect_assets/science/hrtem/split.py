"""Which micrographs train, which stop the training, which judge: whole micrographs, never patches."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nanodefect_assets.domain.micrograph import file_of
from nanodefect_assets.domain.patches import Side
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.hrtem.patch_params import SplitParams

_THUMBNAIL_PX = 48
_FEW = 2
_ALIKE = 0.8
"""Correlation of small images above which two micrographs show the same place. Of a published set of 45 slices of a few
volumes, given in mixed order, 39 have such a twin."""

_DIGITS = re.compile(r"(\d+)")


def split_micrographs(
    strata: Mapping[str, Sequence[str]],
    params: SplitParams,
    *,
    thumbnails: Mapping[str, Float[np.ndarray, "row col"]] | None = None,
) -> dict[str, Side]:
    """Return the side of each micrograph; those left out between two blocks have none.

    Parameters
    ----------
    strata : mapping of str to sequence of str
        Micrographs by what must be on every side, such as a sample. A stratum's parting does not depend on others.
    params : SplitParams
        Shares, seed, and how to part.
    thumbnails : mapping of str to ndarray, or None
        Small images by micrograph, for ``auto``; a stratum without them is parted at random.

    Notes
    -----
    ``auto`` keeps micrographs that look alike on one side, and so frames of one file, which may show one place however
    little noise lets them look alike; where that links most of a stratum it is a volume, and is parted in blocks. Of
    one micrograph there is only training, of two training and test; of three unlike ones or more every side whose share
    is not 0 has one.
    """
    images = thumbnails or {}
    sides: dict[str, Side] = {}
    for stratum, found in strata.items():
        ordered = sorted(found, key=_as_people_count)
        rng = generator_for(params.split_seed, "split", stratum)
        is_seen = params.split == "auto" and all(name in images for name in ordered)
        groups = _joined_by_file(group_alike(ordered, images)) if is_seen else [[name] for name in ordered]
        is_volume = len(ordered) > _FEW and (len(groups) <= _FEW or max(map(len, groups)) > len(ordered) / 2)
        in_blocks = params.split == "blocks" or is_volume
        sides |= _in_blocks(ordered, params, rng) if in_blocks else _at_random(groups, params, rng)
    return sides


def thumbnail(counts: Float[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    """Return a small image of mean 0 and standard deviation 1, to see whether two micrographs match."""
    rows, cols = (np.linspace(0, edge, min(edge, _THUMBNAIL_PX), endpoint=False).astype(int) for edge in counts.shape)
    sums = np.add.reduceat(np.add.reduceat(counts.astype(np.float64), rows, axis=0), cols, axis=1)
    heights, widths = np.diff(rows, append=counts.shape[0]), np.diff(cols, append=counts.shape[1])
    small = sums / (heights[:, None] * widths)
    small -= small.mean()
    spread = small.std()
    return small / spread if spread > 0 else small


def group_alike(names: Sequence[str], thumbnails: Mapping[str, Float[np.ndarray, "row col"]]) -> list[list[str]]:
    """Return micrographs in groups: those that look alike, or are linked by others that do, are together."""
    shapes = {thumbnails[name].shape for name in names}
    groups = []
    for shape in sorted(shapes):
        same = [name for name in names if thumbnails[name].shape == shape]
        flat = np.array([thumbnails[name].ravel() for name in same], dtype=np.float32)
        n_groups, group_of = connected_components(flat @ flat.T / flat.shape[1] > _ALIKE, directed=False)
        groups += [[name for name, at in zip(same, group_of, strict=True) if at == group] for group in range(n_groups)]
    return groups


def _joined_by_file(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the groups, those with frames of one file as one."""
    number_of = {name: number for number, group in enumerate(groups) for name in group}
    first: dict[str, int] = {}
    pairs = [(number, first.setdefault(file_of(name), number)) for name, number in number_of.items()]
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    linked = coo_array((np.ones(len(pairs)), ends), shape=(len(groups), len(groups)))
    joined: dict[int, list[str]] = {}
    for group, whole in zip(groups, connected_components(linked, directed=False)[1].tolist(), strict=True):
        joined.setdefault(whole, []).extend(group)
    return list(joined.values())


def _as_people_count(name: str) -> list[tuple[int, str]]:
    """Return a key that puts slice 9 before slice 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]


def _counts(n: int, params: SplitParams) -> dict[Side, int]:
    n_test = max(round(n * params.test_fraction), int(params.test_fraction > 0 and n > 1))
    n_validation = max(round(n * params.validation_fraction), int(params.validation_fraction > 0 and n > 2))
    return {"train": n - n_test - n_validation, "validation": n_validation, "test": n_test}


def _at_random(groups: Sequence[Sequence[str]], params: SplitParams, rng: np.random.Generator) -> dict[str, Side]:
    """Deal whole groups out, the largest first, each to the side that lacks most."""
    wanted = _counts(sum(map(len, groups)), params)
    sides: dict[str, Side] = {}
    drawn = [groups[int(at)] for at in rng.permutation(len(groups))]
    for group in sorted(drawn, key=len, reverse=True):
        side = max(wanted, key=lambda side: wanted[side])
        wanted[side] -= len(group)
        sides |= dict.fromkeys(group, side)
    return sides


def _in_blocks(ordered: list[str], params: SplitParams, rng: np.random.Generator) -> dict[str, Side]:
    """Part in contiguous blocks, training in the middle: it can best spare the gaps to the others."""
    counts = _counts(len(ordered), params)
    ends: tuple[Side, Side] = ("validation", "test")
    first, last = ends if rng.random() < 0.5 else ends[::-1]
    gap = min(params.block_gap, counts["train"] // 4)
    start, stop = counts[first], len(ordered) - counts[last]
    middle = range(start + gap * (start > 0), stop - gap * (stop < len(ordered)))
    sides: dict[str, Side] = {name: first for name in ordered[:start]}
    sides |= {ordered[at]: "train" for at in middle}
    sides |= {name: last for name in ordered[stop:]}
    return sides
