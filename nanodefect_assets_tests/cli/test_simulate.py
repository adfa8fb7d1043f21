import csv
import hashlib
import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from nanodefect_assets.cli.simulate import SOLIDS, TRUTH, simulate_batches
from nanodefect_assets.science.synthetic.batch_params import SimulateParams
from nanodefect_assets.stores.batch_yaml import read_batch_yaml
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.labels import read_label_image, read_particle_classes
from nanodefect_assets.stores.raw.read import read_coordinates
from nanodefect_assets.stores.revisions import current_manifest, raw_path

EVERYTHING = {
    "kinds": ("hrtem", "hrstem", "tilt_series", "coordinates"),
    "n_micrographs": 2,
    "n_pixels": 128,
    "n_particles": 3,
    "n_tilts": 5,
    "diameter_nm": (1.6, 2.2),
    "growth_times": ("1 h", "8 h"),
}


def simulated(out, **settings):
    steps = []
    folders = simulate_batches(out, SimulateParams(**(EVERYTHING | settings)), steps.append)
    return folders, steps


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("written"))


@pytest.mark.parametrize("material", ["au", "pd", "cdse"])
def test_the_door_takes_in_everything_and_knows_that_it_is_simulated(home, written, material):
    folder = next(folder for folder in written[0] if f"-{material}-" in folder.name)

    accept_batch(home, folder)
    manifest = current_manifest(home, folder.name)

    assert manifest.refused == ()
    assert manifest.aliquots == ("t0003600", "t0028800")
    assert all(file.is_simulated for file in manifest.files)
    counts = {
        modality: sum(file.modality == modality for file in manifest.files)
        for modality in ("hrtem", "hrstem", "labels", "tilt_series", "coordinates")
    }
    assert counts == {"hrtem": 4, "hrstem": 4, "labels": 8, "tilt_series": 4, "coordinates": 2}
    for file in manifest.files:
        if file.modality in ("hrtem", "hrstem", "tilt_series"):
            assert file.acquisition.pixel_size_nm
            assert file.acquisition.voltage_kv
            assert file.acquisition.dose_e_per_nm2
        assert raw_path(home, manifest, file).exists()


def test_the_same_seed_writes_the_same_bytes_and_another_others(tmp_path):
    settings = {"materials": ("CdSe",), "growth_times": (), "n_micrographs": 1}
    for out in ("first", "again"):
        simulated(tmp_path / out, **settings)
    simulated(tmp_path / "other", seed=7, **settings)

    assert digests(tmp_path / "first") == digests(tmp_path / "again")
    first, other = tmp_path / "first/sim-cdse-2021", tmp_path / "other/sim-cdse-7"
    assert digests(first).keys() == digests(other).keys()
    assert all(
        digests(first)[path] != digests(other)[path] for path in digests(first) if path.endswith((".tif", ".mrc"))
    )


def test_an_item_does_not_depend_on_what_else_is_written(tmp_path, written):
    simulated(tmp_path, materials=("Pd",), kinds=("hrstem",), n_micrographs=1)
    alone = digests(tmp_path / "sim-pd-2021")
    among_others = digests(next(folder for folder in written[0] if "-pd-" in folder.name))

    assert {path for path in alone if path.endswith(".mrc")} == {"1h/hrstem-000.mrc", "8h/hrstem-000.mrc"}
    assert all(among_others[path] == digest for path, digest in alone.items() if path.endswith((".mrc", ".png")))


def test_the_planted_particles_are_those_of_the_labels(written):
    for folder in written[0]:
        truth = folder / TRUTH / "particles.csv"
        classes = read_particle_classes(truth)
        for micrograph, rows in classes.groupby("micrograph"):
            aliquot, name = micrograph.split("/")
            labels = read_label_image(folder / aliquot / "labels" / f"{name.rsplit('.')[0]}.png")
            assert set(np.unique(labels[labels > 0])) <= set(rows["label"])
        with truth.open() as file:
            planted = list(csv.DictReader(file))
        assert {row["material"].lower() for row in planted} == {folder.name.split("-")[1]}
        assert {row["micrograph"] for row in planted} <= {entry.path for entry in read_spec(folder).files}


