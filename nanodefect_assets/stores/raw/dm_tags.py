"""The tags of a DigitalMicrograph file as rosettasciio parses them, with bounds on what a damaged file can cost.

One flipped bit in the name of the pixels' tag makes rosettasciio read them number by number into a list: 7 s and 1.5 GB
for an image of 67 MB, hours and all memory for a large stack. Its parser is given limits here; what keeps to them is
parsed by its own code.
"""

from pathlib import Path
from typing import Any

from rsciio.digitalmicrograph._api import DigitalMicrographReader

from nanodefect_assets.domain.refusal import Refusal

_LONGEST_ARRAY = 4096
_LONGEST_TEXT = 65536
_MOST_FIELDS = 1000
_MOST_TAGS = 200_000
"""Instruments write a few thousand; this many are parsed in seconds."""


def read_images(path: Path) -> list[dict[str, Any]]:
    """Return the tags of each image of a DM3 or DM4 file but of its thumbnails.

    Tags without a name are numbered ``TagGroup0``, ``Data0`` and so on. ``ImageData.Data`` tells where the pixels are:
    ``offset``, ``size_bytes`` and ``endian``.
    """
    with path.open("rb") as file:
        reader = _BoundedReader(file)
        reader.parse_file()
    images = reader.get_image_dictionaries()
    if images is None:
        raise Refusal("not_an_image", expected="a list of images", got="none", advice="Save the image anew.")
    return [image for image in images if isinstance(image, dict)]


class _BoundedReader(DigitalMicrographReader):
    """Rosettasciio's parser, that steps over long arrays and refuses counts that no instrument writes."""

    _n_tags = 0

    def parse_tag_header(self) -> dict[str, Any]:
        self._n_tags += 1
        _check_count("tags", self._n_tags, _MOST_TAGS)
        return super().parse_tag_header()

    def read_array(self, size: int, enc_eltype: int, extra: dict | None = None, skip: bool = False) -> Any:
        _check_count("numbers", size, 2**48)
        return super().read_array(size, enc_eltype, extra=extra, skip=skip or size > _LONGEST_ARRAY)

    def read_string(self, length: int, skip: bool = False) -> Any:
        _check_count("letters", length, _LONGEST_TEXT)
        return super().read_string(length, skip=skip)

    def parse_struct_definition(self) -> tuple[int, ...]:
        start = self.f.tell()
        self.read_l_or_q(self.f, "big")
        _check_count("fields", self.read_l_or_q(self.f, "big"), _MOST_FIELDS)
        self.f.seek(start)
        return super().parse_struct_definition()


def _check_count(of: str, count: int, most: int) -> None:
    if not 0 <= count <= most:
        raise Refusal(
            "damaged_file", expected=f"at most {most:,} {of}", got=f"{count:,}", advice="Copy the file again."
        )
