"""SER and EMI of TIA (FEI's imaging and analysis); rows are stored from the bottom.

Rosettasciio reads them, delivers the rows turned, and decides by the ``.emi`` beside the series between images and
diffraction patterns. It loads all frames, even for what the header says: time and memory go with the size of the file.
What the header declares is therefore checked against that size first.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rsciio.tia._api import convert_xml_to_dict, data_types, get_xml_info_from_emi, ser_reader

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.boundary import refusing_damage
from nanodefect_assets.stores.raw.limits import check_dimensions, check_fits, check_pixel_type, frame_bytes
from nanodefect_assets.stores.raw.opened import Opened, angle, positive, stage_position
from nanodefect_assets.stores.raw.units import pixel_size_nm

_HEADER = struct.Struct("<4xHI8xI")
_FRAME_HEADER = struct.Struct("<40xHII")
_IMAGES = 0x4122
_LAST_VERSION_OF_32_BITS = 0x210
_MAX_AXES = 8


@contextmanager
def open_ser(path: Path) -> Iterator[Opened]:
    """Open a SER file, and its ``.emi`` where there is one; all frames are loaded."""
    with path.open("rb") as file:
        _check_declared(file, path.stat().st_size)
    description = _description_of(path)
    signal = ser_reader(str(path), objects=[description] if description else None)[0]
    said = convert_xml_to_dict(description).to_dict()["ObjectInfo"] if description else {}
    yield Opened(facts=_facts_of(signal, said), frames=partial(_frames, signal["data"]), turns_rows=True)


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


def _check_declared(file: BinaryIO, file_bytes: int) -> None:
    """Refuse a series whose frames, as many as the header says and as large as the first, are not in the file."""
    version, kind, n_frames = _take(file, _HEADER)
    if kind != _IMAGES:
        raise Refusal("not_an_image", expected="a series of images", got="a series of spectra")
    place = struct.Struct("<I" if version <= _LAST_VERSION_OF_32_BITS else "<Q")
    (table,) = _take(file, place)
    (n_axes,) = _take(file, struct.Struct("<I"))
    if not 1 <= n_axes <= _MAX_AXES:
        raise Refusal(
            "damaged_header", expected=f"1 to {_MAX_AXES} axes", got=f"{n_axes}", advice="Copy the file again."
        )
    check_fits(table + n_frames * place.size, file_bytes)
    file.seek(table)
    file.seek(_take(file, place)[0])
    code, n_cols, n_rows = _take(file, _FRAME_HEADER)
    if str(code) not in data_types:
        raise Refusal("unknown_pixel_type", expected="pixels of type 1 to 10", got=f"type {code}")
    check_dimensions(n_frames, n_rows, n_cols)
    check_fits(n_frames * frame_bytes((n_rows, n_cols), np.dtype(data_types[str(code)])), file_bytes)


def _take(file: BinaryIO, layout: struct.Struct) -> tuple[int, ...]:
    raw = file.read(layout.size)
    check_fits(layout.size, len(raw))
    return layout.unpack(raw)


def _description_of(path: Path) -> str | None:
    """Return the XML of a series in the ``.emi`` beside it; None if there is none.

    Rosettasciio, given the EMI, would read all its series, and judge all by the mode of the first.
    """
    number = re.fullmatch(r"(.*)_(\d{1,4})", path.stem)
    emi = path.with_name(f"{number[1]}.emi") if number else path
    if number is None or not emi.is_file():
        return None
    with refusing_damage(emi):
        objects = get_xml_info_from_emi(str(emi))
    index = int(number[2]) - 1
    return objects[index] if 0 <= index < len(objects) else None


def _facts_of(signal: dict[str, Any], said: dict[str, Any]) -> RawFacts:
    data, (rows, cols) = signal["data"], signal["axes"][-2:]
    _check_frames(signal)
    described, acquired = said.get("ExperimentalDescription") or {}, said.get("AcquireInfo") or {}
    acquisition = Acquisition(
        pixel_size_nm=pixel_size_nm(rows["scale"], cols["scale"], rows["units"], cols["units"]),
        voltage_kv=positive(described.get("High tension_kV")),
        magnification=positive(described.get("Magnification_x")),
        exposure_s=positive(acquired.get("DwellTimePath")) if "CameraNamePath" in acquired else None,
        stage_tilt_deg=angle(described.get("Stage A_deg")),
        row_order="bottom",
        **stage_position(described.get("Stage X_um"), described.get("Stage Y_um"), 1e3),
    )
    return RawFacts(
        format="SER (STEM)" if "STEM" in str(described.get("Mode", "")).split() else "SER",
        kind="image_stack" if data.ndim == 3 else "image",
        shape=data.shape,
        dtype=data.dtype.newbyteorder("=").name,
        acquisition=acquisition,
        notes=() if said else ("no .emi beside it: taken for an image, not a diffraction pattern",),
    )


def _check_frames(signal: dict[str, Any]) -> None:
    """Refuse scans, frames that differ in size or type, which rosettasciio reads as if they did not, and waves."""
    header, data = signal["original_metadata"]["ser_header_parameters"], signal["data"]
    if data.ndim > 3:
        raise Refusal("too_many_axes", expected="an image or a stack of images", got=f"a scan of shape {data.shape}")
    layouts = [np.unique(header[name]) for name in ("DataType", "ArraySizeX", "ArraySizeY")]
    if any(len(values) > 1 for values in layouts):
        raise Refusal("several_images", expected="frames of one size and type", got="frames that differ")
    check_pixel_type(data.dtype)


def _frames(data: np.ndarray) -> Iterator[np.ndarray]:
    for frame in data.reshape(-1, *data.shape[-2:]):
        yield np.ascontiguousarray(frame, dtype=data.dtype.newbyteorder("="))
