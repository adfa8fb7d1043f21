import json

import mrcfile
import numpy as np
import pytest
import tifffile
from pydantic import ValidationError

from nanodefect_assets.science.crystal.layered import twinned_particle
from nanodefect_assets.science.crystal.params import CrystalParams
from nanodefect_assets.stores.labels import read_label_image, read_particle_classes
from nanodefect_assets.stores.raw.read import probe_file, read_coordinates, read_frames, read_image
from nanodefect_assets.stores.simulated import (
    write_batch_yaml,
    write_coordinates,
    write_json_truth,
    write_labels,
    write_mrc,
    write_particle_truth,
    write_tiff,
    write_tilt_series,
)


@pytest.fixture
def counts(rng):
    return rng.poisson(np.arange(30 * 40).reshape(30, 40) / 10).astype(np.float32)


@pytest.mark.parametrize(("write", "ending"), [(write_tiff, ".tif"), (write_mrc, ".mrc")])
@pytest.mark.parametrize("is_whole", [True, False])
def test_images_come_back_upright_with_their_calibration(tmp_path, counts, write, ending, is_whole):
    path = tmp_path / f"a{ending}"
    counts = counts if is_whole else counts + np.float32(0.25)
    write(path, counts, pixel_size_nm=0.0437)

    np.testing.assert_array_equal(read_image(path), counts)
    assert probe_file(path).acquisition.pixel_size_nm == pytest.approx(0.0437, rel=1e-4)


def test_a_tilt_series_comes_back_with_all_that_was_said(tmp_path, rng):
    frames = rng.poisson(50, (5, 20, 24)).astype(np.float32)
    tilts_deg = np.array([60.0, 30.5, 0.25, -30.0, -61.0])
    path = tmp_path / "series.mrc"
    write_tilt_series(path, frames, tilts_deg, pixel_size_nm=0.035, voltage_kv=200, dose_e_per_nm2=61224.5)

    facts = probe_file(path, "tilt_series")

    assert facts.kind == "tilt_series"
    assert facts.tilt_angles_deg == pytest.approx(tuple(tilts_deg))
    assert facts.acquisition.pixel_size_nm == pytest.approx(0.035)
    assert facts.acquisition.voltage_kv == 200
    assert facts.acquisition.dose_e_per_nm2 == pytest.approx(61224.5, rel=1e-4)
    np.testing.assert_array_equal(np.stack(list(read_frames(path, "tilt_series"))), frames)


@pytest.mark.parametrize("beside", [".rawtlt", ".mrc.mdoc"])
def test_either_file_beside_a_series_has_its_angles(tmp_path, rng, beside):
    frames, tilts_deg = rng.poisson(9, (3, 20, 24)).astype(np.float32), np.array([-20.0, 0.0, 20.0])
    write_tilt_series(tmp_path / "s.mrc", frames, tilts_deg, pixel_size_nm=0.035, voltage_kv=200, dose_e_per_nm2=1000)
    (tmp_path / f"s{beside}").unlink()

    assert probe_file(tmp_path / "s.mrc", "tilt_series").tilt_angles_deg == pytest.approx(tuple(tilts_deg))


def test_angles_must_fit_the_frames(tmp_path):
    with pytest.raises(ValueError, match="each of 3 frames"):
        write_tilt_series(
            tmp_path / "s.mrc", np.ones((3, 8, 8)), np.zeros(2), pixel_size_nm=1, voltage_kv=200, dose_e_per_nm2=1
        )


def test_files_do_not_tell_when_they_were_written(tmp_path, counts):
    write_tiff(tmp_path / "a.tif", counts, pixel_size_nm=0.05)
    write_mrc(tmp_path / "a.mrc", counts, pixel_size_nm=0.05)

    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert "DateTime" not in tiff.pages.first.tags
    with mrcfile.open(tmp_path / "a.mrc") as mrc:
        assert mrc.get_labels() == ["Simulated by nanodefect_assets"]


def test_labels_come_back(tmp_path):
    labels = np.arange(12).reshape(3, 4) * 1000
    write_labels(tmp_path / "a.png", labels)

    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), labels)
    with pytest.raises(ValueError, match="at most 65535 labels"):
        write_labels(tmp_path / "b.png", labels * 100)


def test_coordinates_come_back_with_their_labels(tmp_path):
    from ase.io import read

    structure = twinned_particle(CrystalParams(diameter_angstrom=15))
    write_coordinates(tmp_path / "a.xyz", structure)

    found = read_coordinates(tmp_path / "a.xyz")
    assert found.species == tuple(structure.species)
    np.testing.assert_allclose(found.positions_angstrom, structure.positions_angstrom, atol=1e-6)
    atoms = read(tmp_path / "a.xyz", format="extxyz")
    np.testing.assert_array_equal(atoms.arrays["grain"], structure.grain)
    np.testing.assert_array_equal(atoms.arrays["defect"], structure.defect)
    assert atoms.info["is_simulated"]


def test_planted_classes_can_be_read_as_an_experts(tmp_path):
    rows = [
        {"micrograph": "a.tif", "particle": 2, "class": "misoriented", "zone": "<110>"},
        {"micrograph": "b.tif", "particle": 1, "class": "agglomeration", "zone": "[0001]"},
    ]
    write_particle_truth(tmp_path / "particles.csv", rows)

    found = read_particle_classes(tmp_path / "particles.csv")
    assert found["micrograph"].tolist() == ["a.tif", "b.tif"]
    assert found["label"].tolist() == [2, 1]
    assert found["class_name"].tolist() == ["misoriented", "agglomeration"]


def test_planted_numbers_are_kept_whole(tmp_path):
    write_json_truth(tmp_path / "a.json", {"shifts_px": np.array([[1.0, 0.1], [2.5, -3.0]]), "pixel": 0.35})

    assert json.loads((tmp_path / "a.json").read_text()) == {"shifts_px": [[1.0, 0.1], [2.5, -3.0]], "pixel": 0.35}


def test_a_batch_yaml_that_the_door_would_not_understand_is_not_written(tmp_path):
    with pytest.raises(ValidationError, match="modality"):
        write_batch_yaml(tmp_path, {"batch": "a", "files": [{"path": "a.tif", "modality": "photo"}]})
    assert not list(tmp_path.iterdir())
