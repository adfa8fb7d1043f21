"""Writing and reading generations: immutable folders, of which a pointer names the one in force.

A generation is written beside the others and counts only once its record is there, which is written last; then the
pointer is replaced. A process killed anywhere leaves the old generation in force. Only single files are ever renamed.
Before the pointer is replaced every byte and every name that it leads to is on the disk: a power cut leaves the old
generation in force too, or the whole new one.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from nanodefect_assets.domain.generation import AssetName, Generation, Input, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.schemas import REFUSED
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.stores.files import digest_folder, locked, make_folder, sync_folder, sync_tree, write_atomically
from nanodefect_assets.stores.home import POINTER, RECORD, Home, follow_pointer

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter
    from nanodefect_assets.stores.rows import RowsWriter

_RECORD_KIND = "nanodefect/generation"
_RECORD_VERSION = 1
WRITING = ".writing"
"""File in a generation that its writer locks as long as it lives."""


@dataclass(frozen=True, kw_only=True)
class _RecordFile:
    kind: str
    version: int
    generation: Generation


@cache
def _record_files() -> TypeAdapter[_RecordFile]:
    return TypeAdapter(_RecordFile)


@cache
def _package_version() -> str:
    return version("nanodefect-assets")


@dataclass(frozen=True, kw_only=True)
class StoredGeneration:
    """A finished generation and the folder that holds it."""

    record: Generation
    folder: Path

    def rows(self, table: Table) -> "pd.DataFrame":
        """Return the generation's rows of `table`."""
        from nanodefect_assets.stores.rows import read_rows

        return read_rows(self.rows_path(table), table)

    def rows_path(self, table: Table) -> Path:
        """Return where the rows of `table` lie."""
        return self.folder / f"{table.name}.parquet"

    def arrays(self, kind: str) -> "ArraysReader":
        """Return the generation's arrays of one kind."""
        from nanodefect_assets.stores.arrays import ArraysReader

        return ArraysReader(self.folder / f"{kind}.zarr", kind)


def read_record(folder: Path) -> Generation:
    """Return the record of the generation in `folder`.

    Raises
    ------
    FileNotFoundError
        If the generation was never finished.
    ValueError
        If the record is of a version that this reader does not know.
    """
    found = _record_files().validate_json((folder / RECORD).read_bytes())
    if (found.kind, found.version) != (_RECORD_KIND, _RECORD_VERSION):
        raise ValueError(
            f"{folder / RECORD}: expected {_RECORD_KIND} version {_RECORD_VERSION}, got {found.kind} {found.version}."
        )
    return found.generation


def current_generation(home: Home, asset: AssetName, place: Place) -> StoredGeneration | None:
    """Return the generation in force, or None if there is none or somebody removed it."""
    folder = home.current_folder(asset, place)
    if folder is None:
        return None
    try:
        return StoredGeneration(record=read_record(folder), folder=folder)
    except FileNotFoundError:
        return None


def kept_generations(home: Home, asset: AssetName, place: Place) -> list[StoredGeneration]:
    """Return all whole generations that are kept, in force or not, newest first."""
    base = home.folder_of(asset, place)
    folders = sorted((path for path in base.iterdir() if path.is_dir()), reverse=True) if base.is_dir() else []
    found = ((_record_or_none(folder), folder) for folder in folders)
    return [StoredGeneration(record=record, folder=folder) for record, folder in found if record is not None]


def require_generation(home: Home, asset: AssetName, place: Place) -> StoredGeneration:
    """Return the generation in force.

    Raises
    ------
    Refusal
        If the asset was not made at this place.
    """
    found = current_generation(home, asset, place)
    if found is None:
        raise Refusal(
            "upstream_missing",
            expected=f"{asset} of {place.sample}",
            got="nothing made yet",
            advice=f"Materialise {asset} for this partition first.",
        )
    return found


def input_of(home: Home, generation: StoredGeneration, asset: AssetName) -> StoredGeneration:
    """Return the generation of `asset` that another was made from, which may no longer be the one in force."""
    source = next(source for source in generation.record.inputs if source.asset == asset)
    folder = home.folder_of(asset, source.place) / source.generation
    return StoredGeneration(record=read_record(folder), folder=folder)


