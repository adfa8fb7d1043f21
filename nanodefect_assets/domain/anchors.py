"""Particles whose hand an expert knows: they name the hands that mirror labels can only tell apart."""

import re
from dataclasses import dataclass
from typing import Literal, Self

Hand = Literal["right", "left"]

_ANCHOR = re.compile(
    r"(?P<path>\S.*?)(?:#(?P<label>\d+(?:\.\d+)?)|\s+(?P<row>\d+),\s*(?P<col>\d+))?\s+(?P<hand>right|left)"
)


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A particle of known hand.

    Attributes
    ----------
    path : str
        Its image, below the batch's folder; with ``@0003`` for a frame of a stack.
    label : str or None
        Its number in the image, as in the table ``sem_crops``.
    position_px : tuple of int or None
        A pixel ``(row, col)`` of it. Neither is given where the image holds one particle.
    hand : str
        ``right`` or ``left``.
    """

    path: str
    label: str | None
    position_px: tuple[int, int] | None
    hand: Hand

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Return what a line of batch.yaml such as ``8h/a.tif#3 right`` or ``8h/a.tif 120,340 left`` names.

        Raises
        ------
        ValueError
            If it is not of that form.
        """
        found = _ANCHOR.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"Expected an anchor as 'a.tif 120,340 right' (row, column) or 'a.tif#3 left'. Got {text!r}."
            )
        position = None if found["row"] is None else (int(found["row"]), int(found["col"]))
        hand: Hand = "right" if found["hand"] == "right" else "left"
        return cls(path=found["path"], label=found["label"], position_px=position, hand=hand)


def check_anchor(text: str) -> str:
    """Return `text` if it is of the form that `Anchor.of_text` reads."""
    Anchor.of_text(text)
    return text
