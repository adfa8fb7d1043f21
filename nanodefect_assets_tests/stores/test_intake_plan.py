import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.batch_yaml import parse_batch_yaml
from nanodefect_assets.stores.intake_plan import plan_batch
from nanodefect_assets.stores.landing import survey
from nanodefect_assets.stores.probing import read_tilt_angles

SILICON = """3

Si 0.0 0.0 0.0
Si 0.0 0.0 2.35
Si 0.0 2.35 0.0
"""


def plan(folder, entries, **given):
    spec = parse_batch_yaml("batch: pd-1\nfiles:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
    return plan_batch(folder, spec, survey(folder), **given)


def reasons(planned):
    return {file.path: file.reason for file in planned.refused}


@pytest.fixture
def folder(tmp_path, rng):
    image = rng.integers(0, 1000, (32, 24)).astype("uint16")
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "b.tif", image, imagej=True, resolution=(50, 50), metadata={"unit": "nm"})
    Image.fromarray((image > 500).astype("uint8")).save(tmp_path / "a_mask.png")
    return tmp_path


def test_real_files_are_read_as_their_entries_say(folder):
    planned = plan(
        folder,
        [
            "path: a.tif, modality: sem, pixel_size_nm: 0.5, row_order: bottom",
            "path: b.tif, modality: hrtem",
            "path: '*.png', modality: labels, particle_values: [1]",
        ],
    )
    files = {file.path: file.manifest_file("0" * 64, "r0001") for file in planned.files}

    assert planned.refused == ()
    assert (files["a.tif"].acquisition.pixel_size_nm, files["a.tif"].acquisition.row_order) == (0.5, "bottom")
    assert files["b.tif"].acquisition.pixel_size_nm == pytest.approx(0.02)
    assert (files["a.tif"].calibration_source, files["b.tif"].calibration_source) == ("batch.yaml", "file")
    assert (files["a_mask.png"].label_of, files["a_mask.png"].particle_values) == ("a.tif", (1,))
    assert files["a.tif"].shape == files["a_mask.png"].shape == (32, 24)


def test_labels_of_another_shape_are_refused(folder):
    Image.fromarray(np.eye(5, dtype="uint8")).save(folder / "b_mask.png")
    planned = plan(folder, ["path: '*.tif', modality: sem, pixel_size_nm: 0.02", "path: '*.png', modality: labels"])

    assert reasons(planned) == {"b_mask.png": "label_shape"}


def test_a_micrograph_given_for_labels_is_refused(folder, rng):
    Image.fromarray(rng.integers(0, 255, (96, 96)).astype("uint8")).save(folder / "b_mask.png")
    entries = ["path: '*.tif', modality: sem, pixel_size_nm: 0.02", "path: a_mask.png, modality: labels"]

    assert reasons(plan(folder, [*entries, "path: b_mask.png, modality: labels"])) == {"b_mask.png": "not_a_mask"}


def test_labels_without_a_particle_are_labels(folder):
    labels = "path: '*.png', modality: labels, particle_values: [255, 7]"
    planned = plan(folder, ["path: '*.tif', modality: sem, pixel_size_nm: 0.02", labels])

    assert reasons(planned) == {}, "a micrograph may hold no particle"


def test_labels_of_a_refused_micrograph_are_refused_with_it(folder):
    planned = plan(folder, ["path: '*.tif', modality: sem", "path: '*.png', modality: labels"])

    assert reasons(planned) == {"a.tif": "uncalibrated", "a_mask.png": "label_without_micrograph"}


def test_labels_find_only_micrographs_of_their_aliquot(folder):
    planned = plan(
        folder,
        [
            "path: '*.tif', modality: sem, aliquot: 8 h, pixel_size_nm: 0.02",
            "path: '*.png', modality: labels, aliquot: 9 h",
        ],
    )

    assert reasons(planned) == {"a_mask.png": "label_without_micrograph"}
    assert planned.refused[0].got == "a.tif, which is of the aliquot 8 h"


def test_coordinates_in_voxels_are_read_with_their_unit(folder):
    voxel_angstrom = 0.5
    (folder / "si.xyz").write_text(SILICON)
    (folder / "voxels.xyz").write_text(SILICON.replace("2.35", str(2.35 / voxel_angstrom)))
    planned = plan(
        folder,
        [
            "path: '*.tif', modality: sem, pixel_size_nm: 0.02",
            "path: '*.png', modality: labels",
            "path: si.xyz, modality: coordinates",
            f"path: voxels.xyz, modality: coordinates, length_unit: {voxel_angstrom} angstrom",
        ],
    )

    assert reasons(planned) == {}
    assert [file.facts.shape for file in planned.files if file.path.endswith("xyz")] == [(3, 3), (3, 3)]


def test_coordinates_of_an_unlikely_unit_are_refused(folder):
    (folder / "voxels.xyz").write_text(SILICON.replace("2.35", "7.0"))
    planned = plan(folder, ["path: voxels.xyz, modality: coordinates"])

    assert "voxels.xyz" in reasons(planned)


def series(path, entry):
    return RawFacts(format="", kind="image_stack", shape=(3, 4, 4), dtype="")


def test_angles_come_from_the_file_that_batch_yaml_names(tmp_path):
    (tmp_path / "x.mrc").write_text("")
    (tmp_path / "angles.txt").write_text("-60\n0\n60.5\n")
    entry = "path: x.mrc, modality: tilt_series, uncalibrated: true, tilt_angles_file: angles.txt"
    planned = plan(tmp_path, [entry], probe=series)

    assert planned.files[0].agreed.tilt_angles_deg == (-60, 0, 60.5)
    assert planned.sidecars == ("angles.txt",)


def test_angles_behind_a_link_are_not_read(tmp_path):
    (tmp_path / "x.mrc").write_text("")
    (tmp_path / "angles.txt").symlink_to("/etc/passwd")
    entry = "path: x.mrc, modality: tilt_series, uncalibrated: true, tilt_angles_file: angles.txt"
    planned = plan(tmp_path, [entry], probe=series)

    assert reasons(planned) == {"angles.txt": "not_a_file", "x.mrc": "sidecar_refused"}


def test_sidecars_of_a_refused_file_are_refused_with_it(tmp_path):
    (tmp_path / "x.mrc").write_text("")
    (tmp_path / "x.mrc.mdoc").write_text("")
    planned = plan(tmp_path, ["path: x.mrc, modality: tilt_series, uncalibrated: true"], probe=series)

    assert reasons(planned) == {"x.mrc": "no_tilt_angles", "x.mrc.mdoc": "sidecar_of_refused"}


@pytest.mark.parametrize("text", ["", "a", "1 2 x", "400", "nan", "1e400"])
def test_what_is_no_list_of_angles_is_refused(tmp_path, text):
    (tmp_path / "angles.txt").write_text(text)

    with pytest.raises(Refusal, match=r"one angle of -360 to 360 degrees on each line of angles.txt"):
        read_tilt_angles(tmp_path / "angles.txt", "angles.txt")
