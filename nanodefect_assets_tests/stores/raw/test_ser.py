"""Series that rosettasciio would read wrong, or at a cost that the size of the file does not limit."""

import struct
import tracemalloc

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames

OFFSETS_AT, FIRST_FRAME_AT = 68, 68 + 2 * 3 * 4
"""Where the sample of three frames has the offsets of its frames, and the first of them."""


def _refusal(path):
    with pytest.raises(Refusal) as refused:
        list(read_frames(path))
    return refused.value


def _patch(path, at, layout, *numbers):
    raw = bytearray(path.read_bytes())
    struct.pack_into(layout, raw, at, *numbers)
    path.write_bytes(raw)


def test_the_sample_is_laid_out_as_said(write):
    raw = write("a_1.ser", frames=3).read_bytes()

    assert struct.unpack_from("<I", raw, OFFSETS_AT)[0] == FIRST_FRAME_AT


def test_frames_that_share_their_bytes_are_not_more_than_the_file(write, rng):
    path = write("a_1.ser", pixels=rng.integers(0, 999, (3, 200, 200)).astype(np.uint16))
    raw = bytearray(path.read_bytes())
    n_frames, table = 10_000, len(raw)
    struct.pack_into("<III", raw, 14, n_frames, n_frames, table)
    path.write_bytes(raw + struct.pack("<I", FIRST_FRAME_AT) * 2 * n_frames)
    tracemalloc.start()
    refused = _refusal(path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert refused.reason == "truncated_file"
    assert peak_bytes < 64 * 2**20


@pytest.mark.parametrize(
    ("offset", "layout", "numbers", "reason"),
    [
        (8, "<I", (0x4120,), "not_an_image"),
        (26, "<I", (10**9,), "damaged_header"),
        (22, "<I", (2**31,), "truncated_file"),
        (FIRST_FRAME_AT + 40, "<H", (11,), "unknown_pixel_type"),
        (FIRST_FRAME_AT + 40, "<H", (9,), "truncated_file"),
        (FIRST_FRAME_AT + 42, "<II", (2**31, 2**31), "absurd_dimensions"),
        (OFFSETS_AT + 4, "<I", (FIRST_FRAME_AT + 3,), "several_images"),
    ],
)
def test_headers_that_cannot_be_are_refused(offset, layout, numbers, reason, write):
    path = write("a_1.ser", frames=3)
    _patch(path, offset, layout, *numbers)

    assert _refusal(path).reason == reason


def test_a_series_is_held_in_memory_once(write, rng):
    path = write("a_1.ser", pixels=rng.integers(0, 999, (40, 128, 128)).astype(np.uint16))
    probe_file(path)
    tracemalloc.start()
    for _ in read_frames(path):
        pass
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 1.5 * path.stat().st_size


def test_a_damaged_emi_is_named(write):
    path = write("a_1.ser")
    path.with_name("a.emi").write_bytes(b"JK\0\2<ObjectInfo>\xff\xfe</ObjectInfo>")
    refused = _refusal(path)

    assert (refused.reason, refused.file) == ("damaged_file", "a.emi")


def test_the_stage_of_the_emi_is_in_micrometres(write):
    path = write("a_1.ser")
    said = {"Stage X": "12.5", "Stage Y": "-3.25"}
    data = [f"<Data><Label>{name}</Label><Value>{x}</Value><Unit>um</Unit></Data>" for name, x in said.items()]
    text = f"<ObjectInfo><ExperimentalDescription><Root>{''.join(data)}</Root></ExperimentalDescription></ObjectInfo>"
    path.with_name("a.emi").write_bytes(b"JK\0\2" + text.encode() + b"\0")
    found = probe_file(path).acquisition

    assert (found.stage_x_nm, found.stage_y_nm) == pytest.approx((12500, -3250))
