"""Names of synthesis batches and aliquots, and the places of the grid that they span."""

import re
from dataclasses import dataclass
from typing import Self

from nanodefect_assets.domain.refusal import Refusal, shortened

BATCH_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
ALIQUOT_PATTERN = re.compile(r"t(\d{7})(?:-r([2-9]|[1-9]\d))?|end")
STUDY_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ALL = "_"
"""Folder that stands for all batches or all aliquots; no key can be it."""
END = "end"
"""Aliquot of a batch from which no aliquots were drawn: the product at the end of its synthesis."""

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_TIME_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)(?:\s+r(\d{1,2}))?")
_LONGEST_SECONDS = 9_999_999


def check_batch_key(key: str) -> str:
    """Return `key` if it is a batch key, a slug of lower-case letters, digits and hyphens.

    Raises
    ------
    Refusal
        If it is not; a key becomes a folder name, so nothing else is ever accepted.
    """
    if not isinstance(key, str) or not BATCH_PATTERN.fullmatch(key):
        raise Refusal(
            "bad_batch_key",
            expected="a batch id of lower-case letters, digits and hyphens, at most 63, not starting with a hyphen",
            got=shortened(repr(key), 100),
            advice="Rename the batch, for example pd-2021-03.",
        )
    return key


def aliquot_key(time: str) -> str:
    """Return the aliquot key of a growth time such as ``8 h``, ``45 s r2``, ``end`` or a key itself.

    Keys are ``t`` and the growth time in whole seconds on seven digits, so that they sort by time;
    replicates of one time end in ``-r2``, ``-r3`` and so on.
    """
    text = time.strip()
    if ALIQUOT_PATTERN.fullmatch(text):
        return text
    match = _TIME_PATTERN.fullmatch(text)
    if match is not None:
        seconds = float(match[1]) * _SECONDS[match[2]]
        replicate = int(match[3] or 1)
        if seconds == round(seconds) and seconds <= _LONGEST_SECONDS and replicate >= 1:
            return f"t{round(seconds):07d}" + (f"-r{replicate}" if replicate > 1 else "")
    raise Refusal(
        "bad_aliquot_time",
        expected="a growth time in whole seconds such as '8 h', '45 s', '90 min r2', or 'end'",
        got=shortened(repr(time), 100),
        advice="Units are s, min, h and d; replicates of one time are r2, r3 and so on.",
    )


def growth_time_s(aliquot: str) -> int | None:
    """Return the growth time of an aliquot key in seconds; None for `END`."""
    match = ALIQUOT_PATTERN.fullmatch(aliquot)
    if match is None:
        return growth_time_s(aliquot_key(aliquot))
    return None if match[1] is None else int(match[1])


def replicate_of(aliquot: str) -> int:
    """Return the number of the replicate that an aliquot key names, from 1."""
    match = ALIQUOT_PATTERN.fullmatch(aliquot)
    return int(match[2]) if match is not None and match[2] is not None else 1


def aliquot_label(aliquot: str) -> str:
    """Return an aliquot key as a microscopist writes it: ``t0028800-r2`` is ``8 h r2``."""
    seconds = growth_time_s(aliquot)
    if seconds is None:
        return END
    unit = next((unit for unit in ("h", "min") if seconds and seconds % _SECONDS[unit] == 0), "s")
    suffix = f" r{replicate_of(aliquot)}" if replicate_of(aliquot) > 1 else ""
    return f"{seconds // _SECONDS[unit]} {unit}{suffix}"


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where in the grid of synthesis batches and aliquots something belongs.

    Attributes
    ----------
    batch : str or None
        Batch key; None for what is not of one batch.
    aliquot : str or None
        Aliquot key; None for what is not of one aliquot. A sample has both.
    study : str or None
        Cell of a study, such as an architecture; such a place is of no batch and no aliquot.
    """

    batch: str | None = None
    aliquot: str | None = None
    study: str | None = None

    def __post_init__(self) -> None:
        if self.batch is not None:
            check_batch_key(self.batch)
        if self.aliquot is not None and not ALIQUOT_PATTERN.fullmatch(self.aliquot):
            raise Refusal(
                "bad_aliquot_key",
                expected="an aliquot key such as t0028800 or end",
                got=shortened(repr(self.aliquot), 100),
            )
        if self.study is not None and not STUDY_PATTERN.fullmatch(self.study):
            raise ValueError(f"Expected the key of a study's cell such as unet_vgg16. Got {self.study[:100]!r}.")
        if self.study is not None and (self.batch, self.aliquot) != (None, None):
            raise ValueError(f"Expected a cell of a study, or a batch and aliquot. Got {self.study} and {self.batch}.")

    @classmethod
    def of_parts(cls, first: str, second: str) -> Self:
        """Return the place that two folder names stand for; see `parts`."""
        if first == ALL and second.startswith(ALL) and second != ALL:
            return cls(study=second.removeprefix(ALL))
        return cls(batch=None if first == ALL else first, aliquot=None if second == ALL else second)

    @classmethod
    def of_sample(cls, sample: str) -> Self:
        """Return the place that `sample`, written ``<batch>/<aliquot>``, names."""
        batch, _, aliquot = sample.partition("/")
        return cls(batch=batch, aliquot=aliquot)

    @property
    def parts(self) -> tuple[str, str]:
        """Folder names of this place; ``_``, which no key can be, stands for *all*, ``_unet`` for a study's cell."""
        if self.study is not None:
            return ALL, f"{ALL}{self.study}"
        return self.batch or ALL, self.aliquot or ALL

    @property
    def sample(self) -> str:
        """``<batch>/<aliquot>``, with ``_`` for what is not given."""
        return "/".join(self.parts)
