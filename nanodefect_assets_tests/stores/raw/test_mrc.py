import mrcfile
import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames, read_image


def _write(path, data, *, voxel_angstrom=2.5, **header):
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(data)
        mrc.voxel_size = voxel_angstrom
        for name, value in header.items():
            mrc.header[name] = value
    return path


def _patch(path, offset, raw):
    content = bytearray(path.read_bytes())
    content[offset : offset + len(raw)] = raw
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4", "f2"])
def test_types_of_mrc2014_are_read(dtype, stack, tmp_path):
    data = (stack % 100).astype(dtype)
    path = _write(tmp_path / "a.mrc", data)

    assert probe_file(path).dtype == np.dtype(dtype).name
    np.testing.assert_array_equal(list(read_frames(path, row_order="top")), data)


def test_big_endian_files_are_read(stack, tmp_path):
    native = _write(tmp_path / "a.mrc", stack)
    content = native.read_bytes()
    header = np.frombuffer(content[:208], "<u4").astype(">u4").tobytes() + b"MAP \x11\x11\0\0" + bytes(808)
    (tmp_path / "big.mrc").write_bytes(header + stack.astype(">u2").tobytes())

    np.testing.assert_array_equal(list(read_frames(tmp_path / "big.mrc")), stack[:, ::-1])
    assert probe_file(tmp_path / "big.mrc").acquisition.pixel_size_nm == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("stamp", "flags", "version", "expected"),
    [(True, 1, 0, "int8"), (True, 0, 20140, "uint8"), (False, 0, 20140, "int8"), (False, 0, 0, "uint8")],
)
def test_sign_of_bytes_is_what_imod_or_the_version_says(stamp, flags, version, expected, stack, tmp_path):
    path = _write(tmp_path / "a.mrc", stack[0].astype(np.int8), nversion=version)
    if stamp:
        _patch(path, 152, np.array([1146047817, flags], "<i4").tobytes())

    assert probe_file(path).dtype == expected


@pytest.mark.parametrize("offset", [28, 40])
def test_a_sampling_or_a_cell_of_zero_is_no_calibration(offset, stack, tmp_path):
    path = _patch(_write(tmp_path / "a.mrc", stack), offset, bytes(12))

    assert probe_file(path).acquisition.pixel_size_nm is None


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ((np.nan, np.nan, 1), "bad_pixel_size"),
        ((-9, -6, 1), "bad_pixel_size"),
        ((np.inf, 6, 1), "bad_pixel_size"),
        ((9, 12, 1), "pixels_not_square"),
        ((1e30, 1e30, 1), "bad_pixel_size"),
    ],
)
def test_a_cell_that_cannot_be_is_refused(cell, reason, stack, tmp_path):
    path = _patch(_write(tmp_path / "a.mrc", stack[0]), 40, np.array(cell, "<f4").tobytes())

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == reason


def test_pixels_square_within_a_percent_have_the_mean_size(stack, tmp_path):
    path = _patch(_write(tmp_path / "a.mrc", stack[0]), 40, np.array((9 * 2.51, 6 * 2.49, 1), "<f4").tobytes())

    assert probe_file(path).acquisition.pixel_size_nm == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, 2**30, "damaged_header"),
        (8, 2**30, "absurd_dimensions"),
        (8, 1000, "truncated_file"),
        (0, -1, "damaged_header"),
        (4, 0, "damaged_header"),
        (12, 77, "damaged_header"),
        (12, 4, "complex_image"),
        (64, 3, "damaged_header"),
        (92, 2**30, "truncated_file"),
        (92, -5, "damaged_header"),
    ],
)
def test_headers_that_cannot_be_are_refused_before_anything_is_allocated(offset, value, reason, stack, tmp_path):
    path = _patch(_write(tmp_path / "a.mrc", stack), offset, np.array([value], "<i4").tobytes())

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == reason


