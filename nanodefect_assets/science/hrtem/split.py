"""Which micrographs train, which stop the training, which judge: whole micrographs, never patches."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.patches import Side
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.hrtem.patch_params import SplitParams

_THUMBNAIL_PX = 48
_ALIKE = 0.5
"""Correlation of neighbours above which they show one sample: successive slices of a volume reach 0.9, fields of
separate particles 0.1."""

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
    Of one micrograph there is only training, of two training and test; from three on every side whose share is not 0
    has one.
    """
    sides: dict[str, Side] = {}
    for stratum, found in strata.items():
        ordered = sorted(found, key=_as_people_count)
        in_blocks = params.split == "blocks" or (params.split == "auto" and look_alike(ordered, thumbnails or {}))
        rng = generator_for(params.split_seed, "split", stratum)
        sides |= _in_blocks(ordered, params, rng) if in_blocks else _at_random(ordered, params, rng)
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


def look_alike(ordered: Sequence[str], thumbnails: Mapping[str, Float[np.ndarray, "row col"]]) -> bool:
    """Whether micrographs resemble the next ones so much that they seem to be slices of one volume."""
    known = [(thumbnails[a], thumbnails[b]) for a, b in pairwise(ordered) if a in thumbnails and b in thumbnails]
    likeness = [np.mean(first * second) for first, second in known if first.shape == second.shape]
    return len(likeness) > 1 and float(np.median(likeness)) > _ALIKE


def _as_people_count(name: str) -> list[tuple[int, str]]:
    """Return a key that puts slice 9 before slice 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]


def _counts(n: int, params: SplitParams) -> dict[Side, int]:
    n_test = max(round(n * params.test_fraction), int(params.test_fraction > 0 and n > 1))
    n_validation = max(round(n * params.validation_fraction), int(params.validation_fraction > 0 and n > 2))
    return {"train": n - n_test - n_validation, "validation": n_validation, "test": n_test}


def _at_random(ordered: Sequence[str], params: SplitParams, rng: np.random.Generator) -> dict[str, Side]:
    drawn = [ordered[int(at)] for at in rng.permutation(len(ordered))]
    return dict(zip(drawn, _repeated(_counts(len(ordered), params)), strict=True))


def _in_blocks(ordered: Sequence[str], params: SplitParams, rng: np.random.Generator) -> dict[str, Side]:
    """Part in contiguous blocks, training in the middle: it can best spare the gaps to the others."""
    counts = _counts(len(ordered), params)
    first, last = ("validation", "test") if rng.random() < 0.5 else ("test", "validation")
    gap = min(params.block_gap, counts["train"] // 4)
    start, stop = counts[first], len(ordered) - counts[last]
    sides: dict[str, Side] = dict.fromkeys(ordered[:start], first)
    sides |= dict.fromkeys(ordered[start + gap * (start > 0) : stop - gap * (stop < len(ordered))], "train")
    sides |= dict.fromkeys(ordered[stop:], last)
    return sides


def _repeated(counts: Mapping[Side, int]) -> list[Side]:
    return [side for side, n in counts.items() for _ in range(n)]
