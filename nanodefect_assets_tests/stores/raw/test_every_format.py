"""Laws that hold for every format: upright, calibrated, frame by frame, in the file's type."""

import importlib
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames, read_image

PIXEL_NM = 0.25
TOP_FIRST = ["a.tif", "a.dm3", "a.dm4", "velox.emd", "berkeley.emd", "a.hspy"]
BOTTOM_FIRST = ["a.mrc", "a_1.ser"]
STACKS = TOP_FIRST + BOTTOM_FIRST
PICTURES = ["a.png", "a.jpg"]
READERS = {
    "a.tif": "tiff",
    "a.mrc": "mrc",
    "a.dm3": "digitalmicrograph",
    "a.dm4": "digitalmicrograph",
    "a_1.ser": "tia",
}


@pytest.mark.parametrize("name", TOP_FIRST)
def test_formats_whose_first_row_is_the_top_are_read_as_they_are(name, write, stack):
    np.testing.assert_array_equal(read_image(write(name)), stack[0])


@pytest.mark.parametrize("name", BOTTOM_FIRST)
def test_formats_whose_first_row_is_the_bottom_are_turned(name, write, stack):
    path = write(name)

    np.testing.assert_array_equal(read_image(path), stack[0, ::-1])
    assert probe_file(path).acquisition.row_order == "bottom"


@pytest.mark.parametrize("name", STACKS)
def test_batch_yaml_can_say_that_the_other_row_comes_first(name, write):
    path = write(name)
    usual = read_image(path)
    other = "top" if probe_file(path).acquisition.row_order == "bottom" else "bottom"

    np.testing.assert_array_equal(read_image(path, row_order=other), usual[::-1])
    assert probe_file(path, row_order=other).acquisition.row_order == other


@pytest.mark.parametrize("name", STACKS)
def test_pixel_size_and_shape_are_those_of_the_header(name, write):
    facts = probe_file(write(name))

    assert facts.acquisition.pixel_size_nm == pytest.approx(PIXEL_NM, rel=1e-6)
    assert (facts.kind, facts.shape, facts.dtype) == ("image", (6, 9), "uint16")


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_have_no_calibration(name, write):
    path = write(name)
    with Image.open(path) as picture:
        shown = np.asarray(picture)

    assert probe_file(path).acquisition.pixel_size_nm is None
    np.testing.assert_array_equal(read_image(path), shown)


@pytest.mark.parametrize("name", STACKS)
def test_stacks_are_read_frame_by_frame_in_order(name, write, stack):
    path = write(name, frames=3)
    facts = probe_file(path)
    frames = list(read_frames(path))
    expected = stack[:, ::-1] if facts.acquisition.row_order == "bottom" else stack

    assert facts.shape == (3, 6, 9)
    np.testing.assert_array_equal(frames, expected)
    assert {frame.dtype for frame in frames} == {np.dtype("uint16")}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("frames", [1, 3])
def test_rosettasciio_reads_the_same_pixels(name, frames, write):
    """Rosettasciio delivers an MRC in the order of the file and a SER turned."""
    path = write(name, frames=frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = importlib.import_module(f"rsciio.{READERS[name]}").file_reader(str(path))[0]["data"]
    ours = np.squeeze(list(read_frames(path, row_order="top" if name == "a.mrc" else None)))

    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_is_no_single_image(name, write):
    with pytest.raises(Refusal, match="single image") as refused:
        read_image(write(name, frames=3))
    assert refused.value.reason == "not_a_single_image"


@pytest.mark.parametrize("name", STACKS + PICTURES)
def test_a_single_image_is_no_tilt_series(name, write):
    with pytest.raises(Refusal) as refused:
        probe_file(write(name), "tilt_series")
    assert refused.value.reason == "wrong_modality"


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.dm4", "a_1.ser", "velox.emd", "a.hspy"])
def test_a_blank_image_is_refused_when_its_pixels_are_read(name, write, stack):
    path = write(name)
    raw, pixels = path.read_bytes(), {stack[0].tobytes(), stack[0].astype(">u2").tobytes()}
    stored = next(pixel for pixel in pixels if pixel in raw)
    path.write_bytes(raw.replace(stored, bytes(len(stored))))

    assert probe_file(path).shape == (6, 9)
    with pytest.raises(Refusal) as refused:
        read_image(path)
    assert (refused.value.reason, refused.value.file) == ("blank_image", path.name)


def test_a_frame_of_a_stack_may_be_blank_and_the_rest_goes_on(tmp_path, stack):
    frames = stack.copy()
    frames[1] = 7
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")

    assert len(list(read_frames(tmp_path / "a.tif"))) == 3


@pytest.mark.parametrize("name", STACKS)
def test_frames_can_be_left_before_the_end(name, write):
    path = write(name, frames=3)
    frames = read_frames(path)
    next(frames)
    frames.close()

    path.unlink()
