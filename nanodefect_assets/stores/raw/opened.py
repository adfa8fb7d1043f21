"""The one shape of answer of every reader of image files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from nanodefect_assets.domain.manifest import FARTHEST_NM, Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An image file whose header has been read.

    Attributes
    ----------
    facts : RawFacts
        What the header says.
    frames : callable
        Gives the frames, each of shape (row, col), one at a time.
    turns_rows : bool
        Whether `frames` already delivers the rows the other way round than the file stores them.
    """

    facts: RawFacts
    frames: Callable[[], Iterator[np.ndarray]]
    turns_rows: bool = False


def read_blocks(
    file: BinaryIO, *, offset: int, n_frames: int, shape: tuple[int, ...], dtype: np.dtype, stride: int = 0
) -> Iterator[np.ndarray]:
    """Yield `n_frames` uncompressed arrays of `shape` that lie in `file` from `offset`, in native byte order.

    One is in memory at a time. `stride` is the distance in bytes from one to the next; 0 if they touch.
    """
    count = int(np.prod(shape, dtype=np.int64))
    step = stride or count * dtype.itemsize
    for index in range(n_frames):
        file.seek(offset + index * step)
        block = np.fromfile(file, dtype=dtype, count=count)
        if block.size != count:
            raise Refusal("truncated_file", expected=f"{count} pixels in frame {index}", got=f"{block.size}")
        yield to_native(block.reshape(shape))


def to_native(array: np.ndarray) -> np.ndarray:
    """Return `array` in the byte order of this machine."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def positive(value: Any) -> float | None:
    """Return `value` as a number if it is a finite one above zero; metadata that is not says nothing."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None


def angle(value: Any) -> float | None:
    """Return `value` as an angle if it is one within a full turn, in the unit it came in."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -360 <= number <= 360 else None


def stage_position(x: Any, y: Any, nm_per_unit: float) -> dict[str, Any]:
    """Return ``stage_x_nm`` and ``stage_y_nm`` for an `Acquisition`, if both are numbers within a metre.

    Nothing for 0 and 0, which is how programs say that they do not know.
    """
    try:
        found = {"stage_x_nm": float(x) * nm_per_unit, "stage_y_nm": float(y) * nm_per_unit}
    except (TypeError, ValueError, OverflowError):
        return {}
    is_known = any(found.values()) and all(abs(value) <= FARTHEST_NM for value in found.values())
    return found if is_known else {}


def times(value: float | None, factor: float) -> float | None:
    """Return `value` in another unit; None stays None."""
    return None if value is None else value * factor


def with_rows_from(acquisition: Acquisition, row_order: str) -> Acquisition:
    """Return `acquisition` with the file's first row at the ``top`` or the ``bottom``."""
    return acquisition.model_copy(update={"row_order": row_order})