def read_spec(folder):
    return read_batch_yaml(folder / "batch.yaml")[0]


def test_sizes_grow_over_the_aliquots(tmp_path):
    simulated(tmp_path, materials=("Pd",), kinds=("coordinates",), diameter_nm=(1.5, 3.0), faulted_fraction=0)
    n_atoms = [
        len(read_coordinates(tmp_path / f"sim-pd-2021/{time}/coordinates-000.xyz").species) for time in ("1h", "8h")
    ]

    assert n_atoms[1] > 3 * n_atoms[0]


def test_planted_alignment_lies_beside_the_series(written):
    folder = written[0][0]
    planted = json.loads((folder / TRUTH / "1h" / "tilt-000.json").read_text())
    atoms = read_coordinates(folder / TRUTH / "1h" / "tilt-000.xyz")

    assert np.shape(planted["euler_deg"]) == (5, 3)
    assert np.shape(planted["shifts_px"]) == (5, 2)
    assert np.shape(planted["drift_px"]) == (5, 2, 2)
    assert len(atoms.species) > 50


def test_progress_counts_every_item(written):
    steps = written[1]

    assert [step.done for step in steps] == list(range(len(steps)))
    assert {step.total for step in steps} == {len(steps)}
    assert len(steps) == 3 * 2 * (2 + 2 + 1 + 1)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "sim-cdse-2021").mkdir()

    with pytest.raises(FileExistsError, match="never overwritten"):
        simulated(tmp_path)
    assert not (tmp_path / "sim-au-2021").exists()


def test_a_batch_that_was_left_unfinished_is_begun_anew_and_seen_only_when_whole(tmp_path):
    unfinished = tmp_path / ".sim-cdse-2021"
    unfinished.mkdir()
    (unfinished / "half.tif").write_bytes(b"II")
    seen = []
    params = SimulateParams(**(EVERYTHING | {"materials": ("CdSe",), "kinds": ("coordinates",)}))

    (folder,) = simulate_batches(tmp_path, params, lambda _: seen.append((tmp_path / "sim-cdse-2021").exists()))

    assert seen == [False, False]
    assert not unfinished.exists()
    assert not (folder / "half.tif").exists()


def test_coordinates_are_shaken_and_their_kind_lies_beside_them(written):
    folder = next(folder for folder in written[0] if "-pd-" in folder.name)
    with (folder / TRUTH / SOLIDS).open() as file:
        solids = list(csv.DictReader(file))
    shown = [row for row in solids if row["path"].endswith(".xyz")]

    assert [row["sample"] for row in shown] == ["sim-pd-2021/t0003600", "sim-pd-2021/t0028800"]
    for row in shown:
        atoms = read_coordinates(folder / row["path"])
        assert len(atoms.species) == int(row["n_atoms"])
        nearest = cKDTree(atoms.positions_angstrom).query(atoms.positions_angstrom, k=2)[0][:, 1]
        # The nearest of up to twelve neighbours at 2.75 angstrom, each displaced by 0.08 along each axis.
        assert 0.03 < nearest.std() < 0.2
        assert nearest.mean() == pytest.approx(2.60, abs=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixel_size_nm": (0.06, 0.03)},
        {"dose_e_per_nm2": (0.0, 1.0)},
        {"growth_times": ("1 h", "60 min")},
        {"growth_times": ("noon",)},
        {"prefix": "../sim"},
        {"materials": ()},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        SimulateParams(**wrong)


def test_a_batch_of_more_particles_than_find_room_holds_as_many_as_do(tmp_path):
    crowded = {"kinds": ("hrtem", "hrstem"), "materials": ("CdSe",), "growth_times": (), "n_micrographs": 1}

    (folder,), _ = simulated(tmp_path, n_particles=60, **crowded)

    labels = [read_label_image(path) for path in sorted(folder.rglob("labels/*.png"))]
    assert len(labels) == 2
    assert all(0 < len(np.unique(image)) - 1 < 60 for image in labels)
