"""Tables of the stage positions of tiles, as people and programs export them.

One row a tile: its file, x and y, with the unit in the names of the columns (``x_um``, ``Stage X (mm)``). Comma,
semicolon or tab between columns; decimal commas are read where the comma does not part columns. Whatever can be read in
two ways is refused.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nanodefect_assets.domain.manifest import FARTHEST_NM
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.domain.tile_position import StatedPosition
from nanodefect_assets.stores.raw.units import nm_per

_LARGEST_BYTES = 16 * 2**20
_MOST_ROWS = 100_000
_DELIMITERS = "\t;,"
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,3}))?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_FILE_WORDS = {"file", "filename", "name", "tile", "image", "path", "tilename", "imagename", "filepath"}
_FILLERS = {"stage", "pos", "position", "tile", "image", "centre", "center", "coordinate", "abs", "absolute"}
_GLUED = re.compile(r"^(?:stage|pos|position|centre|center)(?=[xy]$)")
_ADVICE = "The table needs the columns file, x_um and y_um, or with another unit: nm, mm, m."


@dataclass(frozen=True, kw_only=True)
class PositionRow:
    """A row: the line it stands on, the file it names, and its position or why it has none."""

    line: int
    name: str
    position: StatedPosition | Refusal


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Where the file, x and y are in a row, and how many nanometres a unit of x and of y has."""

    name: int
    at: tuple[int, int]
    nm_per_unit: tuple[float, float]
    n_columns: int


def read_position_table(path: Path) -> list[PositionRow]:
    """Return the rows of a table of positions; a row that is wrong says why and leaves the others alone.

    Raises
    ------
    Refusal
        If it is no such table: not text, no column of files, no x or y, no unit, two columns of one kind.
    """
    lines = _text_of(path).splitlines()
    start = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        raise _no_table("a header", "an empty file")
    delimiter = next((sign for sign in _DELIMITERS if sign in lines[start]), ",")
    rows = [(start + 1 + line, row) for line, row in _split(lines[start:], delimiter) if any(row)]
    if len(rows) > _MOST_ROWS:
        raise _no_table(f"at most {_MOST_ROWS:,} rows", f"{len(rows):,}")
    if not rows:
        raise _no_table("a header", "nothing but separators")
    columns = _columns_of(rows[0][1])
    has_commas = delimiter != "," and _has_decimal_commas([row for _, row in rows[1:]], columns)
    return [_row(line, row, columns, has_commas) for line, row in rows[1:]]


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise _no_table("a file that can be read", error.strerror or "an error of the file system") from error
    if len(content) > _LARGEST_BYTES:
        raise _no_table(f"at most {_LARGEST_BYTES:,} bytes", "more")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_table("text in UTF-8", f"the byte 0x{content[error.start]:02x}; save it as UTF-8") from error
    if "\0" in text:
        raise _no_table("text in UTF-8", "zero bytes; save it as UTF-8")
    return text


def _split(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row and not row[0].startswith("#"):
                yield reader.line_num - 1, [cell.strip() for cell in row]
    except csv.Error as error:
        raise _no_table("a table", f"{error} on line {reader.line_num}") from error


def _columns_of(header: list[str]) -> _Columns:
    names = [at for at, title in enumerate(header) if "".join(_words(title)) in _FILE_WORDS]
    if len(names) != 1:
        raise _no_table("one column of the files, such as file", _shown([header[at] for at in names] or header))
    axes = {axis: [(at, unit) for at, title in enumerate(header) if (unit := _unit_of(title, axis))] for axis in "xy"}
    for axis, found in axes.items():
        if len(found) != 1:
            shown = _shown([header[at] for at, _ in found] or header)
            raise _no_table(f"one column of {axis}, such as {axis}_um", shown)
    (x_at, x_unit), (y_at, y_unit) = axes["x"][0], axes["y"][0]
    units = (_nm_per(x_unit, header[x_at]), _nm_per(y_unit, header[y_at]))
    return _Columns(name=names[0], at=(x_at, y_at), nm_per_unit=units, n_columns=len(header))


def _words(title: str) -> list[str]:
    return re.findall(r"[^\W_]+", title.lower())


def _unit_of(title: str, axis: str) -> str | None:
    """Return the unit in the title of a column of `axis`, ``?`` if it has none; None if it is another column."""
    words = [_GLUED.sub("", word) for word in _words(title) if word not in _FILLERS]
    if not words or words[0] != axis or len(words) > 2:
        return None
    return words[1] if len(words) == 2 else "?"


def _nm_per(unit: str, title: str) -> float:
    factor = None if unit == "?" else nm_per(unit)
    if factor is None:
        raise _no_table("a unit of length in the title of the column, such as x_um", shortened(repr(title), 60))
    return factor


def _has_decimal_commas(rows: Iterable[list[str]], columns: _Columns) -> bool:
    """Whether numbers have decimal commas: some have a comma, none has a point, and not all may be thousands."""
    cells = [row[at] for row in rows for at in columns.at if at < len(row)]
    with_comma = [cell for cell in cells if "," in cell]
    if not with_comma or any("." in cell for cell in cells):
        return False
    if all(_THOUSANDS.fullmatch(cell) for cell in with_comma):
        raise _no_table(
            "numbers that can be read in one way only, with a decimal point", shortened(repr(with_comma[0]), 60)
        )
    return True


def _row(line: int, row: list[str], columns: _Columns, has_commas: bool) -> PositionRow:
    name = row[columns.name] if columns.name < len(row) else ""
    try:
        position = _position(line, row, columns, has_commas)
    except Refusal as refusal:
        position = refusal
    return PositionRow(line=line, name=name, position=position)


def _position(line: int, row: list[str], columns: _Columns, has_commas: bool) -> StatedPosition:
    if len(row) != columns.n_columns:
        got = f"{len(row)} cells on line {line}"
        raise Refusal(
            "bad_position",
            expected=f"{columns.n_columns} cells, as in the header",
            got=got,
            advice="Where numbers have decimal commas, part the columns with semicolons or tabs.",
        )
    cells = [row[at].replace(",", ".") if has_commas else row[at] for at in columns.at]
    (x_nm, x_half), (y_nm, y_half) = (
        _number(cell, factor, line) for cell, factor in zip(cells, columns.nm_per_unit, strict=True)
    )
    return StatedPosition(x_nm=x_nm, y_nm=y_nm, rounding_nm=max(x_half, y_half))


def _number(cell: str, nm_per_unit: float, line: int) -> tuple[float, float]:
    """Return a coordinate in nm and half a unit of its last digit."""
    match = _NUMBER.fullmatch(cell)
    value_nm = float(cell) * nm_per_unit if match else float("nan")
    if match is None or not abs(value_nm) <= FARTHEST_NM:
        raise Refusal(
            "bad_position",
            expected="a position of at most a metre, in plain digits",
            got=f"{cell[:40]!r} on line {line}",
            advice="Mend the row, or leave the tile out of the batch.",
        )
    n_digits = len(match[1] or match[2] or "")
    return value_nm, min(0.5 * 10.0 ** (int(match[3] or 0) - n_digits) * nm_per_unit, FARTHEST_NM)


def _shown(titles: Iterable[str]) -> str:
    return ", ".join(title[:40] for title in list(titles)[:8]) or "none"


def _no_table(expected: str, got: str) -> Refusal:
    return Refusal(
        "bad_positions", expected=f"{expected}, in the table of positions", got=shortened(got, 200), advice=_ADVICE
    )
