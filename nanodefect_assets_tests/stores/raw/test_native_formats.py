"""Every small file of a real instrument: what is read from it, or why it is refused."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file, read_frames

TABLE = json.loads((Path(__file__).parents[2] / "references" / "native-formats.json").read_text())
EXPECTED = {row["file"]: row for row in TABLE["accepted"]}
REFUSED = {row["file"]: row for row in TABLE["refused"]}
SAID_AT = [name for name, row in EXPECTED.items() if isinstance(row["said"], dict)]
NM_PER_UNIT = {"nm": 1.0, "um": 1e3, "m": 1e9}
NOT_IMAGES = {".rawtlt", ".txt", ".mdoc", ".zip", ""}
ZIPPED = {
    "FEI-Helios-Ebeam-16bits.tif": ((471, 512), 3372.4, 5, 29),
    "FEI-Helios-Ebeam-8bits.tif": ((471, 512), 3372.4, 5, 29),
    "FEI-Helios-navcam.tif": ((551, 768), 263974.284, None, 39),
    "FEI-Helios-navcam-with-no-IRBeam.tif": ((551, 768), None, None, 39),
    "FEI-Helios-navcam-with-no-IRBeam-bad-floats.tif": ((551, 768), None, None, 39),
    "TVIPS_bin4.tif": ((1024, 1024), 1.42080367, 99, 0),
}
"""Shape, pixel size in nm, voltage in kV and rows of the data bar."""


@pytest.mark.parametrize("name", EXPECTED)
def test_header_of_a_real_file_is_read_right(name, native_formats):
    expected, facts = EXPECTED[name], probe_file(native_formats / name)
    voltage_kv = expected["voltage_kv"]

    assert (facts.kind, list(facts.shape)) == (expected["kind"], expected["shape"])
    assert facts.acquisition.pixel_size_nm == pytest.approx(expected["pixel_size_nm"], rel=1e-5)
    assert facts.acquisition.voltage_kv == (None if voltage_kv is None else pytest.approx(voltage_kv))


@pytest.mark.parametrize("name", SAID_AT)
def test_pixel_sizes_of_the_table_stand_in_the_bytes_of_the_files(name, native_formats):
    said = EXPECTED[name]["said"]
    (value,) = struct.unpack_from(said["as"], (native_formats / name).read_bytes(), said["at_byte"])

    assert value * NM_PER_UNIT[said["unit"]] == pytest.approx(EXPECTED[name]["pixel_size_nm"], rel=1e-5)


@pytest.mark.parametrize("name", [name for name in EXPECTED if "DM_Series_Test" not in name])
def test_frames_of_a_real_file_are_those_that_its_header_promises(name, native_formats):
    facts = probe_file(native_formats / name)
    frames = list(read_frames(native_formats / name))

    assert len(frames) == facts.n_frames
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {(facts.shape[-2:], facts.dtype)}


@pytest.mark.parametrize("name", REFUSED)
def test_axis_and_unit_traps_are_refused_with_what_was_read(name, native_formats):
    with pytest.raises(Refusal) as refused:
        probe_file(native_formats / name)

    assert refused.value.reason == REFUSED[name]["reason"]
    assert REFUSED[name]["got"] in refused.value.got


def test_every_real_file_is_in_a_table(native_formats):
    images = {
        path.relative_to(native_formats).as_posix()
        for path in native_formats.rglob("*")
        if path.is_file() and path.suffix not in NOT_IMAGES and path.name != "README.md"
    }

    assert images == EXPECTED.keys() | REFUSED.keys()


def test_the_real_tilt_series_has_the_angles_of_its_frames_not_those_of_another_size(native_formats):
    facts = probe_file(native_formats / "etspy" / "HAADF.dm3", "tilt_series")
    beside = np.loadtxt(native_formats / "etspy" / "HAADF.rawtlt")

    assert facts.tilt_angles_deg is not None
    np.testing.assert_allclose(facts.tilt_angles_deg, np.arange(-90, 91, 2))
    assert set(beside) < set(facts.tilt_angles_deg)
    assert any("77 angles for 91 frames" in note for note in facts.notes)


def test_stage_tilt_of_single_images_of_a_series_is_read(native_formats):
    folder = native_formats / "etspy" / "DM_Series_Test"
    tilts_deg = [probe_file(path).acquisition.stage_tilt_deg for path in sorted(folder.glob("*.dm3"))]

    assert tilts_deg == pytest.approx([-72.003, -69.004, -66.004], abs=1e-3)


def test_strontium_titanate_has_its_lattice_in_the_right_pixel_size(native_formats):
    """The first order of the 3.905 angstrom lattice lies at 39.0 px: an independent check of the pixel size."""
    path = native_formats / "openncem" / "16_STOimage_1.ser"
    (image,) = read_frames(path)
    size_nm = probe_file(path).acquisition.pixel_size_nm
    power = np.abs(np.fft.rfft2(image - image.mean())) ** 2
    power[:, 0] = 0
    frequency = np.hypot(np.fft.fftfreq(1024)[:, np.newaxis], np.fft.rfftfreq(1024))
    power[frequency < 1 / 80] = 0
    period_px = 1 / frequency.flat[np.argmax(power)]

    ratio = period_px * size_nm / 0.3905
    assert min(abs(ratio - 1), abs(ratio - 2**-0.5), abs(ratio - 0.5)) < 0.03


def test_a_berkeley_image_is_not_mirrored(native_formats):
    """Its axes are named Y and X in this order; reading it transposed would invert every handedness."""
    import h5py

    path = native_formats / "openncem" / "Acquisition_18.emd"
    with h5py.File(path) as file:
        stored, first = file["data/single/data"][()], file["data/single/dim1"].attrs["name"]
    (image,) = read_frames(path)

    assert first == b"Y"
    np.testing.assert_array_equal(image, stored)


@pytest.mark.parametrize("name", ZIPPED)
def test_zipped_files_of_scanning_microscopes_and_cameras(name, native_formats, tmp_path):
    shape, pixel_size_nm, voltage_kv, bar_rows = ZIPPED[name]
    archive = "TVIPS_bin4.zip" if name.startswith("TVIPS") else "tiff_FEI_Helios.zip"
    with zipfile.ZipFile(native_formats / "rosettasciio" / archive) as zipped:
        path = tmp_path / name
        path.write_bytes(zipped.read(name))
    facts = probe_file(path)

    with tifffile.TiffFile(path) as file:
        assert file.pages.first.shape == shape
    assert (facts.shape, facts.data_bar_rows) == ((shape[0] - bar_rows, shape[1]), bar_rows)
    assert facts.acquisition.pixel_size_nm == (None if pixel_size_nm is None else pytest.approx(pixel_size_nm))
    assert facts.acquisition.voltage_kv == voltage_kv
    if "Ebeam" in name:
        assert facts.acquisition.stage_x_nm == pytest.approx(25760)
        assert facts.acquisition.stage_y_nm == pytest.approx(-194177)
    if name.startswith("FEI"):
        with pytest.raises(Refusal, match="contrast"):
            next(read_frames(path))


@pytest.mark.parametrize(
    ("name", "x_nm", "y_nm"),
    [
        ("etspy/DM_Series_Test/BF_001.dm3", -22152, 403532),
        ("particlespy/JEOL HAADF Image.dm4", -32380.2, 13298.6),
        ("rosettasciio/test_tiff_Zeiss_SEM_1k.tif", 75644200, 60490100),
        ("openncem/Camera Ceta Imaging Micro.emd", 576.81, 13.77),
        ("particlespy/SiO2 HAADF Image.hspy", -385457.19, -290873.59),
        ("openncem/16_STOimage_1.ser", None, None),
    ],
)
def test_the_stage_position_of_a_real_file_is_read_in_its_unit(name, x_nm, y_nm, native_formats):
    found = probe_file(native_formats / name).acquisition

    assert (found.stage_x_nm, found.stage_y_nm) == ((None, None) if x_nm is None else pytest.approx((x_nm, y_nm)))
