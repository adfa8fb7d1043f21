"""Files beside an image file: tilt angles, SerialEM's mdoc, the EMI of a series."""

import shutil

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import probe_file

SECTION = "[ZValue = {z}]\nTiltAngle = {tilt}\nMagnification = 115000\nExposureDose = 2.5\nExposureTime = 0.5\n\n"
HEAD = "PixelSpacing = 2.5\nVoltage = 300\nImageFile = a.mrc\nImageSize = 9 6\nDataMode = 1\n\n"
AXIS = "[T =     Tilt axis angle = -90.0, binning = 2  spot = 7  camera = 0]\n\n"


def _mdoc(tilts_deg, order=None, head=HEAD):
    order = range(len(tilts_deg)) if order is None else order
    return head + AXIS + "".join(SECTION.format(z=z, tilt=tilts_deg[z]) for z in order)


@pytest.mark.parametrize("name", ["a.mrc", "a.dm3", "a.dm4", "velox.emd", "berkeley.emd", "a.hspy"])
@pytest.mark.parametrize("suffix", [".rawtlt", ".tlt"])
def test_angles_beside_a_stack_make_it_a_tilt_series(name, suffix, write):
    path = write(name, frames=3)
    path.with_suffix(suffix).write_text(" -60.00\n   0.50\n  60.00\n\n")
    facts = probe_file(path)

    assert (facts.kind, facts.tilt_angles_deg) == ("tilt_series", (-60.0, 0.5, 60.0))


@pytest.mark.parametrize("name", ["a.mrc", "a.dm3", "berkeley.emd", "a.hspy"])
def test_a_stack_without_angles_is_a_stack(name, write):
    facts = probe_file(write(name, frames=3))

    assert (facts.kind, facts.tilt_angles_deg) == ("image_stack", None)


@pytest.mark.parametrize("n_angles", [1, 2, 4])
def test_too_few_or_too_many_angles_are_refused(n_angles, write):
    path = write("a.mrc", frames=3)
    path.with_suffix(".rawtlt").write_text("".join(f"{10 * index}\n" for index in range(n_angles)))

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == "tilt_angle_count"
    assert (refused.value.expected[0], refused.value.got[0]) == ("3", str(n_angles))


@pytest.mark.parametrize("text", ["a\nb\nc\n", "0\nnan\n10\n", "0\n1e9\n10\n", "0 1\n10 2\n20 3\n"])
def test_angles_that_are_none_are_refused(text, write):
    path = write("a.mrc", frames=3)
    path.with_suffix(".rawtlt").write_text(text)

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == "bad_tilt_angles"


def test_own_tilts_of_velox_frames_are_used_if_the_file_beside_does_not_fit(write):
    path = write("velox.emd", frames=3)
    own = probe_file(path)
    path.with_suffix(".rawtlt").write_text("0\n1\n")
    facts = probe_file(path)

    assert own.tilt_angles_deg == facts.tilt_angles_deg == (0.0, 10.0, 20.0)
    assert any("2 angles for 3 frames" in note for note in facts.notes)


@pytest.mark.parametrize("name", ["a.mrc.mdoc", "a.mdoc"])
def test_mdoc_of_serialem_is_read(name, write):
    path = write("a.mrc", frames=3)
    path.with_name(name).write_text(_mdoc([-60, 0, 60]))
    facts = probe_file(path)

    assert facts.tilt_angles_deg == (-60.0, 0.0, 60.0)
    assert facts.acquisition.model_dump(exclude_none=True) == pytest.approx(
        {
            "pixel_size_nm": 0.25,
            "voltage_kv": 300.0,
            "dose_e_per_nm2": 250.0,
            "exposure_s": 0.5,
            "magnification": 115000.0,
            "tilt_axis_deg": -90.0,
            "row_order": "bottom",
        }
    )


def test_sections_in_the_order_of_acquisition_belong_to_the_frames_they_name(write):
    path = write("a.mrc", frames=3)
    path.with_name("a.mrc.mdoc").write_text(_mdoc([-60, 0, 60], order=[1, 2, 0]))

    assert probe_file(path).tilt_angles_deg == (-60.0, 0.0, 60.0)


def test_frames_at_one_tilt_are_no_tilt_series(write):
    path = write("a.mrc", frames=3)
    path.with_name("a.mrc.mdoc").write_text(_mdoc([12.5, 12.5, 12.5]))
    facts = probe_file(path)

    assert (facts.kind, facts.acquisition.stage_tilt_deg) == ("image_stack", 12.5)


@pytest.mark.parametrize(
    ("spacing_angstrom", "size", "expected_nm"), [(7.88, "9 6", 0.788), (7.88, "1024 1024", None), (0, "9 6", None)]
)
def test_spacing_of_the_mdoc_counts_where_the_header_has_none(spacing_angstrom, size, expected_nm, write):
    path = write("a.mrc", frames=3)
    content = bytearray(path.read_bytes())
    content[40:52] = bytes(12)
    path.write_bytes(content)
    head = f"PixelSpacing = {spacing_angstrom}\nImageSize = {size}\n\n"
    path.with_name("a.mrc.mdoc").write_text(_mdoc([0, 1, 2], head=head))

    assert probe_file(path).acquisition.pixel_size_nm == (None if expected_nm is None else pytest.approx(expected_nm))


