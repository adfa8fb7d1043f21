"""Faults through the assets: a small training set, its classifier and audit, and batches of which something is odd."""

import shutil
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pytest
import tifffile

from nanodefect_assets.defs.hrtem.fault_classifier import fault_classifier
from nanodefect_assets.defs.hrtem.label_audit import PAGE, label_audit
from nanodefect_assets.defs.hrtem.particle_classes import P_COLUMNS, particle_classes
from nanodefect_assets.defs.hrtem.particles import particles
from nanodefect_assets.defs.hrtem.region_training_set import region_training_set
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.defs.population.defect_rates import defect_rates
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.samples.intake import intake
from nanodefect_assets.defs.samples.manifest import manifest
from nanodefect_assets.defs.samples.micrographs import micrographs
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES
from nanodefect_assets.science.synthetic.micrographs import hrtem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams
from nanodefect_assets.stores.generations import current_generation, new_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.registry import model_in_use, model_version

SMALL_FIELDS = {
    "n_fields": 24,
    "field_px": 256,
    "pixel_size_nm": [0.04, 0.04],
    "diameter_nm": [1.8, 2.2],
    "overlap_fraction": 0.5,
    "materials": ["Au"],
    "field_seed": 7,
    "use_experts": False,
}
SMALL_FOREST = {"n_trees": 20, "compare_features": False, "min_balanced_accuracy": 0.0, "min_recall": 0.0}
FIELD = HrtemFieldParams(n_rows=320, n_cols=320, pixel_size_nm=0.04, n_particles=9, edge_on_fraction=0.6)
N_FRAMES = 6
YAML = """\
batch: {batch}
material: {material}
simulated: true
files:
  - {{path: "*.tif", modality: hrtem, pixel_size_nm: {pixel_size_nm}}}
"""


def make(assets, home, *, ops=None, **options):
    """Materialise assets; what they depend on is in the home."""
    outside = {key for asset in assets for key in asset.dependency_keys} - {asset.key for asset in assets}
    return dg.materialize(
        [*assets, *(dg.AssetSpec(key) for key in sorted(outside))],
        selection=list(assets),
        resources={"home": HomeResource(root=str(home.root)), "compute": Compute(), "tracking": Tracking()},
        run_config={"ops": {name: {"config": config} for name, config in (ops or {}).items()}},
        **options,
    )


def checks_of(result):
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def in_force(home, name, place=Place()):  # noqa: B008 - a frozen value
    group, noun = name.split("/")
    found = current_generation(home, AssetName(group=group, noun=noun), place)
    assert found is not None
    return found


def train(home, **fields):
    ops = {"hrtem__region_training_set": SMALL_FIELDS | fields, "hrtem__fault_classifier": SMALL_FOREST}
    return make([region_training_set, fault_classifier], home, ops=ops)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home = Home(tmp_path_factory.mktemp("trained") / "home").prepare()
        patch.setenv("NANODEFECT_HOME", str(home.root))
        return home, train(home)


@pytest.fixture
def trained(trained_once, tmp_path, monkeypatch):
    root = tmp_path / "trained"
    shutil.copytree(trained_once[0].root, root)
    monkeypatch.setenv("NANODEFECT_HOME", str(root))
    return Home(root)


# Training, judging, auditing


def test_a_training_set_parts_micrographs_and_keeps_every_region_with_its_class(trained_once):
    home, _ = trained_once
    rows = in_force(home, "hrtem/region_training_set").rows(schemas.TRAINING_REGIONS)

    assert set(rows["class_name"]) == set(FAULT_CLASSES)
    assert (rows.groupby("micrograph_id")["side"].nunique() == 1).all()
    assert set(rows["side"]) == {"train", "calibration", "test"}
    assert rows["is_simulated"].all()
    is_single = ~rows["class_name"].isin(["background", "agglomeration"])
    assert rows["misorientation_deg"].notna().equals(is_single)
    shows = rows[is_single]["misorientation_deg"] <= 3.0
    assert (shows == rows[is_single]["class_name"].isin(FAULT_CLASSES[:2])).all()


def test_what_is_registered_says_what_it_was_trained_on_and_how_it_confuses(trained_once):
    home, result = trained_once
    (made,) = result.asset_materializations_for_node("hrtem__fault_classifier")
    record = model_version(home, "fault_classifier", str(made.metadata["model_version"].value)).record
    source = in_force(home, "hrtem/region_training_set")
    rows, scores = (
        source.rows(schemas.TRAINING_REGIONS),
        in_force(home, "hrtem/fault_classifier").rows(schemas.FAULT_SCORES),
    )

    assert record.training_fingerprint == source.record.content_digest
    assert record.materials == ("Au",)
    confusion = np.array(record.architecture.params["confusion"])
    held_out = rows[rows["side"] == "test"]["class_name"].value_counts()
    assert confusion.sum(axis=1).tolist() == [held_out.get(name, 0) for name in FAULT_CLASSES]
    assert scores["n_regions"].sum() == confusion.sum()
    assert record.scores["balanced_accuracy"].value == pytest.approx(float(made.metadata["balanced_accuracy"].value))


def test_a_forest_that_is_not_surely_better_does_not_replace_the_one_that_ships(trained_once):
    home, result = trained_once
    (made,) = result.asset_materializations_for_node("hrtem__fault_classifier")

    assert made.metadata["is_promoted"].value is False
    assert model_in_use(home, "fault_classifier").version == "shipped"


