"""TIFF of any microscope: tifffile finds pages and tags, `tiff_calibration` understands what the programs write there.

Rows: TIFF has its first row at the top unless the tag Orientation says otherwise; ImageJ, DigitalMicrograph, Zeiss,
Thermo Fisher and SerialEM keep to that. Orientation 4 (first row at the bottom) is honoured; mirrored and turned
images are refused. Stacks are read page by page, or block by block where the pages touch, so that memory stays flat.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import tifffile

from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.grey import grey
from nanodefect_assets.stores.raw.limits import (
    check_dimensions,
    check_expansion,
    check_fits,
    check_pixel_type,
    frame_bytes,
)
from nanodefect_assets.stores.raw.opened import Opened, read_blocks, to_native, with_rows_from
from nanodefect_assets.stores.raw.tiff_calibration import tiff_acquisition

_ROW_ORDER = {1: "top", 4: "bottom"}
_Page = tifffile.TiffPage | tifffile.TiffFrame
_PALETTE, _MIN_IS_WHITE = tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.MINISWHITE
_REDUCED = tifffile.FILETYPE.REDUCEDIMAGE
_FATAL = ("invalid page offset", "invalid offset to", "circular reference", "corrupted file")
_PLAIN_CODECS = {1, 8, 32773, 32946, 34925, 50013}
"""Compressions that tifffile unpacks without further packages; libtiff in Pillow does the others."""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where the frames of a TIFF are and how they look.

    `pages` are one for each frame, or the one that all frames follow without a gap from `offset`.
    """

    pages: list[_Page]
    page: tifffile.TiffPage
    offset: int | None
    dtype: np.dtype
    n_frames: int
    n_rows: int
    n_cols: int
    samples: int
    channels_first: bool
    is_stack: bool


@contextmanager
def open_tiff(path: Path) -> Iterator[Opened]:
    """Open a TIFF; the pages are parsed, no pixel is read. Files that it refers to are never opened."""
    with _listening(), tifffile.TiffFile(path, _multifile=False, is_ome=False) as tiff:
        layout = _layout_of(tiff)
        _check_storage(layout, path.stat().st_size)
        yield Opened(facts=_facts_of(tiff, layout), frames=partial(_frames, path, tiff, layout))


class _Complaints(logging.Handler):
    """Refuses what tifffile only logs: pages that it could not find. What it says about single tags is left aside."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if any(word in message for word in _FATAL):
            raise Refusal(
                "truncated_file",
                expected="every page that the file announces",
                got=message[:200],
                advice="The copy broke off or the file is damaged: copy it again from the microscope.",
            )


@contextmanager
def _listening() -> Iterator[None]:
    """Hear tifffile's complaints instead of printing them."""
    logger, handler = logging.getLogger("tifffile"), _Complaints()
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def _layout_of(tiff: tifffile.TiffFile) -> _Layout:
    """Find the one stack of images, also where a program wrote its frames one by one; thumbnails are left aside."""
    series = [s for s in tiff.series if not s.keyframe.subfiletype & _REDUCED] or list(tiff.series)
    if not series:
        raise Refusal("damaged_file", expected="an image", got="no page that can be read", advice="Copy it again.")
    first = series[0]
    if any((s.shape, s.axes, s.dtype) != (first.shape, first.axes, first.dtype) for s in series):
        raise Refusal(
            "several_images",
            expected="one image or one stack of equal images",
            got=f"{len(series)} of different shapes: " + ", ".join(str(s.shape) for s in series[:4]),
            advice="Save each image as a file of its own.",
        )
    sizes = {name: n for name, n in zip(first.axes, first.shape, strict=True) if n != 1 or name in "YX"}
    frame_axes = [n for name, n in sizes.items() if name not in "YXS"] + ([len(series)] if len(series) > 1 else [])
    if len(frame_axes) > 1 or "Y" not in sizes or "X" not in sizes:
        raise Refusal(
            "too_many_axes",
            expected="an image (row, col) or a stack (frame, row, col)",
            got=f"{len(series)} series of axes {first.axes} of sizes {first.shape}",
            advice="Save channels, slices and times as files of their own.",
        )
    return _Layout(
        pages=[cast(_Page, page) for s in series for page in s.pages if page is not None],
        page=first.keyframe,
        offset=first.dataoffset if len(series) == 1 else None,
        dtype=np.dtype(first.dtype),
        n_frames=frame_axes[0] if frame_axes else 1,
        n_rows=sizes["Y"],
        n_cols=sizes["X"],
        samples=sizes.get("S", 1),
        channels_first="S" in sizes and first.axes.index("S") < first.axes.index("Y"),
        is_stack=bool(frame_axes),
    )