def test_header_and_mdoc_that_disagree_are_refused_with_both_values(write):
    path = write("a.mrc", frames=3)
    path.with_name("a.mrc.mdoc").write_text(_mdoc([0, 1, 2], head=HEAD.replace("2.5", "5.0")))

    with pytest.raises(Refusal) as refused:
        probe_file(path)
    assert refused.value.reason == "conflicting_calibration"
    assert "0.25" in refused.value.expected
    assert "0.5" in refused.value.got


def test_real_mdocs_of_frames_at_one_tilt(native_formats, tmp_path):
    """The image files to these were not published: they are made here to fit."""
    import mrcfile

    frames = np.random.default_rng(0).integers(0, 99, (2, 1024, 1024)).astype(np.int16)
    for number in range(3):
        name = f"test_{number:03d}.mrc"
        mrcfile.write(tmp_path / name, frames)
        shutil.copy(native_formats / "etspy" / "SerialEM_Multiframe_Test" / f"{name}.mdoc", tmp_path)
    every = [probe_file(path) for path in sorted(tmp_path.glob("*.mrc"))]

    assert {facts.kind for facts in every} == {"image_stack"}
    assert [facts.acquisition.pixel_size_nm for facts in every] == pytest.approx([0.788] * 3)
    assert [facts.acquisition.tilt_axis_deg for facts in every] == [-90.0] * 3
    tilts_deg = [facts.acquisition.stage_tilt_deg for facts in every]
    assert np.all(np.diff(tilts_deg) != 0)


def _emi(mode, camera=True):
    entries = [("Mode", mode, ""), ("High tension", 200, "kV"), ("Magnification", 5500, "x"), ("Stage A", 12.5, "deg")]
    labels = "".join(f"<Data><Label>{k}</Label><Value>{v}</Value><Unit>{unit}</Unit></Data>" for k, v, unit in entries)
    described = f"<ExperimentalDescription><Root>{labels}</Root></ExperimentalDescription>"
    name = "<CameraNamePath>BM-Ceta</CameraNamePath>" if camera else ""
    acquired = f"<AcquireInfo><DwellTimePath>0.05</DwellTimePath>{name}</AcquireInfo>"
    return b"JK\0\2" + bytes(100) + f"<ObjectInfo>{described}{acquired}</ObjectInfo>".encode()


def test_emi_beside_a_series_tells_how_it_was_taken(write):
    path = write("a_1.ser")
    (path.parent / "a.emi").write_bytes(_emi("TEM uP SA Zoom Image"))
    stated = probe_file(path).acquisition

    assert (stated.voltage_kv, stated.magnification) == (200, 5500)
    assert (stated.stage_tilt_deg, stated.exposure_s) == (12.5, 0.05)
    assert probe_file(path.parent / "a.emi") == probe_file(path)


@pytest.mark.parametrize(
    ("mode", "expected"), [("TEM uP SA Zoom Image", "SER"), ("STEM nP SA Zoom Diffraction", "SER (STEM)")]
)
def test_emi_beside_a_series_tells_whether_it_was_scanned(mode, expected, write):
    path = write("a_1.ser")
    (path.parent / "a.emi").write_bytes(_emi(mode, camera=False))

    assert probe_file(path).format == expected


def test_the_second_object_of_an_emi_belongs_to_the_second_series(write):
    path = write("a_1.ser")
    (path.parent / "a.emi").write_bytes(_emi("TEM Image") + bytes(5 * 2**20) + _emi("TEM Diffraction"))
    second = path.rename(path.with_name("a_2.ser"))

    with pytest.raises(Refusal) as refused:
        probe_file(second)
    assert refused.value.reason == "diffraction_pattern"


@pytest.mark.parametrize(
    ("mode", "camera", "is_image"),
    [
        ("TEM uP SA Zoom Image", True, True),
        ("TEM uP SA Zoom Diffraction", True, False),
        ("STEM nP SA Zoom Diffraction", False, True),
        ("STEM nP SA Zoom Diffraction", True, False),
    ],
)
def test_diffraction_patterns_are_told_from_images_by_the_mode(mode, camera, is_image, write):
    path = write("a_1.ser")
    (path.parent / "a.emi").write_bytes(_emi(mode, camera))

    if is_image:
        assert probe_file(path).acquisition.pixel_size_nm == pytest.approx(0.25)
    else:
        with pytest.raises(Refusal, match="diffraction"):
            probe_file(path)


def test_an_emi_without_its_series_is_refused(tmp_path):
    (tmp_path / "a.emi").write_bytes(_emi("TEM Image"))

    with pytest.raises(Refusal) as refused:
        probe_file(tmp_path / "a.emi")
    assert refused.value.reason == "missing_companion"


def test_the_stage_position_in_an_mdoc_is_that_of_a_single_image(write):
    section = "[ZValue = {}]\nStagePosition = -15.99 8.5\n"
    path = write("a.mrc")
    path.with_name("a.mrc.mdoc").write_text(section.format(0))
    found = probe_file(path).acquisition
    path.unlink()
    write("a.mrc", frames=2)
    path.with_name("a.mrc.mdoc").write_text(section.format(0) + section.format(1))

    assert (found.stage_x_nm, found.stage_y_nm) == pytest.approx((-15990, 8500))
    assert probe_file(path).acquisition.stage_x_nm is None
