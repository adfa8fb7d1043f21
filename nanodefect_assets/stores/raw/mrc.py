"""MRC: image, stack or tilt series of cryo-EM and tomography programs.

The fields of the header, the types of pixels and Thermo Fisher's extended header are mrcfile's. Its reader is not used:
it takes every byte for signed, knows no colours, believes a wrong machine stamp wherever the mode makes sense in both
byte orders (mode 0), and maps the pixels into memory, where a file that gets shorter kills the process. Rosettasciio
takes every file for little-endian, unsigned and, where the header knows no scale, for 1 nm a pixel.
Which row comes first:

===========================  ==========================  =====================================================
file                         first row in the file       decision here
===========================  ==========================  =====================================================
MRC (IMOD, SerialEM, FEI)    bottom, by convention       turned; ``row_order: top`` in batch.yaml says otherwise
SER, EMI (TIA)               bottom                      turned
TIFF                         top; bottom if its tag      as the tag Orientation says
                             Orientation is 4
DM3, DM4, EMD, HSPY, PNG,    top                         as it is
JPEG
===========================  ==========================  =====================================================

Python's mrcfile and rosettasciio deliver the rows of an MRC in the order of the file, that is upside down for files
that keep to the convention. A program that writes arrays as they are (row 0 first, as matplotlib shows them) breaks
it, and nothing in the header tells: such batches must say ``row_order: top``.

References
----------
Cheng et al., MRC2014: extensions to the MRC format header, doi:10.1016/j.jsb.2015.04.002.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import dtype_from_mode

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.grey import grey
from nanodefect_assets.stores.raw.limits import MAX_PIXELS, check_dimensions, check_fits, frame_bytes
from nanodefect_assets.stores.raw.mrc_extended import ExtendedHeader, byte_order_of, extra_numbers, read_extended
from nanodefect_assets.stores.raw.opened import Opened, angle, read_blocks
from nanodefect_assets.stores.raw.sidecars import Sidecars, read_sidecars
from nanodefect_assets.stores.raw.tilts import choose_tilts
from nanodefect_assets.stores.raw.units import pixel_size_nm

HEADER_BYTES = HEADER_DTYPE.itemsize
_BYTE_ORDERS: tuple[Literal["<", ">"], ...] = ("<", ">")
_IMOD_AT = 152
_IMOD_STAMP = 1146047817
_MRC2014 = 20140
_REAL_MODES = {0, 1, 2, 6, 12}
_COMPLEX_MODES = {3, 4}
_RGB_MODE = 16


@contextmanager
def open_mrc(path: Path) -> Iterator[Opened]:
    """Open an MRC file: the header, the extended header and the files that belong to it are read, no pixel is."""
    with path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
        check_fits(HEADER_BYTES, len(raw))
        header = _header_of(raw)
        offset = HEADER_BYTES + int(header["nsymbt"])
        shape, dtype = _frame_type(header)
        n_frames = int(header["nz"])
        check_fits(frame_bytes((n_frames, *shape), dtype), path.stat().st_size - offset)
        facts = _facts_of(path, header, dtype, read_extended(header, file))
        blocks = partial(read_blocks, file, offset=offset, n_frames=n_frames, shape=shape, dtype=dtype)
        yield Opened(facts=facts, frames=lambda: map(grey, blocks()))


def looks_like_mrc(raw: bytes) -> bool:
    """Whether the first bytes of a file can be an MRC header: its stamp, or axes, mode and sizes that make sense."""
    if len(raw) < HEADER_BYTES:
        return False
    return raw[208:211] == b"MAP" or any(_is_plausible(header) for header in _headers(raw))


def _headers(raw: bytes) -> list[np.void]:
    return [np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order), count=1)[0] for order in _BYTE_ORDERS]


def _header_of(raw: bytes) -> np.void:
    """Return the header in the byte order in which it makes sense; machine stamps are often wrong."""
    header = next(filter(_is_plausible, _headers(raw)), None)
    if header is not None:
        check_dimensions(*_sizes(header)[::-1])
        return header
    header = _headers(raw)[0]
    raise Refusal(
        "damaged_header",
        expected="an MRC header with sizes above 0, a known mode and the axes x, y, z in this order",
        got=f"sizes {_sizes(header)}, mode {header['mode']}, axes {_axes(header)}",
        advice="Copy the file again; files with permuted axes must be written anew with columns along x.",
    )


def _sizes(header: np.void) -> list[int]:
    return [int(header[name]) for name in ("nx", "ny", "nz")]


def _axes(header: np.void) -> list[int]:
    return [int(header[name]) for name in ("mapc", "mapr", "maps")]


def _is_plausible(header: np.void) -> bool:
    sizes = _sizes(header)
    return (
        int(header["mode"]) in _REAL_MODES | _COMPLEX_MODES | {_RGB_MODE}
        and min(sizes) > 0
        and sizes[0] * sizes[1] <= MAX_PIXELS
        and _axes(header) in ([1, 2, 3], [0, 0, 0])
        and 0 <= int(header["nsymbt"]) < 2**31
    )


def _frame_type(header: np.void) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape of a frame and the type of its pixels, in the byte order of the file.

    Mode 0 is signed in MRC2014 and where IMOD's flag says so, unsigned in older files.
    """
    mode = int(header["mode"])
    if mode in _COMPLEX_MODES:
        raise Refusal(
            "complex_image",
            expected="real intensities",
            got=f"MRC mode {mode}: a Fourier transform",
            advice="Drop the image itself, not its transform.",
        )
    n_cols, n_rows, _ = _sizes(header)
    if mode == _RGB_MODE:
        return (n_rows, n_cols, 3), np.dtype(np.uint8)
    is_unsigned = mode == 0 and not _bytes_are_signed(header)
    dtype = np.dtype(np.uint8) if is_unsigned else dtype_from_mode(mode)
    return (n_rows, n_cols), dtype.newbyteorder(byte_order_of(header))


