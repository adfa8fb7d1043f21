"""Which row of a table of positions is about which file of a batch; no path in a table is ever opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from nanodefect_assets.domain.globs import same_form
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tile_position import StatedPosition
from nanodefect_assets.stores.intake_names import SortedNames, find_sidecar
from nanodefect_assets.stores.position_table import PositionRow, read_position_table

_LONGEST_NAME = 120
_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class TablePositions:
    """What one table says of the files of a batch.

    Attributes
    ----------
    table : str
        Path of the table.
    by_path : dict of str to StatedPosition or Refusal
        Position of each file that the table names, or why it has none.
    unclaimed : dict of str to Refusal
        Rows that are about no file, by table, line and name.
    trouble : Refusal or None
        Why the table as a whole cannot be used.
    """

    table: str
    by_path: Mapping[str, StatedPosition | Refusal] = field(default_factory=dict)
    unclaimed: Mapping[str, Refusal] = field(default_factory=dict)
    trouble: Refusal | None = None

    def of(self, path: str) -> StatedPosition:
        """Return the position of a file.

        Raises
        ------
        Refusal
            If it has none.
        """
        if self.trouble is not None:
            raise self.trouble.about(self.table)
        found = self.by_path.get(path)
        if found is None:
            raise Refusal(
                "no_position",
                expected=f"a row in {self.table}",
                got="none for this file",
                advice="Add the row, or give the file an entry of its own without positions.",
            )
        if isinstance(found, Refusal):
            raise found
        return found


def read_positions(source: Path, names: SortedNames) -> dict[str, TablePositions]:
    """Return what the tables of positions say that the entries of a batch name, by the path in batch.yaml."""
    files: dict[str, list[str]] = {}
    for path, entry in names.declared.items():
        if entry.positions is not None:
            files.setdefault(entry.positions, []).append(path)
    return {table: _read(source, names, table, paths) for table, paths in files.items()}


def unclaimed_rows(positions: Mapping[str, TablePositions]) -> dict[str, Refusal]:
    """Return a refusal for every row that is about no file."""
    return {where: refusal for table in positions.values() for where, refusal in table.unclaimed.items()}


def _read(source: Path, names: SortedNames, table: str, paths: Sequence[str]) -> TablePositions:
    path = find_sidecar(source, names, table)
    if path is None:
        near = get_close_matches(table, [path for path in (*names.owner_of, *names.refusals) if path != table], n=1)
        advice = f"Did you mean {near[0]!r}?" if near else "Copy the table into the batch's folder too."
        got = "no such file, or one that is refused"
        trouble = Refusal("bad_positions", expected=f"the table {table}", got=got, advice=advice)
        return TablePositions(table=table, trouble=trouble)
    try:
        return match_rows(table, read_position_table(path), paths)
    except Refusal as refusal:
        return TablePositions(table=table, trouble=refusal.about(table))


def named_files(folder: Path, table: str, paths: Sequence[str]) -> list[str]:
    """Return the files whose position the table `table` in `folder` gives; none if it is another table."""
    try:
        found = match_rows(table, read_position_table(folder / table), paths).by_path
    except Refusal:  # Another table: whoever asks does so of each.
        return []
    return [path for path, position in found.items() if not isinstance(position, Refusal)]


def match_rows(table: str, rows: Sequence[PositionRow], paths: Sequence[str]) -> TablePositions:
    """Find for each row the file that it is about.

    A row names it as batch.yaml does, or as seen from the table's folder, or by its bare name if no other file has it.
    """
    known = _names_of(table, paths)
    by_path: dict[str, StatedPosition | Refusal] = {}
    unclaimed: list[tuple[PositionRow, Refusal]] = []
    for row in rows:
        found = known.get(_plain(row.name), ())
        if len(found) != 1:
            unclaimed.append((row, _no_file(found)))
        elif found[0] in by_path:
            by_path[found[0]] = _twice(table, row)
        else:
            by_path[found[0]] = row.position
    return TablePositions(table=table, by_path=by_path, unclaimed=_listed(table, unclaimed))


def _listed(table: str, unclaimed: Sequence[tuple[PositionRow, Refusal]]) -> dict[str, Refusal]:
    """Name the first rows one by one and count the others: a table of another map would fill the report."""
    listed = {f"{table} line {row.line}: {_shown(row.name)}": refusal for row, refusal in unclaimed[:_MOST_NAMED]}
    if len(unclaimed) > _MOST_NAMED:
        listed[f"{table}: {len(unclaimed) - _MOST_NAMED} more lines"] = unclaimed[_MOST_NAMED][1]
    return listed


def _shown(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name[:_LONGEST_NAME])


def _plain(name: str) -> str:
    return same_form(name.replace("\\", "/").removeprefix("./"))


def _names_of(table: str, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the files that each name can mean, the whole path first."""
    folder = f"{PurePosixPath(same_form(table)).parent}/".removeprefix("./")
    exact = {same_form(path): (path,) for path in paths}
    beside = {
        same_form(path).removeprefix(folder): (path,) for path in paths if folder and same_form(path).startswith(folder)
    }
    bare: dict[str, tuple[str, ...]] = {}
    for path in paths:
        name = PurePosixPath(same_form(path)).name
        bare[name] = (*bare.get(name, ()), path)
    return {**bare, **beside, **exact}


def _no_file(found: Sequence[str]) -> Refusal:
    if found:
        return Refusal(
            "position_ambiguous",
            expected="a name that only one file has",
            got=" and ".join(found[:4]),
            advice="Write the path from the batch's folder in the table, such as map1/Tile_001.tif.",
        )
    return Refusal(
        "position_without_file",
        expected="a file of the entries that name this table",
        got="none of this name",
        advice="Copy the tile too, or take the row out.",
    )


def _twice(table: str, row: PositionRow) -> Refusal:
    return Refusal(
        "position_twice",
        expected=f"one row for the file in {table}",
        got=f"a second one on line {row.line}",
        advice="Take out the row that is wrong.",
    )
