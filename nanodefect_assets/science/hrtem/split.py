"""Which micrographs train, which stop the training, which judge: whole micrographs, never patches."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class Split:
    """Where micrographs stand.

    Attributes
    ----------
    sides : dict of str to str
        Side of each micrograph; those left out between two blocks have none.
    units : dict of str to str
        Independent unit that each micrograph belongs to, by the name of its first file, or of its first frame where one
        file was parted in blocks. A unit is on one side as a whole, and is one item where scores have intervals.
    """

    sides: dict[str, Side]
    units: dict[str, str]


def split_micrographs(
    strata: Mapping[str, Sequence[str]],
    params: SplitParams,
    *,
    thumbnails: Mapping[str, Float[np.ndarray, "row col"]] | None = None,
) -> Split:
    """Part micrographs by independent units.

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
    The frames of a file are one unit: they may show one place, however little noise lets them look alike. A stratum
    that is one file is parted in blocks of frames, and these are its units; frames further apart than ``block_gap`` are
    taken to resemble one another no more than any two. ``auto`` makes one unit of files that look alike; where that
    links most of a stratum it is a volume, and is parted in blocks of whole files. Of one unit there is only training,
    of two training and test; of three or more every side whose share is not 0 has one.
    """
    images = thumbnails or {}
    sides: dict[str, Side] = {}
    units: dict[str, str] = {}
    for stratum, found in strata.items():
        ordered = sorted(found, key=_as_people_count)
        rng = generator_for(params.split_seed, "split", stratum)
        parts, in_blocks = _units(ordered, params, images)
        sides |= _in_blocks(parts, params, rng) if in_blocks else _at_random(parts, params, rng)
        units |= _named(parts)
    return Split(sides=sides, units=units)


def _units(
    ordered: list[str], params: SplitParams, images: Mapping[str, Float[np.ndarray, "row col"]]
) -> tuple[list[list[str]], bool]:
    """Return the independent units of a stratum, and whether it is parted in blocks of them."""
    by_file: dict[str, list[str]] = {}
    for name in ordered:
        by_file.setdefault(file_of(name), []).append(name)
    files = list(by_file.values())
    if len(files) == 1 and len(ordered) > _FEW:
        n_frames = max(1, min(params.block_gap + 1, len(ordered) // 3))
        blocks = [ordered[start : start + n_frames] for start in range(0, len(ordered), n_frames)]
        return blocks, params.split != "random"
    if params.split != "auto" or any(name not in images for name in ordered):
        return files, params.split == "blocks"
    groups = _joined_by_file(group_alike(ordered, images))
    most = max(len(set(map(file_of, group))) for group in groups)
    is_volume = len(files) > _FEW and (len(groups) <= _FEW or most > len(files) / 2)
    return (files, True) if is_volume else (groups, False)


def _named(units: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the name of each micrograph's unit: the first file, or the first frame of a part of one file."""
    n_units = Counter(file for unit in units for file in set(map(file_of, unit)))
    named = {}
    for unit in units:
        first = min(unit, key=_as_people_count)
        named |= dict.fromkeys(unit, file_of(first) if n_units[file_of(first)] == 1 else first)
    return named


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


def _counts(n: int, n_units: int, params: SplitParams) -> dict[Side, int]:
    n_test = max(round(n * params.test_fraction), int(params.test_fraction > 0)) if n_units > 1 else 0
    n_validation = max(round(n * params.validation_fraction), int(params.validation_fraction > 0))
    n_validation = n_validation if n_units > 2 else 0
    return {"train": n - n_test - n_validation, "validation": n_validation, "test": n_test}


def _at_random(units: Sequence[Sequence[str]], params: SplitParams, rng: np.random.Generator) -> dict[str, Side]:
    """Deal whole units out, the largest first, each to the side that lacks most; no side with a share stays empty."""
    wanted = _counts(sum(map(len, units)), len(units), params)
    needed: list[Side] = [side for side, n in wanted.items() if n or side == "train"]
    dealt: dict[Side, list[Sequence[str]]] = {side: [] for side in wanted}
    drawn = [units[int(at)] for at in rng.permutation(len(units))]
    for unit in sorted(drawn, key=len, reverse=True):
        side = max(wanted, key=lambda side: wanted[side])
        wanted[side] -= len(unit)
        dealt[side].append(unit)
    for side in needed:
        if not dealt[side]:
            donor = min((other for other in dealt.values() if len(other) > 1), key=lambda other: len(other[-1]))
            dealt[side].append(donor.pop())
    return {name: side for side, own in dealt.items() for unit in own for name in unit}


def _in_blocks(units: Sequence[Sequence[str]], params: SplitParams, rng: np.random.Generator) -> dict[str, Side]:
    """Part in contiguous blocks of whole units, training in the middle: it can best spare the gaps to the others."""
    sizes = [len(unit) for unit in units]
    counts = _counts(sum(sizes), len(units), params)
    ends: tuple[Side, Side] = ("validation", "test")
    first, last = ends if rng.random() < 0.5 else ends[::-1]
    start = _nearest(sizes, counts[first], len(units) - 1 - (counts[last] > 0))
    stop = len(units) - _nearest(sizes[::-1], counts[last], len(units) - 1 - start)
    middle = [name for unit in units[start:stop] for name in unit]
    gap = min(params.block_gap, len(middle) // 4)
    sides: dict[str, Side] = {name: first for unit in units[:start] for name in unit}
    sides |= {name: "train" for name in middle[gap * (start > 0) : len(middle) - gap * (stop < len(units))]}
    sides |= {name: last for unit in units[stop:] for name in unit}
    return sides


def _nearest(sizes: Sequence[int], wanted: int, at_most: int) -> int:
    """Return how many units from the beginning come nearest to `wanted` micrographs: one at least, if any is wanted."""
    if not wanted:
        return 0
    return 1 + int(np.abs(np.cumsum(sizes[:at_most]) - wanted).argmin())
