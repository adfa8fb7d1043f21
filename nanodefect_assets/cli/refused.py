"""How refused files are said: each reason once, with the files that it is about."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nanodefect_assets.domain.manifest import RefusedFile
from nanodefect_assets.domain.refusal import said_of

_MOST_NAMED = 30


def describe_refused(refused: Iterable[RefusedFile], hints: Mapping[str, str] | None = None) -> Iterator[str]:
    """Return the lines that say what is refused and why, in the order of the first file of each reason.

    Parameters
    ----------
    refused : iterable of RefusedFile
        What is refused.
    hints : dict of str to str or None
        What else is known of a file, by path.
    """
    of_reason: dict[str, list[str]] = {}
    for file in refused:
        said = said_of(file.expected, file.got, file.advice)
        of_reason.setdefault(said, []).append(file.path)
    for said, paths in of_reason.items():
        if len(paths) == 1 and paths[0] not in (hints or {}):
            yield f"REFUSED {paths[0]}: {said}"
        else:
            count = "1 file" if len(paths) == 1 else f"{len(paths)} files"
            yield f"REFUSED {count}: {said}"
            yield from _named(paths, hints or {})


def _named(paths: Sequence[str], hints: Mapping[str, str]) -> Iterator[str]:
    for path in paths[:_MOST_NAMED]:
        yield f"  {path}" + (f": {hints[path]}" if path in hints else "")
    if len(paths) > _MOST_NAMED:
        yield f"  and {len(paths) - _MOST_NAMED} more"
