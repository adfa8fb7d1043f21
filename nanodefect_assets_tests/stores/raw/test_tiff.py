import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames, read_image


@pytest.fixture
def image(stack):
    return stack[0]


def _size_nm(path):
    return probe_file(path).acquisition.pixel_size_nm


@pytest.mark.parametrize(
    ("unit", "per_unit", "expected_nm"),
    [
        ("nm", 4.0, 0.25),
        ("micron", 4000.0, 0.25),
        ("um", 4000.0, 0.25),
        ("\\u00B5m", 4000.0, 0.25),
        ("angstrom", 0.4, 0.25),
        ("cm", 4e7, 0.25),
        ("mm", 4e6, 0.25),
        ("pixel", 1.0, None),
        ("", 4.0, None),
    ],
)
def test_unit_of_imagej_is_understood(unit, per_unit, expected_nm, image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})

    assert _size_nm(tmp_path / "a.tif") == (None if expected_nm is None else pytest.approx(expected_nm))


@pytest.mark.parametrize("dpi", [1, 72, 96, 300, 1200, 4800])
@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER", "NONE"])
def test_resolution_for_printers_is_no_calibration(dpi, unit, image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, resolution=(dpi, dpi), resolutionunit=unit)

    assert _size_nm(tmp_path / "a.tif") is None


def test_resolution_in_centimetres_below_a_micrometre_is_a_calibration(image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, resolution=(4e7, 4e7), resolutionunit="CENTIMETER")

    assert _size_nm(tmp_path / "a.tif") == pytest.approx(0.25)


def test_a_plain_file_has_no_calibration(image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image)

    assert _size_nm(tmp_path / "a.tif") is None


def test_ome_states_its_physical_size(image, tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "pm"}
    metadata |= {"PhysicalSizeY": 250.0, "PhysicalSizeYUnit": "pm"}
    tifffile.imwrite(tmp_path / "a.tif", image, ome=True, metadata=metadata)

    assert _size_nm(tmp_path / "a.tif") == pytest.approx(0.25)


def _private(x_nm, y_nm, unit="nm"):
    text = unit.encode("utf-8")
    return [
        (65003, 2, len(text), text, False),
        (65004, 2, len(text), text, False),
        (65009, 12, 1, x_nm, False),
        (65010, 12, 1, y_nm, False),
    ]


def test_tags_of_digitalmicrograph_give_a_size_for_each_axis(image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=_private(0.2502, 0.2498))

    assert _size_nm(tmp_path / "a.tif") == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("x_nm", "y_nm", "unit", "reason"),
    [
        (0.25, 0.3, "nm", "pixels_not_square"),
        (-0.25, -0.25, "nm", "bad_pixel_size"),
        (float("nan"), 0.25, "nm", "bad_pixel_size"),
        (float("inf"), float("inf"), "nm", "bad_pixel_size"),
        (0.25, 0.25, "1/nm", "diffraction_pattern"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(x_nm, y_nm, unit, reason, image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=_private(x_nm, y_nm, unit))

    with pytest.raises(Refusal) as refused:
        probe_file(tmp_path / "a.tif")
    assert refused.value.reason == reason


@pytest.mark.parametrize("orientation", [1, 4])
def test_orientation_tells_where_the_first_row_is(orientation, image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=[(274, 3, 1, orientation, True)])

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image if orientation == 1 else image[::-1])


@pytest.mark.parametrize("orientation", [2, 3, 5, 8])
def test_mirrored_and_turned_images_are_refused(orientation, image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=[(274, 3, 1, orientation, True)])

    with pytest.raises(Refusal, match="Orientation"):
        probe_file(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pixels_come_in_the_type_of_the_file_and_the_order_of_the_machine(dtype, byteorder, image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image.astype(dtype), byteorder=byteorder)
    read = read_image(tmp_path / "a.tif")

    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("compression", ["zlib", None])
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"rowsperstrip": 2}, {"bigtiff": True}])
def test_storage_does_not_matter(compression, options, stack, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", compression=compression, **options)

    np.testing.assert_array_equal(list(read_frames(tmp_path / "a.tif")), stack)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_pages_that_other_programs_packed_are_read(compression, stack, tmp_path):
    pages = [Image.fromarray(frame) for frame in stack.astype(np.uint8)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression=compression)

    np.testing.assert_array_equal(list(read_frames(tmp_path / "a.tif")), stack)


@pytest.mark.parametrize("axis", [-1, 0])
def test_coloured_pictures_are_refused(axis, image, tmp_path):
    colours = np.stack([image, image + 1, image], axis=axis).astype(np.uint8)
    planar = "contig" if axis == -1 else "separate"
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", planarconfig=planar)

    assert probe_file(tmp_path / "a.tif").shape == (6, 9)
    with pytest.raises(Refusal) as refused:
        read_image(tmp_path / "a.tif")
    assert refused.value.reason == "coloured_image"


def test_white_for_the_least_is_turned_into_brightness(image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image.astype(np.uint8), photometric="miniswhite")

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 255 - image)


def test_a_grey_palette_is_applied(image, tmp_path):
    ramp = np.linspace(65535, 0, 256).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image.astype(np.uint8), photometric="palette", colormap=np.stack([ramp] * 3))

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 255 - image)


def test_images_of_different_shapes_in_one_file_are_refused(image, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(image)
        writer.write(image[:4])

    with pytest.raises(Refusal) as refused:
        probe_file(tmp_path / "a.tif")
    assert refused.value.reason == "several_images"


@pytest.mark.parametrize("metadata", [None, {}])
def test_frames_written_one_by_one_are_a_stack(metadata, stack, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in stack:
            writer.write(frame, contiguous=False, metadata=metadata)

    assert probe_file(tmp_path / "a.tif").kind == "image_stack"
    np.testing.assert_array_equal(list(read_frames(tmp_path / "a.tif")), stack)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_grey_in_planes_is_grey(planar, image, tmp_path):
    planes = np.stack([image.astype(np.uint8)] * 3, axis=-1 if planar == "contig" else 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig=planar)

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_a_thumbnail_is_left_aside(image, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(image)
        writer.write(image[::2, ::2], subfiletype=1)

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_channels_times_slices_are_refused(stack, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([stack, stack]), imagej=True, metadata={"axes": "TZYX"})

    with pytest.raises(Refusal) as refused:
        probe_file(tmp_path / "a.tif")
    assert refused.value.reason == "too_many_axes"


def test_complex_pixels_are_refused(image, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image.astype(np.complex64))

    with pytest.raises(Refusal) as refused:
        probe_file(tmp_path / "a.tif")
    assert refused.value.reason == "complex_image"


def test_a_file_of_two_series_never_opens_another_file(image, tmp_path):
    """The XML of OME-TIFF may name further files; they are not opened."""
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="6" SizeZ="2" SizeC="1" SizeT="1">'
        '<TiffData IFD="0" FirstZ="0"/><TiffData FirstZ="1" IFD="0"><UUID FileName="../secret.tif">urn:uuid:1</UUID>'
        "</TiffData></Pixels></Image></OME>"
    )
    tifffile.imwrite(tmp_path / "a.tif", image, description=text, metadata=None)

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)
