"""A folder of labelled micrographs, and fields simulated beside them, become a training set."""

import shutil
from itertools import groupby

import dagster as dg
import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.defs.hrtem import training_set as training_set_module
from nanodefect_assets.defs.hrtem.training_set import TrainingSetConfig, training_set
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.samples.annotations import annotations
from nanodefect_assets.defs.samples.intake import intake
from nanodefect_assets.defs.samples.manifest import manifest
from nanodefect_assets.defs.samples.micrographs import micrographs
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.patches import SIDES, UNLABELLED
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

SMALL = {"patch_px": 32, "field_px": 64, "pixel_size_nm": [0.05, 0.05], "diameter_nm": [1.0, 1.2], "materials": ["Au"]}
LABELS_ONLY = {"patch_px": 32, "n_simulated": 0, "run_size": "full"}
THREE_CLASSES = {"class_names": ["support", "alumina", "Pt"], "class_values": {"alumina": [1], "Pt": [2]}}
YAML = """\
batch: {}
material: Pt on alumina
files:
  - {{path: "*.tif", modality: hrstem, pixel_size_nm: 0.2}}
  - {{path: "labels/*.png", modality: labels, particle_values: [2]}}
"""
N_SLICES = 8


def slice_of(number):
    """Return a slice and its classes: alumina (1) above, in it a particle of Pt (2) that moves from slice to slice."""
    rng = np.random.default_rng([7, number])
    classes = np.zeros((64, 64), dtype=np.uint8)
    classes[:40] = 1
    classes[20 + number : 30 + number, 20:34] = 2
    return (100 + 40 * classes + rng.normal(0, 5, classes.shape)).astype(np.float32), classes


def drop(home, batch, slices):
    """Drop labelled slices, given as (counts, classes), and take them in."""
    folder = home.landing / batch
    (folder / "labels").mkdir(parents=True)
    for number, (counts, classes) in enumerate(slices):
        tifffile.imwrite(folder / f"{number}.tif", counts)
        Image.fromarray(classes).save(folder / "labels" / f"{number}.png")
    (folder / "batch.yaml").write_text(YAML.format(batch))
    place = Place(batch=batch, aliquot="end")
    resources = {"home": HomeResource(root=str(home.root)), "compute": Compute()}
    with dg.DagsterInstance.ephemeral() as instance:
        register_places(instance, (place,))
        assert dg.materialize([intake], instance=instance, resources=resources, partition_key=batch).success
        dg.materialize(
            [intake, manifest, micrographs, annotations],
            selection=[manifest, micrographs, annotations],
            instance=instance,
            resources=resources,
            partition_key=sample_key(place),
        )


def spoilt_slices():
    """Return slices of which the first has an unknown class and the third is the second, in other bytes."""
    slices = [slice_of(number) for number in range(4)]
    slices[0][1][0, 0] = 9
    slices[2] = (slices[1][0].astype(np.float64), slices[2][1])
    return slices


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("labelled") / "home").prepare()
    drop(home, "labelled", [slice_of(number) for number in range(N_SLICES)])
    drop(home, "spoilt", spoilt_slices())
    return home


@pytest.fixture
def labelled(taken_in, tmp_path):
    shutil.copytree(taken_in.root, tmp_path / "copy")
    return Home(tmp_path / "copy")


def make(home, *, run_size="fast", **config):
    """Materialise the training set; return Dagster's result, and the reader of what it made."""
    result = dg.materialize(
        [training_set, *(dg.AssetSpec(key) for key in training_set.dependency_keys)],
        selection=[training_set],
        resources={"home": HomeResource(root=str(home.root), run_size=run_size), "compute": Compute()},
        run_config={"ops": {"hrtem__training_set": {"config": config}}},
    )
    return result, PatchSetReader(in_force(home).folder / FOLDER)


def in_force(home):
    found = current_generation(home, AssetName(group="hrtem", noun="training_set"), Place())
    assert found is not None
    return found


def rows(home):
    return in_force(home).rows(schemas.TRAINING_MICROGRAPHS)


class PowerCut(Exception):
    """Stands for whatever stops a run."""


def note(made, simulate, field, which):
    made.append(which["number"])
    return simulate(field, **which)


def checks(result):
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


def metadata(result):
    (made,) = result.asset_materializations_for_node("hrtem__training_set")
    return {name: value.value for name, value in made.metadata.items()}


