"""DigitalMicrograph 3 and 4; rows are stored from the top.

A file holds a list of images and a thumbnail; spectra beside the image are left aside. An axis of frames that is
calibrated in degrees is the tilt of each frame. Images are stored with columns first in the list of dimensions.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.dm_tags import Block, read_tags
from nanodefect_assets.stores.raw.grey import grey
from nanodefect_assets.stores.raw.limits import check_dimensions, check_fits, check_pixel_type, frame_bytes
from nanodefect_assets.stores.raw.opened import Opened, angle, positive, read_blocks, times
from nanodefect_assets.stores.raw.sidecars import read_sidecars
from nanodefect_assets.stores.raw.tilts import choose_tilts
from nanodefect_assets.stores.raw.units import pixel_size_nm

_TYPES = {
    1: "i2",
    2: "f4",
    3: "c8",
    5: "c8",
    6: "u1",
    7: "i4",
    9: "i1",
    10: "u2",
    11: "u4",
    12: "f8",
    13: "c16",
    14: "u1",
    27: "c8",
    28: "c16",
    39: "i8",
    40: "u8",
}
_COLOURED = (8, 23)
_DEGREES = {"deg", "°", "degree", "degrees"}
_SPECTRA = ("Spectrum image", "Spectrum")
_LARGEST_TILT_DEG = 180


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """The image of a file: its tags, and where its pixels are."""

    tags: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype
    samples: int
    block: Block

    @property
    def n_frames(self) -> int:
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def block_shape(self) -> tuple[int, ...]:
        return (*self.shape[-2:], self.samples) if self.samples > 1 else self.shape[-2:]

    def axis(self, index: int) -> dict[str, Any]:
        """Return the calibration of an axis of `shape`; empty where some plugin left it out."""
        name = str(len(self.shape) - 1 - index % len(self.shape))
        return look_up(self.tags, "ImageData", "Calibrations", "Dimension", name) or {}


@contextmanager
def open_digitalmicrograph(path: Path) -> Iterator[Opened]:
    """Open a DM3 or DM4 file; its tags are parsed, no pixel is read."""
    with path.open("rb") as file:
        tree, order = read_tags(file, path.stat().st_size)
        picture = _picture_of(_the_image(tree), order)
        blocks = partial(
            read_blocks,
            file,
            offset=picture.block.offset,
            n_frames=picture.n_frames,
            shape=picture.block_shape,
            dtype=picture.dtype,
        )
        yield Opened(facts=_facts_of(path, picture), frames=lambda: map(grey, blocks()))


def _the_image(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the tags of the one image or stack; thumbnails and spectra are left aside."""
    listed = tree.get("ImageList")
    if not isinstance(listed, dict):
        raise Refusal("not_an_image", expected="a list of images", got="none", advice="Save the image anew.")
    thumbnails = (tree.get("Thumbnails") or {}).values()
    left_out = {str(look_up(thumbnail, "ImageIndex")) for thumbnail in thumbnails}
    kept = [tags for index, tags in listed.items() if index not in left_out and isinstance(tags, dict)]
    images = [tags for tags in kept if _is_picture(tags)]
    if len(images) != 1:
        raise Refusal(
            "several_images" if images else "not_an_image",
            expected="one image or one stack",
            got=f"{len(images)} images and {len(kept) - len(images)} spectra or spectrum images",
            advice="Save the image as a file of its own.",
        )
    return images[0]


def _is_picture(tags: dict[str, Any]) -> bool:
    """Whether an entry of the list has rows and columns that are not of spectra."""
    is_spectra = look_up(tags, "ImageTags", "Meta Data", "Format") in _SPECTRA or look_up(tags, "ImageTags", "spim")
    return len(look_up(tags, "ImageData", "Dimensions") or ()) > 1 and not is_spectra