def _bytes_are_signed(header: np.void) -> bool:
    """Tell by IMOD's flags, which lie in words that mrcfile leaves nameless, or else by the version."""
    stamp, flags = extra_numbers(header, "i4", at=_IMOD_AT)
    if stamp == _IMOD_STAMP:
        return bool(flags & 1)
    return int(header["nversion"]) >= _MRC2014


def _facts_of(path: Path, header: np.void, dtype: np.dtype, extended: ExtendedHeader) -> RawFacts:
    """Put together what header, extended header and the files beside it say."""
    n_cols, n_rows, n_frames = _sizes(header)
    sidecars = read_sidecars(path)
    tilts = choose_tilts(n_frames, beside=sidecars.tilts, own=extended.tilt_angles_deg, own_source="extended header")
    size_nm, notes = _pixel_size(header, extended, sidecars, (n_rows, n_cols))
    stated = {**extended.acquisition, **sidecars.acquisition, **_label_axis(header)}
    if tilts.single_deg is not None:
        stated["stage_tilt_deg"] = tilts.single_deg
    kind = "tilt_series" if tilts.angles_deg else "image_stack" if n_frames > 1 else "image"
    return RawFacts(
        format="MRC",
        kind=kind,
        shape=(n_rows, n_cols) if kind == "image" else (n_frames, n_rows, n_cols),
        dtype=dtype.newbyteorder("=").name,
        acquisition=Acquisition(pixel_size_nm=size_nm, row_order="bottom", **stated),
        tilt_angles_deg=tilts.angles_deg,
        notes=(*notes, *tilts.notes),
    )


def _pixel_size(
    header: np.void, extended: ExtendedHeader, sidecars: Sidecars, shape: tuple[int, int]
) -> tuple[float | None, tuple[str, ...]]:
    """Return the pixel size of the header, else of the extended header, else of the mdoc, and notes.

    A cell or a sampling of 0 is how programs say that they do not know.
    """
    sampling = np.array([header["mx"], header["my"]], dtype=float)
    cell = np.array([header["cella"]["x"], header["cella"]["y"]], dtype=float)
    scales = np.divide(cell, sampling, out=np.zeros(2), where=sampling != 0)
    from_header = pixel_size_nm(scales[1], scales[0], "angstrom")
    size_nm = from_header or extended.pixel_size_nm
    beside_nm = sidecars.pixel_size_nm
    if beside_nm is None:
        return size_nm, ()
    if sidecars.image_shape not in (None, shape):
        return size_nm, (f"pixel spacing of {sidecars.source} not used: it is of an image of {sidecars.image_shape}",)
    if size_nm is not None and abs(size_nm - beside_nm) > 0.01 * size_nm:
        raise Refusal(
            "conflicting_calibration",
            expected=f"the pixel size of the header, {size_nm:.6g} nm, also in {sidecars.source}",
            got=f"{beside_nm:.6g} nm",
            advice=f"Remove or mend {sidecars.source}, or mend the header.",
        )
    return size_nm or beside_nm, ()


def _label_axis(header: np.void) -> dict[str, float]:
    """Return the tilt axis that SerialEM writes into a label, if it does."""
    text = header["label"].tobytes().decode("latin-1")
    match = re.search(r"Tilt axis (?:angle|rotation angle) = *(-?\d+\.?\d*)", text)
    axis_deg = angle(match[1]) if match else None
    return {} if axis_deg is None else {"tilt_axis_deg": axis_deg}