def test_serialem_extended_header_makes_a_tilt_series(stack, tmp_path):
    path = _write(tmp_path / "a.mrc", stack)
    content = bytearray(path.read_bytes())
    content[92:96], content[104:108] = np.array([6], "<i4").tobytes(), b"SERI"
    content[128:132] = np.array([2, 1], "<i2").tobytes()
    angles = np.array([-6000, 25, 6000], "<i2").tobytes()
    path.write_bytes(content[:1024] + angles + content[1024:])
    facts = probe_file(path)

    assert (facts.kind, facts.tilt_angles_deg) == ("tilt_series", (-60.0, 0.25, 60.0))
    np.testing.assert_array_equal(list(read_frames(path)), stack[:, ::-1])


@pytest.mark.parametrize("dtype", ["FEI1", "FEI2"])
def test_thermo_fisher_extended_header_is_read(dtype, stack, tmp_path):
    records = np.zeros(3, dtype=mrcfile.dtypes.get_ext_header_dtype(dtype.encode(), "<"))
    records["Metadata size"] = records.dtype.itemsize
    records["Alpha tilt"], records["HT"], records["Dose"] = [-3, 0, 3], 3e5, 2e20
    records["Pixel size X"] = records["Pixel size Y"] = 2.5e-10
    records["Magnification"], records["Integration time"] = 5e4, 0.5
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(stack)
        mrc.set_extended_header(records)
        mrc.header.exttyp = dtype.encode()
    facts = probe_file(tmp_path / "a.mrc")

    assert facts.tilt_angles_deg == (-3.0, 0.0, 3.0)
    stated = facts.acquisition.model_dump(exclude_none=True)
    assert stated == pytest.approx(
        {
            "pixel_size_nm": 0.25,
            "voltage_kv": 300.0,
            "dose_e_per_nm2": 200.0,
            "exposure_s": 0.5,
            "magnification": 5e4,
            "row_order": "bottom",
        }
    )


@pytest.mark.parametrize(("n_frames", "expected"), [(1, (12500, -3250)), (3, (None, None))])
@pytest.mark.parametrize("dtype", ["FEI1", "FEI2"])
def test_the_stage_of_a_single_image_is_in_metres(dtype, n_frames, expected, stack, tmp_path):
    records = np.zeros(n_frames, dtype=mrcfile.dtypes.get_ext_header_dtype(dtype.encode(), "<"))
    records["Metadata size"] = records.dtype.itemsize
    records["X-Stage"], records["Y-Stage"] = 1.25e-5, -3.25e-6
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(stack[:n_frames])
        mrc.set_extended_header(records)
        mrc.header.exttyp = dtype.encode()
    found = probe_file(tmp_path / "a.mrc").acquisition

    assert (found.stage_x_nm, found.stage_y_nm) == (expected if n_frames > 1 else pytest.approx(expected))


def test_old_fei_extended_header_is_read(stack, tmp_path):
    records = np.zeros((1024, 32), "<f4")
    records[:3, 0], records[:3, 8], records[:3, 10] = [-3, 0, 3], 0.5, 85.0
    records[:3, 11], records[:3, 12] = 2.5e-10, 5e4
    path = _write(tmp_path / "a.mrc", stack, voxel_angstrom=0)
    content = bytearray(path.read_bytes())
    content[92:96] = np.array([131072], "<i4").tobytes()
    path.write_bytes(content[:1024] + records.tobytes() + content[1024:])
    facts = probe_file(path)

    assert facts.tilt_angles_deg == (-3.0, 0.0, 3.0)
    assert facts.acquisition.pixel_size_nm == pytest.approx(0.25)
    assert facts.acquisition.tilt_axis_deg == pytest.approx(85.0)


def test_grey_in_three_channels_is_read(stack, tmp_path):
    path = _write(tmp_path / "a.mrc", stack[0].astype(np.int8))
    content = bytearray(path.read_bytes())
    content[12:16] = np.array([16], "<i4").tobytes()
    path.write_bytes(bytes(content[:1024]) + np.repeat(stack[0].astype(np.uint8), 3).tobytes())

    np.testing.assert_array_equal(read_image(path), stack[0, ::-1])


def test_a_label_of_serialem_tells_the_tilt_axis(stack, tmp_path):
    path = _write(tmp_path / "a.mrc", stack)
    with mrcfile.open(path, mode="r+") as mrc:
        mrc.add_label("Tilt axis angle = -90.5, binning = 2")

    assert probe_file(path).acquisition.tilt_axis_deg == -90.5