def _picture_of(tags: dict[str, Any], order: str) -> _Picture:
    """Check the image's dimensions and type against the array that holds its pixels."""
    sizes = [int(n) for n in look_up(tags, "ImageData", "Dimensions").values()]
    if len(sizes) > 3:
        raise Refusal(
            "too_many_axes",
            expected="an image (row, col) or a stack (frame, row, col)",
            got=f"axes of sizes {sizes[::-1]}: a scan of patterns",
            advice="Drop the image that was taken with it.",
        )
    kind = int(look_up(tags, "ImageData", "DataType") or 0)
    samples = 4 if kind in _COLOURED else 1
    name = "u1" if samples > 1 else _TYPES.get(kind)
    if name is None:
        raise Refusal("unknown_pixel_type", expected="pixels of a known type", got=f"DigitalMicrograph's type {kind}")
    dtype = np.dtype(order + name)
    check_dimensions(math.prod(sizes[2:]), sizes[1], sizes[0])
    check_pixel_type(dtype)
    block = _block_of(look_up(tags, "ImageData", "Data"))
    check_fits(frame_bytes((*sizes, samples), dtype), block.n_bytes)
    shape = tuple(sizes[::-1]) if sizes[2:] != [1] else (sizes[1], sizes[0])
    return _Picture(tags=tags, shape=shape, dtype=dtype, samples=samples, block=block)


def _block_of(data: Any) -> Block:
    if not isinstance(data, Block):
        raise Refusal("damaged_file", expected="an array of pixels", got="none", advice="Copy the file again.")
    return data


def _facts_of(path: Path, picture: _Picture) -> RawFacts:
    rows, cols = picture.axis(-2), picture.axis(-1)
    scales, units = [_number(axis, "Scale") for axis in (rows, cols)], [axis.get("Units", "") for axis in (rows, cols)]
    size_nm = pixel_size_nm(*scales, *units)
    own = _tilts_of_frames(picture) if len(picture.shape) == 3 else None
    tilts = choose_tilts(
        picture.n_frames, beside=read_sidecars(path).tilts, own=own, own_source="calibration of its frames"
    )
    microscope = look_up(picture.tags, "ImageTags", "Microscope Info") or {}
    stage_deg = tilts.single_deg
    if stage_deg is None and tilts.angles_deg is None:
        stage_deg = angle(look_up(microscope, "Stage Position", "Stage Alpha"))
    return RawFacts(
        format=path.suffix[1:].upper(),
        kind="tilt_series" if tilts.angles_deg else "image_stack" if len(picture.shape) == 3 else "image",
        shape=picture.shape,
        dtype=picture.dtype.newbyteorder("=").name,
        acquisition=Acquisition(
            pixel_size_nm=size_nm,
            voltage_kv=times(positive(microscope.get("Voltage")), 1e-3),
            magnification=positive(microscope.get("Indicated Magnification")),
            exposure_s=positive(look_up(picture.tags, "ImageTags", "DataBar", "Exposure Time (s)")),
            stage_tilt_deg=stage_deg,
        ),
        tilt_angles_deg=tilts.angles_deg,
        notes=tilts.notes,
    )


def _number(axis: dict[str, Any], name: str) -> float:
    """Return a number of an axis's calibration; 0, that is not known, where it has none."""
    value = axis.get(name, 0.0)
    return float(value) if isinstance(value, (int, float, np.number)) else 0.0


def _tilts_of_frames(picture: _Picture) -> tuple[float, ...] | None:
    """Return the angle of each frame if the axis of frames is one of degrees."""
    axis = picture.axis(0)
    if str(axis.get("Units", "")).strip().lower() not in _DEGREES:
        return None
    angles_deg = (np.arange(picture.n_frames) - _number(axis, "Origin")) * _number(axis, "Scale")
    return tuple(angles_deg.tolist()) if np.all(np.abs(angles_deg) <= _LARGEST_TILT_DEG) else None


def look_up(tags: Any, *names: str) -> Any:
    """Return what lies under `names`, one below the other; None if it is not there."""
    for name in names:
        tags = tags.get(name) if isinstance(tags, dict) else None
    return tags
