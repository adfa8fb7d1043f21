"""Sequences of close-packed layers: which layer is fcc or hcp, and which defect it belongs to."""

import itertools
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from nanodefect_assets.domain.structure import NO_GRAIN

_SEQUENCE = re.compile(r"[ABC]{3,}")
_STEP = {"AB": 1, "BC": 1, "CA": 1, "BA": -1, "CB": -1, "AC": -1}
_DEFECTS = {
    "f": (re.compile(r"h(?:f?h)*"), {"h": "twin", "hh": "intrinsic", "hfh": "extrinsic"}, "hcp"),
    "h": (re.compile(r"f(?:h?f)*"), {"f": "intrinsic", "ff": "intrinsic", "fff": "extrinsic"}, "fcc"),
}
"""For an fcc and an hcp host: layers of the other kind with no more than one of the host between them; their names."""

_FAULTS = ("intrinsic", "extrinsic")
_BOUNDARIES = ("twin", *_FAULTS)


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What each layer of a stack is.

    Attributes
    ----------
    kind, defect : ndarray of shape (layer,)
        As in `Structure`: fcc or hcp; and the defect it belongs to.
    grain : ndarray of shape (layer,)
        Number of the grain along the stack; `NO_GRAIN` in a defect. Sides of a stacking fault are one grain, sides of a
        twin plane two; a block of hcp layers is a grain of its own.
    sense : ndarray of shape (grain,)
        +1 where the grain stacks A, B, C, -1 where it stacks C, B, A.
    """

    kind: Shaped[np.ndarray, " layer"]
    defect: Shaped[np.ndarray, " layer"]
    grain: Int[np.ndarray, " layer"]
    sense: Int[np.ndarray, " grain"]


def stacking_steps(sequence: str) -> Int[np.ndarray, " step"]:
    """Return +1 for each step A to B to C to A between layers and -1 for the opposite.

    Raises
    ------
    ValueError
        If `sequence` is no string of A, B and C without two equal letters in a row.
    """
    pairs = [sequence[at : at + 2] for at in range(len(sequence) - 1)]
    if not _SEQUENCE.fullmatch(sequence) or not all(pair in _STEP for pair in pairs):
        raise ValueError(f"Expected three or more layers A, B, C, never two alike in a row. Got {sequence!r}.")
    return np.array([_STEP[pair] for pair in pairs])


def layer_letters(sequence: str) -> str:
    """Return ``f`` for each fcc and ``h`` for each hcp layer; the outermost layers count as most inner ones do."""
    steps = stacking_steps(sequence)
    inner = "".join("f" if below == above else "h" for below, above in itertools.pairwise(steps))
    return host_letter(inner) + inner + host_letter(inner)


def host_letter(letters: str) -> str:
    """Return what most layers are: ``f``, or ``h`` if more than half of them are hcp."""
    return "h" if 2 * letters.count("h") > len(letters) else "f"


def name_defects(letters: str, host: str = "f") -> list[tuple[int, int, str]]:
    """Return first layer, layer after the last, and name of each defect in a row of ``f`` and ``h``.

    Notes
    -----
    In an fcc host (`host` ``f``) one hcp layer alone is a twin plane, two side by side are an intrinsic stacking fault,
    two with one fcc layer between them an extrinsic one. Longer blocks are hcp where all layers are, and random
    hexagonal (rhcp) where they mix. In an hcp host one fcc layer (the growth fault I1) or two (I2) are an intrinsic
    fault, three an extrinsic one, more an fcc block.
    """
    pattern, names, block = _DEFECTS[host]
    found = []
    for match in pattern.finditer(letters):
        word = match[0]
        mixed = "rhcp" if "f" in word and "h" in word else block
        found.append((match.start(), match.end(), names.get(word, mixed)))
    return found


def label_layers(sequence: str) -> Layers:
    """Label every layer of a stack such as ``ABCABACBA``."""
    letters, steps = layer_letters(sequence), stacking_steps(sequence)
    host = host_letter(letters)
    defect = np.full(len(letters), "none", dtype="<U9")
    for start, stop, name in name_defects(letters, host):
        defect[start:stop] = name
    sense = np.ones(len(letters), dtype=int) if host == "h" else np.append(steps, steps[-1])
    grain, sense_of_grain = _number_grains(defect, sense)
    kind = np.where(np.array(list(letters)) == "h", "hcp", "fcc")
    return Layers(kind=kind, defect=defect, grain=grain, sense=sense_of_grain)


def _number_grains(
    defect: Shaped[np.ndarray, " layer"], sense_above: Int[np.ndarray, " layer"]
) -> tuple[Int[np.ndarray, " layer"], Int[np.ndarray, " grain"]]:
    grain = np.full(len(defect), NO_GRAIN)
    senses: list[int] = []
    before = "start"
    for at, name in enumerate(defect.tolist()):
        if name not in _BOUNDARIES:
            same_block = name == before or (before in _FAULTS and name == "none" and senses[-1:] == [sense_above[at]])
            if not same_block:
                senses.append(int(sense_above[at]))
            grain[at] = len(senses) - 1
        before = name
    return grain, np.array(senses)