# Simulated fields


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Home with a set of simulated fields alone."""
    home = Home(tmp_path_factory.mktemp("simulated") / "home").prepare()
    result, reader = make(home, n_simulated=6, **SMALL)
    return home, result, reader


def test_a_set_is_made_without_any_batch(simulated):
    home, result, reader = simulated

    assert checks(result) == dict.fromkeys(
        ("items_accepted", "every_class_present", "sides_apart", "particle_share"), True
    )
    assert [reader.n_patches(side) > 0 for side in SIDES] == [True] * 3
    assert set(rows(home)["is_simulated"]) == {True}
    assert reader.read("train").sources[0].material == "Au"
    assert "preview" in metadata(result)


def test_the_same_seed_makes_the_same_set_and_another_seed_another(simulated, tmp_path):
    _, result, _ = simulated
    same, _ = make(Home(tmp_path / "same").prepare(), n_simulated=6, **SMALL)
    other, _ = make(Home(tmp_path / "other").prepare(), n_simulated=6, field_seed=5, **SMALL)

    assert metadata(same)["fingerprint"] == metadata(result)["fingerprint"]
    assert metadata(other)["fingerprint"] != metadata(result)["fingerprint"]


def test_an_interrupted_set_goes_on_from_the_fields_it_has(home, monkeypatch):
    from nanodefect_assets.science.synthetic import training_fields

    made = []
    simulate = training_fields.simulate_field

    def until_the_power_fails(field, **which):
        if len(made) == 4:
            raise PowerCut
        return note(made, simulate, field, which)

    monkeypatch.setattr(training_fields, "simulate_field", until_the_power_fails)
    with pytest.raises(PowerCut):
        make(home, n_simulated=6, **SMALL)
    first, made[:] = set(made), []
    monkeypatch.setattr(training_fields, "simulate_field", lambda field, **which: note(made, simulate, field, which))
    make(home, n_simulated=6, **SMALL)

    assert len(first) == 4
    assert set(made) == set(range(6)) - first


def test_a_larger_run_adds_fields_to_those_of_a_smaller_one():
    assert TrainingSetConfig().n_simulated is None
    fast, study = (training_set_module._n_simulated(TrainingSetConfig(), size) for size in ("fast", "study"))
    assert 0 < fast < study


# Labelled batches


def test_labelled_slices_are_parted_in_blocks_with_the_classes_of_the_configuration(labelled):
    result, reader = make(labelled, batches=["labelled"], **THREE_CLASSES, **LABELS_ONLY)

    side_of = rows(labelled).set_index("micrograph_id")["side"]
    in_order = [side_of[f"labelled/end/{number}.tif"] for number in range(N_SLICES)]
    runs = [side for side, _ in groupby(side for side in in_order if side in SIDES)]
    assert sorted(runs) == sorted(SIDES), "contiguous blocks"
    assert checks(result)["every_class_present"]
    train = reader.read("train")
    assert train.class_names == ("support", "alumina", "Pt")
    for group, name in enumerate(train.micrograph_ids):
        _, classes = slice_of(int(name.rsplit("/", 1)[-1].removesuffix(".tif")))
        n_pixels = train.subset([group]).n_pixels
        assert n_pixels["Pt"] == np.count_nonzero(classes == 2)
        assert n_pixels["alumina"] == np.count_nonzero(classes == 1)


def test_what_a_batch_declares_to_be_particle_is_the_second_class(labelled):
    _, reader = make(labelled, batches=["labelled"], split="random", unlabelled_values=[1], **LABELS_ONLY)

    found = rows(labelled)
    assert set(found["n_particle"]) == {140}
    assert set(found["material"]) == {"Pt on alumina"}
    train = reader.read("train")
    assert np.count_nonzero(train.classes == UNLABELLED) > train.n_pixels["particle"]


def test_labels_and_simulated_fields_are_mixed(labelled):
    make(labelled, batches=["labelled"], n_simulated=3, run_size="full", **SMALL)

    assert rows(labelled).groupby("is_simulated")["n_patches"].count().to_dict() == {False: N_SLICES, True: 3}


def test_bad_labels_are_set_aside_with_their_reasons(labelled):
    result, _ = make(labelled, batches=["spoilt"], **THREE_CLASSES, **LABELS_ONLY)

    refused = in_force(labelled).rows(schemas.REFUSED).set_index("item")
    assert refused["reason"].to_dict() == {
        "spoilt/end/labels/0.png": "unknown_class",
        "spoilt/end/labels/2.png": "same_image",
    }
    assert "9" in refused["got"]["spoilt/end/labels/0.png"]
    assert not checks(result)["items_accepted"]
    assert len(rows(labelled)) == 2


def test_nothing_to_train_on_is_refused_and_the_earlier_set_stays(home):
    make(home, n_simulated=4, **SMALL)
    before = in_force(home).record.name

    with pytest.raises(Refusal, match="modality: labels"):
        make(home, n_simulated=0)

    assert in_force(home).record.name == before


def test_simulated_particles_need_a_class(home):
    with pytest.raises(Refusal, match="n_simulated"):
        make(home, class_names=["support", "alumina", "Pt"], class_values={"alumina": [1], "Pt": [2]})


def test_a_batch_that_is_not_there_is_named(home):
    with pytest.raises(Refusal, match="pd-2021"):
        make(home, batches=["pd-2021"], n_simulated=0)
