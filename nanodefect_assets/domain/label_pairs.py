"""Which micrograph a label file is of, told by the names of the files."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from nanodefect_assets.domain.refusal import Refusal

_SUFFIX = re.compile(r"[_-](?:mask|label|labels)$", re.IGNORECASE)


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def label_stem(path: str) -> str:
    """Return the stem of a label file without a suffix such as ``_mask``: the stem of its micrograph."""
    return _SUFFIX.sub("", _stem(path))


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


class Micrographs:
    """Paths of the micrographs of one aliquot, to be found by the names of their labels.

    `refused` and `elsewhere` only tell why none is found: micrographs that were refused, and aliquots of the others.
    """

    def __init__(
        self, paths: Iterable[str], refused: Collection[str] = (), elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self._paths = set(paths)
        self._refused = refused
        self._elsewhere = elsewhere or {}
        self._by_stem: dict[str, list[str]] = {}
        for path in sorted(self._paths):
            self._by_stem.setdefault(_stem(path), []).append(path)

    def labelled_by(self, path: str, label_of: str | None = None) -> str:
        """Return the micrograph that the label file `path` is of.

        It is `label_of` where batch.yaml gives it; else the one with the same name but for the ending and a suffix such
        as ``_mask`` or ``_labels``, in the same folder if there is one, else in any folder of the aliquot.

        Raises
        ------
        Refusal
            If there is none, or more than one that fits equally well.
        """
        if label_of is not None:
            if label_of in self._paths:
                return label_of
            raise self._missing(label_of)
        stems = dict.fromkeys((_stem(path), label_stem(path)))
        found = next((self._by_stem[stem] for stem in stems if stem in self._by_stem), [])
        beside = [candidate for candidate in found if _folder(candidate) == _folder(path)] or found
        if len(beside) > 1:
            raise Refusal(
                "label_ambiguous",
                expected="one micrograph of the label's name",
                got=" and ".join(beside),
                advice="Name the micrograph in label_of.",
            )
        if not beside:
            raise self._missing(f"a micrograph named {' or '.join(stems)}", stems)
        return beside[0]

    def _missing(self, wanted: str, stems: Collection[str] = ()) -> Refusal:
        refused = next((path for path in self._refused if path == wanted or _stem(path) in stems), None)
        other = next((path for path in self._elsewhere if path == wanted or _stem(path) in stems), None)
        if refused is None and other is not None:
            return Refusal(
                "label_without_micrograph",
                expected=f"{wanted} among the accepted micrographs of the aliquot of the labels",
                got=f"{other}, which is of the aliquot {self._elsewhere[other]}",
                advice=f"Give the labels the aliquot {self._elsewhere[other]} in batch.yaml, or mend the image's.",
            )
        return Refusal(
            "label_without_micrograph",
            expected=f"{wanted} among the accepted micrographs of the aliquot",
            got="none" if refused is None else f"{refused}, which was itself refused",
            advice="Drop the micrograph with it, or name it in label_of.",
        )