class GenerationWriter:
    """A generation being written."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.folder = folder
        self.origin = origin
        self.n_items = 0
        self.refusals: list[tuple[str, Refusal]] = []
        self.result: Generation | None = None
        self.is_unchanged = False
        self._rows: dict[str, RowsWriter] = {}
        self._arrays: dict[str, ArraysWriter] = {}

    def add_rows(self, table: Table, rows: "pd.DataFrame | Sequence[dict[str, Any]]") -> None:
        """Append rows of `table`; call it with none to leave an empty table rather than no table."""
        import pandas as pd

        from nanodefect_assets.stores.rows import RowsWriter

        if table.name not in self._rows:
            self._rows[table.name] = RowsWriter(self.folder / f"{table.name}.parquet", table)
        if not isinstance(rows, pd.DataFrame):
            optional = {column.name: None for column in table.columns if column.is_nullable}
            rows = pd.DataFrame([optional | row for row in rows], columns=list(table.names))
        self._rows[table.name].add(rows)

    def n_rows(self, table: Table) -> int:
        """Return how many rows of `table` were added."""
        return self._rows[table.name].n_rows if table.name in self._rows else 0

    def add_array(self, kind: str, item: str, array: Any, **attributes: str | float | bool | None) -> None:
        """Write the array of one item."""
        self.arrays(kind).add(item, array, **attributes)

    def arrays(self, kind: str) -> "ArraysWriter":
        """Return the writer of the arrays of one kind; asked for, it leaves a folder even without arrays."""
        from nanodefect_assets.stores.arrays import ArraysWriter

        if kind not in self._arrays:
            self._arrays[kind] = ArraysWriter(self.folder / f"{kind}.zarr", kind)
        return self._arrays[kind]

    def refuse(self, item: str, refusal: Refusal) -> None:
        """Set one item aside with its reason."""
        self.refusals.append((item, refusal))

    @contextmanager
    def item(self, item: str) -> Iterator[None]:
        """Work on one item: if its data cannot be used it is set aside and the rest goes on.

        Only `ValueError`, which says that data are not what they should be, sets an item aside. Anything else is a
        fault of ours or of the machine, and stops the asset.
        """
        self.n_items += 1
        try:
            yield
        except Refusal as refusal:
            self.refuse(item, refusal)
        except ValueError as error:
            refusal = Refusal("unusable_data", expected="data that this step can use", got=str(error), file=item)
            self.refuse(item, refusal)

    def _close(self) -> None:
        if self.refusals:
            self.add_rows(REFUSED, [_refused_row(self.origin.asset, item, refusal) for item, refusal in self.refusals])
        for writer in self._rows.values():
            writer.close()


def _refused_row(asset: AssetName, item: str, refusal: Refusal) -> dict[str, str]:
    return {
        "asset": str(asset),
        "item": item,
        "reason": refusal.reason,
        "expected": refusal.expected,
        "got": refusal.got,
        "advice": refusal.advice,
    }


@contextmanager
def new_generation(home: Home, origin: Origin, inputs: Iterable[Input] = ()) -> Iterator[GenerationWriter]:
    """Write a generation and put it in force when the body ends without error.

    If it turns out the same as the one in force, made from the same inputs by the same code, that one stays and this
    one goes: the writer then says `is_unchanged`.
    """
    base = home.folder_of(origin.asset, origin.place)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}"
    folder = base / name
    make_folder(base)
    folder.mkdir()
    out = GenerationWriter(folder, origin)
    try:
        with locked(folder / WRITING):
            yield out
            out._close()
            _finish(base, out, tuple(inputs))
    except BaseException:
        if follow_pointer(base) != folder:  # an interrupt may come when it is in force already
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _finish(base: Path, out: GenerationWriter, inputs: tuple[Input, ...]) -> None:
    generation = Generation(
        name=out.folder.name,
        origin=out.origin,
        inputs=inputs,
        content_digest=digest_folder(out.folder),
        package_version=_package_version(),
        n_items=out.n_items,
        n_refused=len(out.refusals),
        created_at=datetime.now(UTC),
    )
    with locked(base / ".pointer.lock"):
        folder = follow_pointer(base)
        before = None if folder is None else _record_or_none(folder)
        if before is not None and generation.is_same_result_as(before):
            out.result, out.is_unchanged = before, True
            shutil.rmtree(out.folder)
            return
        sync_tree(out.folder)
        record = _RecordFile(kind=_RECORD_KIND, version=_RECORD_VERSION, generation=generation)
        write_atomically(out.folder / RECORD, _record_files().dump_json(record, indent=1))
        (out.folder / WRITING).unlink()
        sync_folder(base)
        write_atomically(base / POINTER, f"{generation.name}\n".encode())
    out.result = generation


def made_alike(home: Home, origin: Origin, inputs: Iterable[Input]) -> StoredGeneration | None:
    """Return the generation in force if the same code made it from the same inputs with the same parameters.

    For work whose outcome is not the same to the bit: what it gave the first time can be taken again.
    """
    found = current_generation(home, origin.asset, origin.place)
    return found if found is not None and found.record.is_made_alike(origin, tuple(inputs)) else None


def is_up_to_date(home: Home, asset: AssetName, place: Place) -> bool:
    """Whether an asset was made, and everything it was made from is still in force, all the way up."""
    found = current_generation(home, asset, place)
    if found is None:
        return False
    for source in found.record.inputs:
        folder = home.current_folder(source.asset, source.place)
        if folder is None or folder.name != source.generation or not is_up_to_date(home, source.asset, source.place):
            return False
    return True


def _record_or_none(folder: Path) -> Generation | None:
    """Return the record of the generation in force; None if it is gone or damaged, so that the next one mends that."""
    try:
        return read_record(folder)
    except (OSError, ValueError):
        return None
