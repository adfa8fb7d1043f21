"""Extended headers of MRC files: what SerialEM and FEI's programs write about every frame."""

from dataclasses import dataclass, field
from typing import BinaryIO, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE, get_ext_header_dtype

from nanodefect_assets.stores.raw.limits import check_fits
from nanodefect_assets.stores.raw.opened import angle, positive, stage_position, times
from nanodefect_assets.stores.raw.units import pixel_size_nm

_SERIALEM_BYTES = {1: 2, 2: 6, 4: 4, 8: 2, 16: 2, 32: 4}
"""Bytes for each flag of SerialEM's per-frame values; the tilt angle comes first, in hundredths of a degree."""

_OLD_FEI_BYTES = 131072
_OLD_FEI = {"tilt": 0, "exposure": 32, "axis": 40, "pixel": 44, "magnification": 48}
_OLD_FEI_STRIDE = 128
_SERIALEM_AT = 128
_E_PER_M2_TO_NM2 = 1e-18


@dataclass(frozen=True, kw_only=True)
class ExtendedHeader:
    """What an extended header says; empty where there is none that is known."""

    tilt_angles_deg: tuple[float, ...] | None = None
    pixel_size_nm: float | None = None
    acquisition: dict[str, float] = field(default_factory=dict)


def byte_order_of(header: np.void) -> Literal["<", ">"]:
    """Return ``<`` or ``>``, as `header` was read."""
    return "<" if header.dtype["mode"].str.startswith("<") else ">"


def extra_numbers(header: np.void, kind: str, *, at: int) -> tuple[int, int]:
    """Return two numbers of type `kind` from byte `at` of the header, where mrcfile has no names for IMOD's fields."""
    dtype = np.dtype(f"{byte_order_of(header)}{kind}")
    start = at - HEADER_DTYPE.fields["extra2"][1]
    first, second = np.frombuffer(header["extra2"].tobytes(), dtype, count=2, offset=start)
    return int(first), int(second)


def read_extended(header: np.void, file: BinaryIO) -> ExtendedHeader:
    """Read the extended header that follows the `header` of an MRC file."""
    n_bytes, n_frames = int(header["nsymbt"]), int(header["nz"])
    if n_bytes == 0:
        return ExtendedHeader()
    records = get_ext_header_dtype(bytes(header["exttyp"]), byte_order_of(header))
    if records is not None:
        return _new_fei(_take(file, n_bytes), records, n_frames)
    stride, flags = extra_numbers(header, "i2", at=_SERIALEM_AT)
    if bytes(header["exttyp"]) == b"SERI" or _is_serialem(stride, flags):
        angles = _take(file, min(n_bytes, n_frames * max(stride, 0)))
        return _serialem(angles, stride, flags, byte_order_of(header), n_frames)
    if n_bytes == _OLD_FEI_BYTES:
        return _old_fei(_take(file, n_bytes), byte_order_of(header), n_frames)
    return ExtendedHeader()


def _take(file: BinaryIO, n_bytes: int) -> bytes:
    raw = file.read(n_bytes)
    check_fits(n_bytes, len(raw))
    return raw


def _is_serialem(stride: int, flags: int) -> bool:
    """Whether the bytes per frame are the sum that SerialEM's flags ask for, as IMOD decides it."""
    return 0 < flags < 64 and stride == sum(size for flag, size in _SERIALEM_BYTES.items() if flags & flag)


def _column(raw: bytes, kind: str, *, offset: int, stride: int, n: int) -> np.ndarray:
    """Return one field of `n` records of `stride` bytes; fewer if `raw` ends before."""
    dtype = np.dtype(kind)
    whole = min(n, max(0, (len(raw) - offset - dtype.itemsize) // stride + 1) if stride else 0)
    strided = np.ndarray((whole,), dtype=dtype, buffer=raw, offset=offset, strides=(stride,)) if whole else []
    return np.asarray(strided, dtype=float)


def _tilts(angles_deg: np.ndarray, n_frames: int) -> tuple[float, ...] | None:
    """Return angles if there is one of every frame and each is one that a stage can have."""
    is_plausible = len(angles_deg) == n_frames and bool(np.all(np.abs(angles_deg) <= 180))
    return tuple(angles_deg.tolist()) if is_plausible and n_frames > 0 else None


def _serialem(raw: bytes, stride: int, flags: int, byte_order: str, n_frames: int) -> ExtendedHeader:
    if not flags & 1 or stride < 2:
        return ExtendedHeader()
    hundredths = _column(raw, f"{byte_order}i2", offset=0, stride=stride, n=n_frames)
    return ExtendedHeader(tilt_angles_deg=_tilts(np.round(hundredths / 100, 2), n_frames))


def _old_fei(raw: bytes, byte_order: str, n_frames: int) -> ExtendedHeader:
    """Read FEI's header of 1,024 records of 32 numbers: degrees, seconds, metres."""
    columns = {
        name: _column(raw, f"{byte_order}f4", offset=offset, stride=_OLD_FEI_STRIDE, n=n_frames)
        for name, offset in _OLD_FEI.items()
    }
    first = {name: float(column[0]) if len(column) else 0.0 for name, column in columns.items()}
    stated = {
        "exposure_s": positive(first["exposure"]),
        "tilt_axis_deg": angle(first["axis"]),
        "magnification": positive(first["magnification"]),
    }
    return ExtendedHeader(
        tilt_angles_deg=_tilts(columns["tilt"], n_frames),
        pixel_size_nm=pixel_size_nm(first["pixel"], first["pixel"], "m"),
        acquisition={name: value for name, value in stated.items() if value is not None},
    )


def _new_fei(raw: bytes, records: np.dtype, n_frames: int) -> ExtendedHeader:
    """Read Thermo Fisher's records FEI1 and FEI2: degrees, metres, volts, electrons per square metre.

    A record says its own size, which may be larger than the fields that mrcfile knows.
    """
    if len(raw) < records.itemsize:
        return ExtendedHeader()
    stride = int(np.frombuffer(raw, records, count=1)["Metadata size"][0])
    if not records.itemsize <= stride <= len(raw):
        return ExtendedHeader()
    every = np.ndarray((min(n_frames, len(raw) // stride),), records, buffer=raw, strides=(stride,))
    first = every[0]
    stated = {
        "voltage_kv": times(positive(first["HT"]), 1e-3),
        "dose_e_per_nm2": times(positive(first["Dose"]), _E_PER_M2_TO_NM2),
        "exposure_s": positive(first["Integration time"]),
        "magnification": positive(first["Magnification"]),
    }
    position = stage_position(first["X-Stage"], first["Y-Stage"], 1e9) if n_frames == 1 else {}
    return ExtendedHeader(
        tilt_angles_deg=_tilts(every["Alpha tilt"], n_frames),
        pixel_size_nm=pixel_size_nm(first["Pixel size Y"], first["Pixel size X"], "m"),
        acquisition={name: value for name, value in stated.items() if value is not None} | position,
    )
