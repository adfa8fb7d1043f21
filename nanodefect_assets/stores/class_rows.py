"""Which micrograph, and which place in it, each row of a table of particle classes is about."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from nanodefect_assets.domain.label_pairs import Micrographs
from nanodefect_assets.domain.refusal import Refusal

COLUMNS = ("micrograph", "class_name", "label", "row_px", "col_px")


def match_class_rows(
    table: pd.DataFrame, path: str, shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[int, dict[str, Any] | Refusal]]:
    """Yield each row of a table with the path of its micrograph, or why it is about none.

    Parameters
    ----------
    table : DataFrame
        As `read_particle_classes` returns it.
    path : str
        Path of the table below the batch's folder: names are looked for beside it first.
    shapes : mapping of str to tuple of int
        Shape (row, col) of each micrograph of the aliquot, by path.

    Yields
    ------
    int, dict or Refusal
        Number of the row from 0, and the row; its ``micrograph`` is then a path of `shapes`.
    """
    micrographs = Micrographs(shapes)
    for index, row in enumerate(table.reindex(columns=list(COLUMNS)).to_dict("records")):
        try:
            found = micrographs.labelled_by(str(PurePosixPath(path).parent / str(row["micrograph"])))
            _check_inside(row, shapes[found])
        except Refusal as refusal:
            yield index, refusal
        else:
            yield index, {**row, "micrograph": found}


def class_doubts(names: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Say of which names of classes no use is made, since they are none of `known`; a line for each name."""
    lowered = {name.lower(): name for name in known}
    lines = []
    for name, n in Counter(names).items():
        if name in known:
            continue
        near = get_close_matches(name.lower(), lowered, n=1)
        meant = f"did you mean {lowered[near[0]]!r}? " if near else ""
        rows = "1 row" if n == 1 else f"{n} rows"
        lines.append(f"class {name!r} ({rows}) is kept and not used: {meant}known are {', '.join(known)}")
    return tuple(lines)


def _check_inside(row: Mapping[Any, Any], shape: tuple[int, ...]) -> None:
    """Refuse a place that lies outside its micrograph."""
    if len(shape) == 2 and (row["row_px"] > shape[0] or row["col_px"] > shape[1]):
        got = f"row {row['row_px']:g}, col {row['col_px']:g}"
        raise Refusal("bad_place", expected=f"a place inside an image of {shape[0]} x {shape[1]} pixels", got=got)
