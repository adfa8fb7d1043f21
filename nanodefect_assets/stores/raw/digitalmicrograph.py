"""DigitalMicrograph 3 and 4; rows are stored from the top.

Rosettasciio parses the tags and tells shape, type, scales and units. The pixels are read here, one frame at a time,
from the place that it found: its own arrays take the pixels of big-endian files for little-endian. A file holds a list
of images and a thumbnail; spectra beside the image are left aside. An axis of frames that is calibrated in degrees is
the tilt of each frame.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rsciio.digitalmicrograph._api import ImageObject

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.dm_tags import read_images
from nanodefect_assets.stores.raw.grey import grey
from nanodefect_assets.stores.raw.limits import check_dimensions, check_fits, check_pixel_type, frame_bytes
from nanodefect_assets.stores.raw.opened import Opened, angle, positive, read_blocks, stage_position, times
from nanodefect_assets.stores.raw.sidecars import read_sidecars
from nanodefect_assets.stores.raw.tilts import choose_tilts
from nanodefect_assets.stores.raw.units import pixel_size_nm

_PACKED_COMPLEX = 5
_DEGREES = {"deg", "°", "degree", "degrees"}
_SPECTRA = ("Spectrum image", "Spectrum")
_LARGEST_TILT_DEG = 180


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """The image of a file: its tags, its axes from the outermost, and where its pixels are."""

    tags: dict[str, Any]
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    units: tuple[str, ...]
    offsets: tuple[float, ...]
    dtype: np.dtype
    samples: int
    place: int

    @property
    def n_frames(self) -> int:
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def block_shape(self) -> tuple[int, ...]:
        return (*self.shape[-2:], self.samples) if self.samples > 1 else self.shape[-2:]


@contextmanager
def open_digitalmicrograph(path: Path) -> Iterator[Opened]:
    """Open a DM3 or DM4 file; its tags are parsed, no pixel is read."""
    picture = _picture_of(_the_image(read_images(path)), path.stat().st_size)
    with path.open("rb") as file:
        blocks = partial(
            read_blocks,
            file,
            offset=picture.place,
            n_frames=picture.n_frames,
            shape=picture.block_shape,
            dtype=picture.dtype,
        )
        yield Opened(facts=_facts_of(path, picture), frames=lambda: map(grey, blocks()))


def _the_image(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the tags of the one image or stack; spectra are left aside."""
    images = [tags for tags in listed if _is_picture(tags)]
    if len(images) != 1:
        raise Refusal(
            "several_images" if images else "not_an_image",
            expected="one image or one stack",
            got=f"{len(images)} images and {len(listed) - len(images)} spectra or spectrum images",
            advice="Save the image as a file of its own.",
        )
    return images[0]


def _is_picture(tags: dict[str, Any]) -> bool:
    """Whether an entry of the list has rows and columns that are not of spectra."""
    is_spectra = look_up(tags, "ImageTags", "Meta Data", "Format") in _SPECTRA or look_up(tags, "ImageTags", "spim")
    return len(look_up(tags, "ImageData", "Dimensions") or ()) > 1 and not is_spectra


def _picture_of(tags: dict[str, Any], file_bytes: int) -> _Picture:
    """Check the image's dimensions and type against the bytes that hold its pixels."""
    image, data = ImageObject(tags, None), look_up(tags, "ImageData", "Data")
    if not isinstance(data, dict):
        raise Refusal("damaged_file", expected="an array of pixels", got="none", advice="Copy the file again.")
    shape = tuple(int(n) for n in image.shape)
    if len(shape) > 3:
        raise Refusal(
            "too_many_axes",
            expected="an image (row, col) or a stack (frame, row, col)",
            got=f"axes of sizes {list(shape)}: a scan of patterns",
            advice="Drop the image that was taken with it.",
        )
    dtype, samples = _type_of(image, look_up(tags, "ImageData", "DataType"), data["endian"])
    check_dimensions(shape[0] if len(shape) == 3 else 1, *shape[-2:])
    n_bytes = frame_bytes((*shape, samples), dtype)
    check_fits(n_bytes, data["size_bytes"])
    check_fits(data["offset"] + n_bytes, file_bytes)
    kept = slice(1, None) if len(shape) == 3 and shape[0] == 1 else slice(None)
    return _Picture(
        tags=tags,
        shape=shape[kept],
        scales=tuple(float(scale) for scale in image.scales)[kept],
        units=tuple(str(unit) for unit in image.units)[kept],
        offsets=tuple(float(offset) for offset in image.offsets)[kept],
        dtype=dtype,
        samples=samples,
        place=data["offset"],
    )


def _type_of(image: ImageObject, code: int, endian: str) -> tuple[np.dtype, int]:
    """Return the type of a number in the byte order of the file, and how many numbers a pixel has."""
    if code == _PACKED_COMPLEX:
        dtype = np.dtype(np.complex64)
    else:
        try:
            dtype = np.dtype(image.dtype)
        except (KeyError, TypeError, NotImplementedError) as error:
            got = f"DigitalMicrograph's type {code}"
            raise Refusal("unknown_pixel_type", expected="pixels of a known type", got=got) from error
    samples = len(dtype.names or (1,))
    dtype = np.dtype(np.uint8) if samples > 1 else dtype
    check_pixel_type(dtype)
    return dtype.newbyteorder("<" if endian == "little" else ">"), samples


def _facts_of(path: Path, picture: _Picture) -> RawFacts:
    size_nm = pixel_size_nm(*picture.scales[-2:], *picture.units[-2:])
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
            **_stage_position(microscope),
        ),
        tilt_angles_deg=tilts.angles_deg,
        notes=tilts.notes,
    )


def _stage_position(microscope: Any) -> dict[str, Any]:
    """Return the stage position; DigitalMicrograph has it in micrometres."""
    stage = look_up(microscope, "Stage Position") or {}
    return stage_position(look_up(stage, "Stage X"), look_up(stage, "Stage Y"), 1e3)


def _tilts_of_frames(picture: _Picture) -> tuple[float, ...] | None:
    """Return the angle of each frame if the axis of frames is one of degrees."""
    if picture.units[0].strip().lower() not in _DEGREES:
        return None
    angles_deg = picture.offsets[0] + picture.scales[0] * np.arange(picture.n_frames)
    return tuple(angles_deg.tolist()) if np.all(np.abs(angles_deg) <= _LARGEST_TILT_DEG) else None


def look_up(tags: Any, *names: str) -> Any:
    """Return what lies under `names`, one below the other; None if it is not there."""
    for name in names:
        tags = tags.get(name) if isinstance(tags, dict) else None
    return tags
