"""How long work tells how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step of a long piece of work.

    Attributes
    ----------
    task : str
        What is being done, such as ``segmenting``.
    done, total : int
        Steps finished and steps in all.
    detail : str
        The item at hand.
    """

    task: str
    done: int
    total: int
    detail: str = ""


OnStep = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """Take a step and say nothing."""
