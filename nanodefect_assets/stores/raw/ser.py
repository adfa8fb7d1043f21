"""SER and EMI of TIA (FEI's imaging and analysis); rows are stored from the bottom.

The series is read here and not by rosettasciio, which loads all frames at once. A ``.ser`` holds the pixels; what the
microscope did is in the ``.emi`` beside it, as XML in which only the few entries that are wanted are searched for.

References
----------
Boothroyd, TIA ``.ser`` file format, https://www.er-c.org/cbb/info/TIAformat/.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.limits import (
    MAX_FRAMES,
    check_dimensions,
    check_fits,
    check_pixel_type,
    frame_bytes,
)
from nanodefect_assets.stores.raw.opened import Opened, angle, positive, read_blocks
from nanodefect_assets.stores.raw.units import pixel_size_nm

_HEADER = np.dtype([("order", "<u2"), ("id", "<u2"), ("version", "<u2"), ("kind", "<u4"), ("tag", "<u4")])
_COUNTS = np.dtype([("total", "<u4"), ("valid", "<u4")])
_ELEMENT = np.dtype(
    [
        ("col_offset", "<f8"),
        ("col_scale", "<f8"),
        ("col_element", "<u4"),
        ("row_offset", "<f8"),
        ("row_scale", "<f8"),
        ("row_element", "<u4"),
        ("type", "<u2"),
        ("n_cols", "<u4"),
        ("n_rows", "<u4"),
    ]
)
_IMAGES = 0x4122
_LAST_VERSION_OF_32_BITS = 0x210
_TYPES = {1: "<u1", 2: "<u2", 3: "<u4", 4: "<i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8", 9: "<c8", 10: "<c16"}
_MAX_AXES = 8
_OBJECT, _OBJECT_END = b"<ObjectInfo>", b"</ObjectInfo>"
_PIECE_BYTES = 4 * 2**20


@dataclass(frozen=True, kw_only=True)
class _Series:
    """Where the frames of a series are, and how they are calibrated, in metres."""

    offsets: np.ndarray
    shape: tuple[int, int]
    dtype: np.dtype
    row_scale_m: float
    col_scale_m: float
    is_scan: bool


@contextmanager
def open_ser(path: Path) -> Iterator[Opened]:
    """Open a SER file: its header and its ``.emi``, where there is one, are read; no pixel is."""
    with path.open("rb") as file:
        series = _read_series(file, path.stat().st_size)
        number = re.fullmatch(r"(.*)_(\d{1,4})", path.stem)
        emi = path.with_name(f"{number[1]}.emi") if number else path
        entries = read_emi(emi, int(number[2]) - 1) if number and emi.is_file() else {}
        yield Opened(facts=_facts_of(series, entries), frames=partial(_frames, file, series))


@contextmanager
def open_emi(path: Path) -> Iterator[Opened]:
    """Open the one series that belongs to an EMI file."""
    beside = [path.with_name(f"{path.stem}_{number}.ser") for number in range(1, 100)]
    found = [ser for ser in beside if ser.is_file()]
    if len(found) != 1:
        raise Refusal(
            "several_images" if found else "missing_companion",
            expected=f"one series {path.stem}_1.ser beside it",
            got=", ".join(ser.name for ser in found) or "none",
            advice="List the .ser files in batch.yaml; the .emi is read with them.",
        )
    with open_ser(found[0]) as opened:
        yield opened


def _read_series(file: BinaryIO, file_bytes: int) -> _Series:
    header = _take(file, _HEADER)
    if int(header["kind"]) != _IMAGES:
        raise Refusal("not_an_image", expected="a series of images", got="a series of spectra")
    counts = _take(file, _COUNTS)
    is_short = int(header["version"]) <= _LAST_VERSION_OF_32_BITS
    offset_type = np.dtype("<u4" if is_short else "<u8")
    table = int(_take(file, offset_type))
    sizes, is_scan = _read_axes(file)
    n_frames = int(counts["valid"])
    check_dimensions(min(n_frames, MAX_FRAMES + 1), 1, 1)
    if sum(size > 1 for size in sizes) > 1:
        raise Refusal("too_many_axes", expected="an image or a stack of images", got=f"a scan of {sizes} images")
    check_fits(table + n_frames * offset_type.itemsize, file_bytes)
    file.seek(table)
    offsets = np.fromfile(file, dtype=offset_type, count=n_frames).astype(np.int64)
    elements = [_element_at(file, int(offset), file_bytes) for offset in offsets]
    return _series_of(offsets, elements, is_scan)


def _element_at(file: BinaryIO, offset: int, file_bytes: int) -> np.void:
    check_fits(offset + _ELEMENT.itemsize, file_bytes)
    file.seek(offset)
    element = _take(file, _ELEMENT)
    shape = (int(element["n_rows"]), int(element["n_cols"]))
    check_dimensions(1, *shape)
    check_fits(frame_bytes(shape, _type_of(element)), file_bytes - offset - _ELEMENT.itemsize)
    return element


def _type_of(element: np.void) -> np.dtype:
    name = _TYPES.get(int(element["type"]))
    if name is None:
        raise Refusal("unknown_pixel_type", expected="pixels of type 1 to 10", got=f"type {element['type']}")
    return np.dtype(name)


def _series_of(offsets: np.ndarray, elements: list[np.void], is_scan: bool) -> _Series:
    first = elements[0]
    layouts = {(int(e["type"]), int(e["n_rows"]), int(e["n_cols"])) for e in elements}
    if len(layouts) > 1:
        raise Refusal("several_images", expected="frames of one size and type", got=f"{len(layouts)} different ones")
    check_pixel_type(_type_of(first))
    return _Series(
        offsets=offsets + _ELEMENT.itemsize,
        shape=(int(first["n_rows"]), int(first["n_cols"])),
        dtype=_type_of(first),
        row_scale_m=float(first["row_scale"]),
        col_scale_m=float(first["col_scale"]),
        is_scan=is_scan,
    )


def _read_axes(file: BinaryIO) -> tuple[tuple[int, ...], bool]:
    """Return the sizes of the axes of the series, and whether its first axis has a unit: a scan over the specimen."""
    n_axes = int(_take(file, np.dtype("<u4")))
    if n_axes > _MAX_AXES:
        raise Refusal("damaged_header", expected=f"at most {_MAX_AXES} axes", got=f"{n_axes}")
    sizes, units = [], []
    for _ in range(n_axes):
        sizes.append(int(_take(file, np.dtype("<u4"))))
        file.seek(20, 1)
        file.seek(int(_take(file, np.dtype("<u4"))), 1)
        units.append(int(_take(file, np.dtype("<u4"))))
        file.seek(units[-1], 1)
    return tuple(sizes), bool(units) and units[0] > 0 and sizes[0] > 1


def _take(file: BinaryIO, dtype: np.dtype) -> np.void:
    values = np.frombuffer(file.read(dtype.itemsize), dtype=dtype)
    check_fits(1, len(values))
    return values[0]


def read_emi(path: Path, index: int) -> dict[str, str]:
    """Return the entries of the object of number `index`, from 0, in an EMI file; empty if it has none.

    Names are those of the XML: labels of the experimental description, tags of the acquisition.
    """
    with path.open("rb") as file:
        text = _object_of(file, index).decode("utf-8", errors="replace")
    described = re.findall(r"<Label>([^<]{1,80})</Label><Value>([^<]{0,200})</Value>", text)
    acquired = re.findall(r"<(CameraNamePath|DwellTimePath)>([^<]{0,200})</", text)
    return dict([*described, *acquired])


def _object_of(file: BinaryIO, index: int) -> bytes:
    """Return the XML of the object of number `index`; the file also holds images, so it is searched piece by piece."""
    n_found, tail = 0, b""
    while piece := file.read(_PIECE_BYTES):
        window = tail + piece
        starts = [match.start() for match in re.finditer(_OBJECT, window)]
        if n_found + len(starts) > index:
            start = starts[index - n_found]
            return (window[start:] + file.read(_PIECE_BYTES)).split(_OBJECT_END, 1)[0]
        n_found += len(starts)
        tail = window[-len(_OBJECT) + 1 :]
    return b""


def _facts_of(series: _Series, entries: dict[str, str]) -> RawFacts:
    unit = "1/m" if _is_diffraction(entries, series.is_scan) else "m"
    acquisition = Acquisition(
        pixel_size_nm=pixel_size_nm(series.row_scale_m, series.col_scale_m, unit),
        voltage_kv=positive(entries.get("High tension")),
        magnification=positive(entries.get("Magnification")),
        exposure_s=positive(entries.get("DwellTimePath")) if "CameraNamePath" in entries else None,
        stage_tilt_deg=angle(entries.get("Stage A")),
        row_order="bottom",
    )
    n_frames = len(series.offsets)
    return RawFacts(
        format="SER",
        kind="image_stack" if n_frames > 1 else "image",
        shape=(n_frames, *series.shape) if n_frames > 1 else series.shape,
        dtype=series.dtype.newbyteorder("=").name,
        acquisition=acquisition,
        notes=() if entries else ("no .emi beside it: taken for an image, not a diffraction pattern",),
    )


def _is_diffraction(entries: dict[str, str], is_scan: bool) -> bool:
    """Whether TIA's mode says that the pixels are of reciprocal space: diffraction, or a camera behind a scan."""
    mode = entries.get("Mode", "")
    if "STEM" in mode:
        return "CameraNamePath" in entries or is_scan
    return "Diffraction" in mode


def _frames(file: BinaryIO, series: _Series) -> Iterator[np.ndarray]:
    for offset in series.offsets:
        yield from read_blocks(file, offset=int(offset), n_frames=1, shape=series.shape, dtype=series.dtype)
