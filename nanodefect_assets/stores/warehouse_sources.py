"""Which generations the warehouse is made from, and which of them cannot be read."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nanodefect_assets.domain.generation import AssetName, Generation, Input
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import WRITTEN
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.stores.generations import StoredGeneration, read_record
from nanodefect_assets.stores.home import Home


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A generation in force that the warehouse does without.

    Attributes
    ----------
    asset, place : AssetName, Place
        What was made, for where.
    folder : Path
        Folder of the generation.
    reason : str
        Why it could not be read.
    """

    asset: AssetName
    place: Place
    folder: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a warehouse is made from.

    Attributes
    ----------
    current : tuple of StoredGeneration
        Generations in force.
    superseded : tuple of StoredGeneration
        Generations no longer in force that one in force was made from, through however many steps.
    left_out : tuple of LeftOut
        Generations in force that cannot be read.
    skipped : tuple of Place
        Places that no manifest has any more.
    """

    current: tuple[StoredGeneration, ...]
    superseded: tuple[StoredGeneration, ...]
    left_out: tuple[LeftOut, ...] = ()
    skipped: tuple[Place, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the generations read."""
        total = hashlib.sha256()
        for name, generations in (("current", self.current), ("superseded", self.superseded)):
            for stored in generations:
                reference = stored.record.as_input()
                total.update(f"{name} {reference.asset} {reference.place.sample} {reference.generation}\n".encode())
        return total.hexdigest()

    def without(self, unreadable: dict[Path, str]) -> "Sources":
        """Return the sources less the generations whose folders `unreadable` names with a reason each."""
        left_out = (
            LeftOut(
                asset=stored.record.origin.asset,
                place=stored.record.origin.place,
                folder=stored.folder,
                reason=unreadable[stored.folder],
            )
            for stored in self.current
            if stored.folder in unreadable
        )
        return replace(
            self,
            current=tuple(stored for stored in self.current if stored.folder not in unreadable),
            superseded=tuple(stored for stored in self.superseded if stored.folder not in unreadable),
            left_out=(*self.left_out, *left_out),
        )


def collect_sources(home: Home, existing: Collection[Place] | None) -> Sources:
    """Return the generations in force at the places that exist, and those that they were made from.

    Parameters
    ----------
    home : Home
        Where the generations lie.
    existing : collection of Place or None
        Samples that the accepted manifests have; None if every place is to be taken. What is of a whole batch, or of
        one growth time, is taken as long as the batch, or the time, has any sample.
    """
    current: list[StoredGeneration] = []
    left_out: list[LeftOut] = []
    skipped: set[Place] = set()
    for asset, place, folder in home.pointers():
        if existing is not None and not _exists(place, existing):
            skipped.add(place)
            continue
        try:
            current.append(_read_current(home, asset, place, folder))
        except (OSError, ValueError) as error:
            left_out.append(LeftOut(asset=asset, place=place, folder=folder, reason=_reason_of(error)))
    current.sort(key=lambda stored: (stored.record.origin.place.parts, str(stored.record.origin.asset)))
    return Sources(
        current=tuple(current),
        superseded=tuple(_superseded(home, current)),
        left_out=tuple(left_out),
        skipped=tuple(sorted(skipped, key=lambda place: place.parts)),
    )


def _exists(place: Place, existing: Collection[Place]) -> bool:
    if place.batch is not None and place.aliquot is not None:
        return place in existing
    return (place.batch, place.aliquot) == (None, None) or any(
        place.batch in (None, cell.batch) and place.aliquot in (None, cell.aliquot) for cell in existing
    )


def _read_current(home: Home, asset: AssetName, place: Place, folder: Path) -> StoredGeneration:
    """Read a generation in force, or the one that took its place since its pointer was read."""
    try:
        record = read_record(folder)
    except FileNotFoundError:
        newer = home.current_folder(asset, place)
        if newer is None or newer == folder:
            raise
        folder, record = newer, read_record(newer)
    if (record.name, record.origin.asset, record.origin.place) != (folder.name, asset, place):
        found = f"{record.origin.asset} of {record.origin.place.sample}, {record.name}"
        raise ValueError(f"the folder was moved or copied by hand: its record is of {found}")
    return StoredGeneration(record=record, folder=folder)


def _reason_of(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the pointer names a generation that is gone or was never finished; make it again"
    return " ".join(str(error).split())[:500]


def _superseded(home: Home, current: list[StoredGeneration]) -> Iterator[StoredGeneration]:
    """Yield the ancestors that are no longer in force; those that someone deleted are left out of the lineage."""
    seen = {stored.record.as_input() for stored in current}
    waiting = _inputs_of(current, seen)
    while waiting:
        found = [stored for parent in waiting if (stored := _read_ancestor(home, parent)) is not None]
        yield from found
        waiting = _inputs_of(found, seen)


def _inputs_of(generations: list[StoredGeneration], seen: set[Input]) -> list[Input]:
    """Return the inputs not seen before, in order, and mark them as seen."""
    fresh = list(
        dict.fromkeys(parent for stored in generations for parent in stored.record.inputs if parent not in seen)
    )
    seen.update(fresh)
    return fresh


def _read_ancestor(home: Home, parent: Input) -> StoredGeneration | None:
    folder = home.folder_of(parent.asset, parent.place) / parent.generation
    try:
        return StoredGeneration(record=read_record(folder), folder=folder)
    except (OSError, ValueError):
        return None


def table_files(generations: tuple[StoredGeneration, ...]) -> dict[Table, list[tuple[Path, Generation]]]:
    """Return, for every table that assets write, its files and the generations that hold them."""
    files: dict[Table, list[tuple[Path, Generation]]] = {table: [] for table in WRITTEN}
    tables = {f"{table.name}.parquet": table for table in WRITTEN}
    for stored in generations:
        for path in sorted(stored.folder.glob("*.parquet")):
            if path.name in tables:
                files[tables[path.name]].append((path, stored.record))
    return files
