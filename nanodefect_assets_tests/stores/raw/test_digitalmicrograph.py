"""What rosettasciio's parser would do to a damaged DM file, and the pixels that it does not read right."""

import time
import tracemalloc

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames, read_image

FILES = ["a.dm3", "a.dm4"]
PIXELS = {"a.dm3": b"\4Data%%%%", "a.dm4": b"\4Data"}
"""The bytes of the name of the pixels' tag, which comes last in the file."""


def _overwrite(path, name, *, word, number, kind):
    """Replace a number of the last tag of this name: the word of this index in what follows its mark."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"%%%%", raw.rfind(name)) + 4 + word * (8 if path.suffix == ".dm4" else 4)
    value = np.array(number, kind).tobytes()
    raw[at : at + len(value)] = value
    path.write_bytes(raw)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("frames", [1, 3])
def test_big_endian_files_are_read(name, frames, write, stack):
    path = write(name, frames=frames, order=">")

    np.testing.assert_array_equal(list(read_frames(path)), stack[:frames])
    assert probe_file(path).acquisition.pixel_size_nm == pytest.approx(0.25)


@pytest.mark.parametrize("name", FILES)
def test_pixels_whose_tag_lost_its_name_are_not_read_number_by_number(name, write, rng):
    path = write(name, pixels=rng.integers(0, 999, (1, 2000, 2000)).astype(np.uint16))
    raw = bytearray(path.read_bytes())
    raw[raw.rfind(PIXELS[name]) + 1] ^= 1
    path.write_bytes(raw)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(Refusal) as refused:
        probe_file(path)
    seconds, peak_bytes = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert refused.value.reason == "damaged_file"
    assert seconds < 2
    assert peak_bytes < path.stat().st_size


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("count", [-1, 2**30])
def test_an_array_of_an_impossible_length_is_refused(name, count, write):
    path = write(name)
    _overwrite(path, PIXELS[name], word=3, number=count, kind=">i8" if name == "a.dm4" else ">i4")

    with pytest.raises(Refusal):
        list(read_frames(path))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("code", "reason"), [(3, "complex_image"), (5, "complex_image"), (27, "complex_image"), (99, "unknown_pixel_type")]
)
def test_pixels_that_are_no_intensities_are_refused(name, code, reason, write):
    path = write(name)
    _overwrite(path, b"DataType", word=2, number=code, kind="<u4")

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == reason


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("is_grey", [True, False])
def test_a_picture_in_four_channels_is_read_if_it_is_grey(name, is_grey, write, stack):
    channels = np.repeat(stack[0].astype(np.uint8)[..., np.newaxis], 4, axis=-1)
    channels[..., 3] = 0
    channels[2, 3, 0] += not is_grey
    path = write(name, pixels=channels.reshape(1, 6, -1).view("<u2"))
    _overwrite(path, b"DataType", word=2, number=23, kind="<u4")
    _overwrite(path, b"Dimensions", word=2, number=9, kind="<u4")

    if is_grey:
        np.testing.assert_array_equal(read_image(path), stack[0])
    else:
        with pytest.raises(Refusal, match="overlay"):
            read_image(path)
