"""The border to third-party readers: whatever they raise becomes a refusal."""

import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from nanodefect_assets.domain.refusal import Refusal, shortened

T = TypeVar("T")
_LONGEST_MESSAGE = 200


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Turn any exception of a reader into a `Refusal` about `path`.

    Readers of other people raise whatever their parsers meet in a damaged file: struct errors, KeyError,
    RecursionError, MemoryError. They also warn, which is of no use to who drops a file; warnings are muted here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Refusal as refusal:
        raise (refusal if refusal.file else refusal.about(path.name)) from refusal.__cause__
    except PermissionError as error:
        raise Refusal(
            "unreadable_file",
            expected="a file that may be read",
            got="permission denied",
            file=path.name,
            advice="Change the file's permissions and drop the batch again.",
        ) from error
    except Exception as error:  # the one place where a foreign parser's exceptions end
        if isinstance(error, EOFError | struct.error) or "truncated file" in str(error):
            raise _cut_off(path) from error
        raise Refusal(
            "damaged_file",
            expected="a whole file of its format",
            got=f"{type(error).__name__}: {shortened(str(error), _LONGEST_MESSAGE)}",
            file=path.name,
            advice="Copy the file again from the microscope, or export it anew; then drop the batch again.",
        ) from error


def _cut_off(path: Path) -> Refusal:
    return Refusal(
        "truncated_file",
        expected="a whole file of its format",
        got="one that ends before its last part: it is cut off, or its header is damaged",
        file=path.name,
        advice="Copy the file again from the microscope, or export it anew; then drop the batch again.",
    )


def guarded(read: Callable[[], Iterable[T]], path: Path) -> Iterator[T]:
    """Yield what `read` gives, with every step of it inside `refusing_damage`, and nothing of the caller's."""
    with refusing_damage(path):
        iterator = iter(read())
    while True:
        with refusing_damage(path):
            try:
                frame = next(iterator)
            except StopIteration:
                return
        yield frame
