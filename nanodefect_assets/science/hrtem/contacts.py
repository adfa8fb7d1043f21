"""Which labels touch one another, and by how much of their outlines."""

import numpy as np
from jaxtyping import Int

_Labels = Int[np.ndarray, "row col"]


def touching_labels(labels: _Labels) -> dict[int, tuple[int, float]]:
    """Return, for each label that touches another, the lowest label of its cluster and the share of its outline."""
    pairs, outlines = _contacts(labels)
    if not pairs:
        return {}
    lowest = {label: label for pair in pairs for label in pair}
    for first, second in sorted(pairs) * 2:
        low = min(_root(lowest, first), _root(lowest, second))
        lowest[_root(lowest, first)] = lowest[_root(lowest, second)] = low
    touching = dict.fromkeys(lowest, 0)
    for (first, second), n in pairs.items():
        touching[first] += n
        touching[second] += n
    return {label: (_root(lowest, label), touching[label] / outlines[label]) for label in lowest}


def _root(lowest: dict[int, int], label: int) -> int:
    while lowest[label] != label:
        label = lowest[label]
    return label


def _contacts(labels: _Labels) -> tuple[dict[tuple[int, int], int], Int[np.ndarray, " label"]]:
    """Return the pixel edges between each two labels, and all edges around each label."""
    sides = [(labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])]
    first = np.concatenate([one[one != other] for one, other in sides])
    second = np.concatenate([other[one != other] for one, other in sides])
    outlines = np.bincount(np.concatenate([first, second]), minlength=int(labels.max(initial=0)) + 1)
    is_contact = (first > 0) & (second > 0)
    low, high = np.minimum(first, second)[is_contact], np.maximum(first, second)[is_contact]
    pairs, counts = np.unique(np.stack([low, high]), axis=1, return_counts=True)
    return {(int(a), int(b)): int(n) for a, b, n in zip(*pairs, counts, strict=True)}, outlines
