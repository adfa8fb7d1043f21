"""Every arrival of a batch that was taken in, in order: ``raw/<batch>/arrivals.jsonl``, added and never edited.

A batch that came again with the same content changes nothing else; here it leaves its line.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter

from nanodefect_assets.stores.files import append_line, read_lines
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.revisions import batch_folder

ARRIVALS = "arrivals.jsonl"


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A batch that came and was taken in.

    Attributes
    ----------
    at : datetime
        When it had been taken in (UTC).
    source : str
        Folder that it came in.
    revision, fingerprint : str
        Revision in force from then on, and the fingerprint of its content.
    is_new_revision : bool
        Whether anything differed from before.
    """

    at: datetime
    source: str
    revision: str
    fingerprint: str
    is_new_revision: bool


@cache
def _lines() -> TypeAdapter[Arrived]:
    return TypeAdapter(Arrived)


def record_arrival(home: Home, batch: str, arrived: Arrived) -> None:
    """Add an arrival; only for who holds the lock of the batch's intake."""
    append_line(batch_folder(home, batch) / ARRIVALS, _lines().dump_json(arrived))


def read_arrivals(home: Home, batch: str) -> tuple[Arrived, ...]:
    """Return every arrival of a batch, in order; none if it never came."""
    return tuple(_lines().validate_json(line) for line in read_lines(batch_folder(home, batch) / ARRIVALS))
