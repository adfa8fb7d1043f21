"""Every small file of a real instrument through the landing folder, as a batch.yaml would say it."""

import json
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.revisions import raw_path

TABLE = json.loads((Path(__file__).parents[1] / "references" / "native-formats.json").read_text())
ROOMS = ("etspy", "openncem", "particlespy", "rosettasciio")
SEM = "rosettasciio/test_tiff_Zeiss_SEM_1k.tif"


def modality_of(name):
    return {"etspy/HAADF.dm3": "tilt_series", SEM: "sem"}.get(name, "hrstem")


def land(home, real_data, room, names, more=""):
    """Lay files of one folder into landing, each declared as it would be by whoever knows what it is."""
    folder = home.landing / room
    entries = ""
    for name in names:
        path = Path(name).relative_to(room)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real_data / "native_formats" / name, folder / path)
        if name not in TABLE["sidecars"] and path.suffix != ".mdoc":
            extra = more if name == "etspy/HAADF.dm3" else ""
            entries += f"  - {{path: {json.dumps(path.as_posix())}, modality: {modality_of(name)}{extra}}}\n"
    (folder / "batch.yaml").write_text(f"batch: {room}\nfiles:\n{entries}")
    return folder


@pytest.fixture(params=ROOMS)
def room(request):
    return request.param


def below(room, names):
    return {name for name in names if name.startswith(f"{room}/")}


def test_every_real_file_is_accepted_with_its_calibration_or_refused_with_its_reason(home, real_data, room):
    paths = (real_data / "native_formats" / room).rglob("*")
    every = sorted(path.relative_to(real_data / "native_formats").as_posix() for path in paths if path.is_file())
    done = accept_batch(home, land(home, real_data, room, every))

    found = {f"{room}/{file.path}": file for file in done.manifest.files}
    expected = {row["file"]: row for row in TABLE["accepted"] if row["file"] not in TABLE["sidecars"]}
    assert found.keys() == below(room, expected)
    for name, file in found.items():
        row = expected[name]
        assert list(file.shape) == row["shape"], name
        assert file.acquisition.pixel_size_nm == pytest.approx(row["pixel_size_nm"], rel=1e-5), name
        assert file.acquisition.voltage_kv == (row["voltage_kv"] and pytest.approx(row["voltage_kv"])), name
        assert (file.modality, file.calibration_source) == (modality_of(name), "file"), name
        assert (file.tilt_angles_deg is not None) == (row["kind"] == "tilt_series"), name
    reasons = {row["file"]: row["reason"] for row in TABLE["refused"]} | TABLE["no_images"]
    assert {f"{room}/{file.path}": file.reason for file in done.refused} == {
        name: reasons[name] for name in below(room, reasons)
    }
    kept = raw_path(home, done.manifest, done.manifest.files[0]).parents[len(Path(done.manifest.files[0].path).parts)]
    assert all((kept / "files" / Path(name).relative_to(room)).is_file() for name in below(room, TABLE["sidecars"]))


def test_the_table_has_every_real_file_once(real_data):
    folder = real_data / "native_formats"
    names = [row["file"] for row in (*TABLE["accepted"], *TABLE["refused"])] + list(TABLE["no_images"])
    names += [name for name in TABLE["sidecars"] if not name.endswith(".emi")]
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"README.md"}

    assert sorted(names) == sorted(found)


def test_the_real_tilt_series_has_the_angles_that_its_frames_carry(home, real_data):
    names = ["etspy/HAADF.dm3", "etspy/HAADF.rawtlt"]
    (file,) = accept_batch(home, land(home, real_data, "etspy", names)).manifest.files

    assert file.tilt_angles_deg == pytest.approx(np.arange(-90, 91, 2))


def test_angles_of_another_number_than_its_frames_are_refused_where_batch_yaml_insists(home, real_data):
    """The rawtlt beside the series is that of its alignment: 77 of the 91 images."""
    names = ["etspy/HAADF.dm3", "etspy/HAADF.rawtlt"]
    folder = land(home, real_data, "etspy", names, more=", tilt_angles_file: HAADF.rawtlt")

    with pytest.raises(Refusal, match="77"):
        accept_batch(home, folder)


def test_real_mdocs_calibrate_the_frames_beside_them(home, real_data, rng):
    """Their image files were not published: they are made here to fit."""
    names = sorted(below("etspy/SerialEM_Multiframe_Test", TABLE["no_images"]))
    names = [name for name in names if name.endswith(".mrc.mdoc")]
    folder = land(home, real_data, "etspy", names)
    images = folder / "SerialEM_Multiframe_Test"
    for name in names:
        frames = rng.integers(0, 99, (2, 1024, 1024)).astype(np.int16)
        mrcfile.write(images / Path(name).name.removesuffix(".mdoc"), frames)
    (folder / "batch.yaml").write_text("batch: etspy\nfiles: [{path: '**/*.mrc', modality: hrstem}]\n")
    done = accept_batch(home, folder)

    assert done.refused == ()
    assert [file.shape for file in done.manifest.files] == [(2, 1024, 1024)] * 3
    for file, name in zip(done.manifest.files, names, strict=True):
        tilts_deg = [
            float(line.partition("=")[2])
            for line in (real_data / "native_formats" / name).read_text().splitlines()
            if line.startswith("TiltAngle")
        ]
        assert file.acquisition.pixel_size_nm == pytest.approx(0.788), "PixelSpacing = 7.88 angstrom"
        assert file.acquisition.voltage_kv == 300
        assert file.acquisition.stage_tilt_deg == pytest.approx(tilts_deg[0])