def test_wrong_labels_stand_first_in_the_audit_and_on_its_page(trained):
    result = make([label_audit], trained, ops={"hrtem__label_audit": {"n_trees": 30}})

    found = in_force(trained, "hrtem/label_audit")
    rows = found.rows(schemas.LABEL_AUDIT).sort_values("doubt_rank")
    regions = in_force(trained, "hrtem/region_training_set").rows(schemas.TRAINING_REGIONS)
    assert result.success
    assert sorted(rows["region_id"]) == sorted(regions["region_id"])
    assert rows["doubt_rank"].tolist() == list(range(1, len(rows) + 1))
    assert rows["is_issue"].iloc[: rows["is_issue"].sum()].all()
    disagreed = rows[rows["class_name"] != rows["suggested_class"]]
    assert (disagreed["margin"] <= 0).all()
    page = (found.folder / PAGE).read_text()
    assert str(disagreed["region_id"].iloc[0]) in page
    assert page.count("data:image/png") == 1


# What is missing or odd


@dataclass(frozen=True, kw_only=True)
class Frame:
    counts: np.ndarray
    labels: np.ndarray


@pytest.fixture(scope="module")
def frames():
    made = [hrtem_field(FIELD, rng=np.random.default_rng([3, number])) for number in range(N_FRAMES)]
    return [Frame(counts=field.micrograph.counts, labels=field.labels) for field in made]


def classified(home, frames, *, batch="faults-1", material="Au", pixel_size_nm=0.04):
    """Take frames in, as a segmenter would label them; return classes, rates and the checks of both."""
    folder, place = home.landing / batch, Place(batch=batch, aliquot="end")
    folder.mkdir()
    for number, frame in enumerate(frames):
        tifffile.imwrite(folder / f"{number}.tif", frame.counts)
    (folder / "batch.yaml").write_text(YAML.format(batch=batch, material=material, pixel_size_nm=pixel_size_nm))
    with dg.DagsterInstance.ephemeral() as instance:
        register_places(instance, (place,))
        of_batch, of_sample = ({"instance": instance, "partition_key": key} for key in (batch, sample_key(place)))
        make([intake], home, **of_batch)
        make([manifest, micrographs], home, **of_sample)
        origin = Origin(asset=AssetName(group="hrtem", noun="segmentation"), place=place, code_version="1")
        with new_generation(home, origin) as out:
            out.n_items = len(frames)
            arrays = out.arrays("labels")
            for number, frame in enumerate(frames):
                arrays.add(f"{place.sample}/{number}.tif", frame.labels)
        done = make([particles, particle_classes], home, **of_sample)
        rates = make([defect_rates], home, **of_batch)
    return (
        in_force(home, "hrtem/particle_classes", place).rows(schemas.PARTICLE_CLASSES),
        in_force(home, "population/defect_rates", Place(batch=batch)).rows(schemas.DEFECT_RATES),
        checks_of(done) | checks_of(rates),
    )


def test_every_region_has_its_particle_and_its_probabilities(home, frames):
    classes, rates, _ = classified(home, frames)

    assert len(classes) > 3 * N_FRAMES
    assert classes[list(P_COLUMNS)].sum(axis=1).to_numpy() == pytest.approx(1)
    best = classes[list(P_COLUMNS)].to_numpy().argmax(axis=1)
    assert classes["class_name"].tolist() == [FAULT_CLASSES[at] for at in best]
    place = Place(batch="faults-1", aliquot="end")
    known = in_force(home, "hrtem/particles", place).rows(schemas.PARTICLES)["particle_id"]
    assert set(classes["particle_id"]) <= set(known)
    is_part = classes["kind"] == "part"
    assert (classes["region_id"] == classes["particle_id"]).equals(~is_part)
    assert set(rates["rate"]) == {"oriented", "faulted"}


def test_a_batch_without_particles_has_no_classes_no_rates_and_says_that_nothing_was_tested(home, frames):
    bare = [Frame(counts=frame.counts, labels=np.zeros_like(frame.labels)) for frame in frames]

    classes, rates, checks = classified(home, bare)

    assert (len(classes), len(rates)) == (0, 0)
    assert all(check.passed for check in checks.values())
    assert checks["every_aliquot_has_rates"].metadata["n_tested"].value == 0


def test_regions_at_the_border_are_classed_and_marked_and_do_not_count(home, frames):
    classes, rates, _ = classified(home, frames)

    cut = {
        f"faults-1/end/{number}.tif#{label}"
        for number, frame in enumerate(frames)
        for side in (frame.labels[0], frame.labels[-1], frame.labels[:, 0], frame.labels[:, -1])
        for label in np.unique(side[side > 0])
    }
    whole = classes[classes["kind"] == "particle"].set_index("particle_id")
    assert 0 < whole["touches_edge"].sum() < len(whole)
    assert set(whole.index[whole["touches_edge"]]) == cut & set(whole.index)
    assert (rates["n_left_out"] == whole["touches_edge"].sum()).all()
    assert (rates["n_particles"] == (~whole["touches_edge"]).sum()).all()


def test_pixels_of_another_size_than_those_of_the_training_have_no_rates_but_a_reason(home, frames):
    classes, rates, checks = classified(home, frames, pixel_size_nm=0.1)

    assert classes["unlike_training"].str.contains("pixel size 0.1 nm").all()
    assert not checks["like_the_training"].passed
    assert not checks["every_aliquot_has_rates"].passed
    assert rates["corrected"].isna().all()
    assert rates["refused"].str.contains("like those of the training").all()


def test_a_forest_that_never_saw_a_class_says_so_and_gives_no_rates(home, frames):
    result = train(home, backgrounds_per_field=0)

    check = checks_of(result)["every_class_on_every_side"]
    (made,) = result.asset_materializations_for_node("hrtem__fault_classifier")
    version = str(made.metadata["model_version"].value)
    assert not check.passed
    assert "background" not in check.metadata["counts"].value
    assert not made.metadata["is_promoted"].value
    confusion = np.array(model_version(home, "fault_classifier", version).record.architecture.params["confusion"])
    assert confusion[4].sum() == 0
