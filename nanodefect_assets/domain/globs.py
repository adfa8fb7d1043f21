"""Paths and patterns as batch.yaml names them: below the batch's folder, with forward slashes."""

import unicodedata
from fnmatch import fnmatchcase

from nanodefect_assets.domain.refusal import Refusal, shortened

LONGEST_PATH = 1024
"""Characters of a path below the batch's folder."""


def check_relative(path: str) -> str:
    """Return `path`, without a leading ``./``, if it can only lead below the batch's folder.

    Raises
    ------
    Refusal
        If it is absolute, climbs with ``..``, has backslashes or unprintable characters, or is empty or absurdly long.
    """
    cleaned = path.removeprefix("./")
    parts = cleaned.split("/")
    is_safe = not cleaned.startswith("/") and cleaned[1:2] != ":" and not {"", ".", ".."} & set(parts)
    if not is_safe or "\\" in cleaned or not cleaned.isprintable() or len(cleaned) > LONGEST_PATH:
        raise Refusal(
            "unsafe_path",
            expected="a path below the batch's folder, with forward slashes and without '..'",
            got=shortened(repr(path), 120),
            advice="Write it as seen from the folder that holds batch.yaml, for example 8h/*.tif.",
        )
    return cleaned


def is_relative(path: str) -> bool:
    """Whether batch.yaml could name a file `path` as it stands."""
    try:
        return check_relative(path) == path
    except Refusal:
        return False


def is_pattern(path: str) -> bool:
    """Whether `path` has wildcards."""
    return any(sign in path for sign in "*?[")


def same_form(path: str) -> str:
    """Return `path` in the one Unicode form in which names are compared; file systems of Apple use another."""
    return unicodedata.normalize("NFC", path)


def matches(pattern: str, path: str) -> bool:
    """Whether `path` fits `pattern`: ``*`` and ``?`` within one folder, ``**`` for any number of folders.

    Notes
    -----
    Folders are matched one by one and the positions reached are kept as a set, so that no pattern takes more than
    parts of the pattern times parts of the path comparisons.
    """
    pattern_parts, path_parts = same_form(pattern).split("/"), same_form(path).split("/")
    reached = {0}
    for part in pattern_parts:
        if part == "**":
            reached = set(range(min(reached), len(path_parts)))
        else:
            reached = {at + 1 for at in reached if at < len(path_parts) and fnmatchcase(path_parts[at], part)}
        if not reached:
            return False
    return len(path_parts) in reached or pattern_parts[-1] == "**"
