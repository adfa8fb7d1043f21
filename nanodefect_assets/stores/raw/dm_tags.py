"""The tag tree of DigitalMicrograph 3 and 4.

A parser of our own: in a file with a flipped bit, rosettasciio reads what was the pixels number by number, for hours in
a large file. Here arrays are never read but stepped over, unless they are short, and every count is checked against
the bytes that are left.

References
----------
Potapov, Description of the DM3 and DM4 file formats, https://personal.ntu.edu.sg/cbb/info/dmformat/.
"""

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.limits import check_fits

_SIMPLE = {2: "i2", 3: "i4", 4: "u2", 5: "u4", 6: "f4", 7: "f8", 8: "u1", 9: "i1", 10: "u1", 11: "i8", 12: "u8"}
_TEXT = 4
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_GROUP, _DATA = 20, 21
_DELIMITER = b"%%%%"
_LONGEST_READ = 4096
_PIXELS = ("ImageData", "Data")
_DEEPEST = 64
_MOST_TAGS = 2_000_000
_MOST_INFO = 10_000


@dataclass(frozen=True, kw_only=True)
class Block:
    """An array that was stepped over: where it is, and its size in bytes."""

    offset: int
    n_bytes: int


@dataclass(kw_only=True)
class _Cursor:
    """Where in the file the parser is, and how the file writes its numbers."""

    file: BinaryIO
    file_bytes: int
    word: struct.Struct
    is_version_4: bool
    order: str
    tags_left: int = _MOST_TAGS

    def take(self, n_bytes: int) -> bytes:
        raw = self.file.read(n_bytes)
        check_fits(n_bytes, len(raw))
        return raw

    def count(self) -> int:
        return self.word.unpack(self.take(self.word.size))[0]


def read_tags(file: BinaryIO, file_bytes: int) -> tuple[dict[str, Any], str]:
    """Return the tree of tags of a DM3 or DM4 file of `file_bytes` bytes, and the byte order of its pixels.

    Groups are dictionaries; tags without a name are numbered ``"0"``, ``"1"`` and so on. Long arrays are `Block`.
    """
    version = struct.unpack(">I", file.read(4))[0]
    word = struct.Struct(">Q" if version == 4 else ">I")
    cursor = _Cursor(file=file, file_bytes=file_bytes, word=word, is_version_4=version == 4, order=">")
    cursor.count()
    cursor.order = "<" if struct.unpack(">I", cursor.take(4))[0] else ">"
    return _read_group(cursor, "", 0), cursor.order


def _read_group(cursor: _Cursor, group: str, depth: int) -> dict[str, Any]:
    cursor.take(2)
    tree: dict[str, Any] = {}
    n_tags = cursor.count()
    cursor.tags_left -= n_tags
    if depth > _DEEPEST or cursor.tags_left < 0:
        raise _damaged("fewer tags and groups", f"{n_tags} tags at depth {depth}")
    for index in range(n_tags):
        kind, n_name = struct.unpack(">BH", cursor.take(3))
        name = cursor.take(n_name).decode("latin-1") or str(index)
        if cursor.is_version_4:
            cursor.take(8)
        if kind not in (_GROUP, _DATA):
            raise _damaged("a group or a value", f"a tag of kind {kind}")
        if kind == _GROUP:
            tree[name] = _read_group(cursor, name, depth + 1)
        else:
            tree[name] = _read_value(cursor, longest=0 if (group, name) == _PIXELS else _LONGEST_READ)
    return tree


def _read_value(cursor: _Cursor, longest: int) -> Any:
    """Read a value; arrays of more than `longest` numbers are stepped over."""
    if cursor.take(4) != _DELIMITER:
        raise _damaged("the mark of a value", "other bytes")
    n_info = cursor.count()
    if not 1 <= n_info <= _MOST_INFO:
        raise _damaged("the description of a value", f"one of {n_info} numbers")
    info = [cursor.count() for _ in range(n_info)]
    if info[0] in _SIMPLE:
        return _numbers(cursor, _SIMPLE[info[0]], 1)[0]
    if info[0] == _STRING:
        return _step_over(cursor, 2 * info[1])
    if info[0] == _STRUCT:
        return tuple(_numbers(cursor, name, 1)[0] for name in _fields(info[1:]))
    if info[0] == _ARRAY and len(info) > 2:
        return _read_array(cursor, info[1:], longest)
    raise _damaged("a known type of value", f"type {info[0]}")


def _read_array(cursor: _Cursor, info: list[int], longest: int) -> Any:
    """Read a short array of one type, or step over; an array of 16-bit numbers that is short is text."""
    if info[0] == _STRUCT:
        return _step_over(cursor, info[-1] * sum(int(name[1]) for name in _fields(info[1:-1])))
    if info[0] not in _SIMPLE:
        raise _damaged("an array of a known type", f"type {info[0]}")
    name, count = _SIMPLE[info[0]], info[-1]
    if count > longest:
        return _step_over(cursor, count * int(name[1]))
    values = _numbers(cursor, name, count)
    return values.astype("<u2").tobytes().decode("utf-16-le", errors="replace") if info[0] == _TEXT else values


def _fields(info: list[int]) -> list[str]:
    """Return the types of the fields of a struct, from the lengths and types in its description."""
    types = info[3::2]
    if len(info) < 2 or len(types) != info[1] or not all(kind in _SIMPLE for kind in types):
        raise _damaged("a struct of known types", f"{len(types)} fields of {info[1:2]}")
    return [_SIMPLE[kind] for kind in types]


def _numbers(cursor: _Cursor, name: str, count: int) -> np.ndarray:
    dtype = np.dtype(cursor.order + name)
    return np.frombuffer(cursor.take(count * dtype.itemsize), dtype=dtype)


def _step_over(cursor: _Cursor, n_bytes: int) -> Block:
    offset = cursor.file.tell()
    check_fits(n_bytes, cursor.file_bytes - offset)
    cursor.file.seek(n_bytes, 1)
    return Block(offset=offset, n_bytes=n_bytes)


def _damaged(expected: str, got: str) -> Refusal:
    return Refusal("damaged_file", expected=expected, got=got, advice="Copy the file again from the microscope.")
