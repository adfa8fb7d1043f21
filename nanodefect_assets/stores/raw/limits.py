"""What a file may declare: checked against its true size before anything is allocated."""

import math

import numpy as np

from nanodefect_assets.domain.refusal import Refusal

MAX_PIXELS = 2**28
"""Pixels of one frame; the largest cameras and stitched scans have a third of that."""

MAX_FRAMES = 1_000_000
MAX_EXPANSION = 200
"""Pixels' bytes over stored bytes; counting noise compresses by less than 10."""

_SMALL_BYTES = 64 * 2**20
"""A frame up to this size is let through however well it compresses."""


def check_dimensions(n_frames: int, n_rows: int, n_cols: int) -> None:
    """Refuse dimensions that no image has."""
    if min(n_frames, n_rows, n_cols) < 1 or n_rows * n_cols > MAX_PIXELS or n_frames > MAX_FRAMES:
        raise Refusal(
            "absurd_dimensions",
            expected=f"1 to {MAX_FRAMES:,} frames of at most {MAX_PIXELS:,} pixels",
            got=f"{n_frames} frames of {n_rows} x {n_cols} pixels",
            advice="The header is damaged, or the image must be cut into tiles.",
        )


def check_fits(declared_bytes: int, available_bytes: int) -> None:
    """Refuse uncompressed pixels that need more bytes than the file has left."""
    if declared_bytes > available_bytes:
        raise Refusal(
            "truncated_file",
            expected=f"{declared_bytes:,} bytes of pixels, as the header says",
            got=f"{max(available_bytes, 0):,} bytes",
            advice="The copy broke off or the header is damaged: copy the file again from the microscope.",
        )


def check_expansion(declared_bytes: int, stored_bytes: int) -> None:
    """Refuse a compressed frame that unpacks to far more than images do."""
    if declared_bytes > _SMALL_BYTES and declared_bytes > MAX_EXPANSION * stored_bytes:
        raise Refusal(
            "decompression_bomb",
            expected=f"pixels of at most {MAX_EXPANSION} times their stored size",
            got=f"{declared_bytes:,} bytes out of {stored_bytes:,}",
            advice="The image is empty or the file is not an image of a microscope.",
        )


def check_pixel_type(dtype: np.dtype) -> None:
    """Refuse pixels that are no intensities."""
    if dtype.kind == "c":
        raise Refusal(
            "complex_image",
            expected="real intensities",
            got=f"{dtype.name} pixels: a Fourier transform or a wave",
            advice="Drop the image itself, not its transform.",
        )
    if dtype.kind not in "buif":
        raise Refusal("unknown_pixel_type", expected="whole or real numbers as pixels", got=dtype.name)


def frame_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the bytes of an array, without overflow."""
    return math.prod(int(n) for n in shape) * dtype.itemsize
