"""How long work keeps its state, so that it can be interrupted and go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class CheckpointState:
    """All that long work needs to go on: plain arrays and a record, never a pickle.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Numbers by name.
    record : mapping of str to JSON value
        What the arrays belong to and how far the work had come. Floats come back equal to the bit, not-a-number too.
    """

    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, JsonValue]


class Checkpoint(Protocol):
    """Where the state of one piece of work is kept; a later state takes the place of an earlier one."""

    def load(self) -> CheckpointState | None:
        """Return the last state that was saved whole; None if there is none."""
        ...

    def save(self, state: CheckpointState) -> None:
        """Keep `state`; killed in the middle, the state before it stays."""
        ...