def _check_storage(layout: _Layout, file_bytes: int) -> None:
    """Refuse pixels that the file cannot hold, before they are allocated."""
    page = layout.page
    check_dimensions(layout.n_frames, layout.n_rows, layout.n_cols)
    check_pixel_type(layout.dtype)
    one = frame_bytes((layout.n_rows, layout.n_cols, layout.samples), layout.dtype)
    pages = layout.pages
    if len(pages) == 1 and layout.n_frames > 1:
        check_fits(one * layout.n_frames, file_bytes - page.dataoffsets[0])
        return
    if len(pages) != layout.n_frames:
        raise Refusal("truncated_file", expected=f"{layout.n_frames} pages", got=f"{len(pages)}")
    for stored in pages:
        _check_page(stored, one if page.bitspersample >= 8 else one // 8, file_bytes, page.compression == 1)
    if page.compression == 1 and page.bitspersample >= 8:
        check_fits(one * layout.n_frames, file_bytes)


def _check_page(page: _Page, page_bytes: int, file_bytes: int, is_raw: bool) -> None:
    """Refuse a page whose strips lie outside of the file, are missing, or unpack to far too much."""
    counts = page.databytecounts
    last = max((o + n for o, n in zip(page.dataoffsets, counts, strict=True)), default=0)
    check_fits(last, file_bytes)
    if not counts or min(counts) == 0:
        raise Refusal("truncated_file", expected="every strip of the image", got="strips without data")
    if is_raw:
        check_fits(page_bytes, sum(counts))
    else:
        check_expansion(page_bytes, sum(counts))


def _facts_of(tiff: tifffile.TiffFile, layout: _Layout) -> RawFacts:
    order = _ROW_ORDER.get(int(layout.page.tags.valueof("Orientation", 1)))
    if order is None:
        raise Refusal(
            "turned_image",
            expected="an image whose first row is its top or its bottom",
            got=f"the TIFF tag Orientation {layout.page.tags.valueof('Orientation')}",
            advice="Save the image upright: a mirrored image would invert every handedness.",
        )
    found = tiff_acquisition(tiff, layout.page, layout.n_rows, layout.n_cols)
    notes = (f"{layout.samples} samples a pixel: taken as grey if the colours are equal",) if layout.samples > 1 else ()
    shape = (layout.n_rows, layout.n_cols)
    return RawFacts(
        format=f"TIFF ({found.program})" if found.program else "TIFF",
        kind="image_stack" if layout.is_stack else "image",
        shape=(layout.n_frames, *shape) if layout.is_stack else shape,
        dtype=layout.dtype.newbyteorder("=").name,
        acquisition=with_rows_from(found.acquisition, order),
        data_bar_rows=found.data_bar_rows,
        n_samples=3 if _has_palette(layout.page) else layout.samples,
        notes=notes,
    )


def _frames(path: Path, tiff: tifffile.TiffFile, layout: _Layout) -> Iterator[np.ndarray]:
    for frame in _stored_frames(path, tiff, layout):
        channels_first = layout.channels_first and frame.shape[0] == layout.samples
        yield grey(_as_shown(frame, layout.page), channels_first=channels_first)


def _stored_frames(path: Path, tiff: tifffile.TiffFile, layout: _Layout) -> Iterator[np.ndarray]:
    offset = layout.offset
    if offset is not None and layout.samples == 1:
        dtype = layout.dtype.newbyteorder(tiff.byteorder)
        shape = (layout.n_rows, layout.n_cols)
        yield from read_blocks(
            cast(BinaryIO, tiff.filehandle), offset=offset, n_frames=layout.n_frames, shape=shape, dtype=dtype
        )
    elif int(layout.page.compression) in _PLAIN_CODECS:
        for page in layout.pages:
            yield to_native(np.squeeze(page.asarray(maxworkers=1)))
    else:
        yield from _frames_of_libtiff(path, layout)


def _frames_of_libtiff(path: Path, layout: _Layout) -> Iterator[np.ndarray]:
    """Read the pages with Pillow, whose libtiff knows LZW, JPEG and the fax codes."""
    from PIL import Image

    with Image.open(path, formats=["TIFF"]) as image:
        for page in layout.pages:
            image.seek(page.index)
            yield np.asarray(image)


def _as_shown(frame: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """Apply what the page says about how its numbers are shown: a palette, or white for the least."""
    if page.photometric == _MIN_IS_WHITE and frame.dtype.kind in "bu":
        return ~frame
    if page.colormap is None or not _has_palette(page):
        return frame
    return (page.colormap.T[frame] // 257).astype(np.uint8)


def _has_palette(page: tifffile.TiffPage) -> bool:
    """Whether the numbers of a page stand for other shades than themselves."""
    if page.photometric != _PALETTE or page.colormap is None:
        return False
    ramp = np.arange(page.colormap.shape[1])
    return not all(np.array_equal(channel // 257, ramp) for channel in page.colormap)
