"""Extended headers of MRC files: what SerialEM and FEI's programs write about every frame."""

from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from nanodefect_assets.stores.raw.limits import check_fits
from nanodefect_assets.stores.raw.opened import angle, positive, times
from nanodefect_assets.stores.raw.units import pixel_size_nm

_SERIALEM_BYTES = {1: 2, 2: 6, 4: 4, 8: 2, 16: 2, 32: 4}
"""Bytes for each flag of SerialEM's per-frame values; the tilt angle comes first, in hundredths of a degree."""

_OLD_FEI_BYTES = 131072
_OLD_FEI = {"tilt": 0, "exposure": 32, "axis": 40, "pixel": 44, "magnification": 48}
_OLD_FEI_STRIDE = 128
_NEW_FEI = {
    "voltage": 84,
    "dose": 92,
    "tilt": 100,
    "axis": 140,
    "pixel_x": 156,
    "pixel_y": 164,
    "magnification": 289,
    "exposure": 419,
}
_E_PER_M2_TO_NM2 = 1e-18


@dataclass(frozen=True, kw_only=True)
class ExtendedHeader:
    """What an extended header says; empty where there is none that is known."""

    tilt_angles_deg: tuple[float, ...] | None = None
    pixel_size_nm: float | None = None
    acquisition: dict[str, float] = field(default_factory=dict)


def read_extended(header: np.void, file: BinaryIO, n_frames: int) -> ExtendedHeader:
    """Read the extended header that follows the `header` of an MRC file of `n_frames` frames."""
    n_bytes = int(header["n_extended"])
    if n_bytes == 0:
        return ExtendedHeader()
    name = bytes(header["extended_type"])
    byte_order = "<" if header.dtype["mode"].str.startswith("<") else ">"
    if name in (b"FEI1", b"FEI2"):
        return _new_fei(_take(file, n_bytes), byte_order, n_frames)
    if name == b"SERI" or _has_serialem_layout(header):
        return _serialem(_take(file, min(n_bytes, n_frames * int(header["n_ints"]))), header, byte_order, n_frames)
    if n_bytes == _OLD_FEI_BYTES:
        return _old_fei(_take(file, n_bytes), byte_order, n_frames)
    return ExtendedHeader()


def _take(file: BinaryIO, n_bytes: int) -> bytes:
    raw = file.read(n_bytes)
    check_fits(n_bytes, len(raw))
    return raw


def _has_serialem_layout(header: np.void) -> bool:
    """Whether the bytes per frame are the sum that SerialEM's flags ask for, as IMOD decides it."""
    n_ints, flags = int(header["n_ints"]), int(header["n_reals"])
    if not 0 < flags < 64:
        return False
    return n_ints == sum(size for flag, size in _SERIALEM_BYTES.items() if flags & flag)


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


def _serialem(raw: bytes, header: np.void, byte_order: str, n_frames: int) -> ExtendedHeader:
    stride = int(header["n_ints"])
    if not int(header["n_reals"]) & 1 or stride < 2:
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


def _new_fei(raw: bytes, byte_order: str, n_frames: int) -> ExtendedHeader:
    """Read Thermo Fisher's records FEI1 and FEI2: degrees, metres, volts, electrons per square metre."""
    stride = int(np.frombuffer(raw[:4], f"{byte_order}i4")[0]) if len(raw) >= 4 else 0
    if not max(_NEW_FEI.values()) + 8 <= stride <= len(raw):
        return ExtendedHeader()
    columns = {
        name: _column(raw, f"{byte_order}f8", offset=offset, stride=stride, n=n_frames)
        for name, offset in _NEW_FEI.items()
    }
    first = {name: float(column[0]) for name, column in columns.items()}
    stated = {
        "voltage_kv": times(positive(first["voltage"]), 1e-3),
        "dose_e_per_nm2": times(positive(first["dose"]), _E_PER_M2_TO_NM2),
        "exposure_s": positive(first["exposure"]),
        "magnification": positive(first["magnification"]),
    }
    return ExtendedHeader(
        tilt_angles_deg=_tilts(columns["tilt"], n_frames),
        pixel_size_nm=pixel_size_nm(first["pixel_y"], first["pixel_x"], "m"),
        acquisition={name: value for name, value in stated.items() if value is not None},
    )
