"""Which format a file is of, by its first bytes; its ending must agree."""

import re
import stat
from pathlib import Path

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.mrc import HEADER_BYTES, looks_like_mrc

ENDINGS = {
    **dict.fromkeys((".tif", ".tiff", ".btf"), "tiff"),
    **dict.fromkeys((".mrc", ".mrcs", ".st", ".ali", ".rec"), "mrc"),
    ".dm3": "dm3",
    ".dm4": "dm4",
    **dict.fromkeys((".emd", ".hspy"), "hdf5"),
    ".ser": "ser",
    ".emi": "emi",
    ".png": "png",
    **dict.fromkeys((".jpg", ".jpeg"), "jpeg"),
    **dict.fromkeys((".xyz", ".extxyz", ".cif"), "text"),
}
"""Format of each ending that is known."""

_FIRST_BYTES = (
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\0\0\0\3", "dm3"),
    (b"\0\0\0\4", "dm4"),
    (b"II\x97\1", "ser"),
    (b"JK\0\2", "emi"),
)


_COORDINATES = re.compile(rb"\s*(\d+\s*\n|(#[^\n]*\n\s*)*data_)", re.IGNORECASE)
"""How text of atoms begins: xyz with how many there are, CIF with the name of a block."""


def detect_format(path: Path) -> str:
    """Return the format of a file, as named in `ENDINGS`.

    Raises
    ------
    Refusal
        If there is no such regular file, if it is empty, of no known format, or not what its ending says.
    """
    check_regular(path)
    by_ending = ENDINGS.get(path.suffix.lower())
    if by_ending is None:
        raise Refusal(
            "unknown_format",
            expected=f"a format that can be read: {', '.join(ending[1:] for ending in ENDINGS)}",
            got=f"the ending {path.suffix}" if path.suffix else "no ending",
            file=path.name,
            advice="Export the image as TIFF or MRC with its calibration.",
        )
    with path.open("rb") as file:
        first = file.read(HEADER_BYTES)
    by_content = _format_of(first)
    if by_content != by_ending:
        raise Refusal(
            "wrong_ending" if by_content else "damaged_header",
            expected=f"{by_ending.upper()}, as the ending {path.suffix} says",
            got=f"{by_content.upper()} by its first bytes" if by_content else "first bytes of no known format",
            file=path.name,
            advice=_rename(by_content, first) if by_content else "Copy the file again from the microscope.",
        )
    return by_ending


def _rename(by_content: str, first: bytes) -> str:
    if by_content == "text" and not _COORDINATES.match(first):
        return "It holds no image: leave it out, or export the image again."
    fitting = [ending for ending, name in ENDINGS.items() if name == by_content]
    return f"Let the name end in {' or '.join(fitting)}." if fitting else "Give the file its right ending."


def check_regular(path: Path) -> None:
    """Refuse what is no file with bytes in it; pipes and devices are never opened, since that may hang."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise Refusal("missing_file", expected="a file", got="nothing of this name", file=path.name) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise Refusal("not_a_file", expected="a file", got=kind, file=path.name, advice="List the files in it.")
    if status.st_size == 0:
        raise Refusal("empty_file", expected="a file with bytes", got="none", file=path.name, advice="Copy it again.")


def _format_of(raw: bytes) -> str | None:
    """Return the format that first bytes tell; ``text`` if they are text, None if they tell nothing."""
    known = next((name for first, name in _FIRST_BYTES if raw.startswith(first)), None)
    if known in ("dm3", "dm4") and looks_like_mrc(raw):
        return "mrc"
    if known is None and looks_like_mrc(raw):
        return "mrc"
    if known is None and raw and b"\0" not in raw and not any(byte < 9 for byte in raw):
        return "text"
    return known
