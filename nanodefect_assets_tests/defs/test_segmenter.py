"""Networks are trained, judged, put in use, and used."""

import shutil

import dagster as dg
import numpy as np
import pytest

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.hrtem.contenders import gather
from nanodefect_assets.defs.hrtem.finding import ParticleFinder, SegmentationConfig
from nanodefect_assets.defs.hrtem.networks import SEGMENTER, network_of
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.resources import Compute
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import open_tracking
from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader
from nanodefect_assets.stores.registry import champion_of, decision_of, model_in_use, model_version

pytestmark = pytest.mark.slow

SET = {
    "patch_px": 64,
    "n_simulated": 12,
    "field_px": 64,
    "pixel_size_nm": [0.05, 0.05],
    "diameter_nm": [1.0, 1.2],
    "materials": ["Au"],
}
TRAINING = {"n_repeats": 2, "max_epochs": 3, "steps_per_epoch": 3, "n_per_batch": 4}
EASY = {"min_dice": 0.0, "min_recall": 0.0, "min_precision": 0.0}
UNET = Place(study="unet")


def make(home, *assets, partition=None, config=None):
    """Materialise assets by name and return whether that worked, with what the failures say."""
    ops = {name.replace("/", "__"): {"config": values} for name, values in (config or {}).items()}
    with open_instance(home) as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(name.split("/")) for name in assets],
            instance=instance,
            partition_key=partition,
            run_config={"ops": ops, "resources": {"compute": {"config": {"threads": 1, "device": "cpu"}}}},
            raise_on_error=False,
        )
    failures = result.filter_events(lambda event: event.is_step_failure)
    return result, " ".join(event.step_failure_data.error.to_string() for event in failures)


def rows(home, asset, table, place=UNET):
    return current_generation(home, AssetName(group="hrtem", noun=asset), place).rows(table)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Home with a training set of simulated fields, a small network trained on it, and that one in use."""
    home = Home(tmp_path_factory.mktemp("trained") / "home").prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANODEFECT_HOME", str(home.root))
        patch.setenv("DAGSTER_HOME", str(home.dagster))
        assert make(home, "hrtem/training_set", config={"hrtem/training_set": SET})[0].success
        assert make(home, "hrtem/segmenter", partition="unet", config={"hrtem/segmenter": TRAINING})[0].success
        config = {"hrtem/champion_segmenter": EASY | {"version": "1", "override_reason": "the first one"}}
        assert make(home, "hrtem/champion_segmenter", config=config)[0].success
    return home


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.setenv("NANODEFECT_HOME", str(trained.root))
    monkeypatch.setenv("DAGSTER_HOME", str(trained.dagster))
    return trained


def test_every_repeat_is_a_row_and_the_best_one_is_registered(trained):
    found = rows(trained, "segmenter", schemas.TRAININGS)
    registered = found[found["model_version"].notna()]

    assert sorted(found["repeat"]) == [0, 1]
    assert list(found["n_parameters"]) == [65490, 65490]
    assert list(registered["validation_loss"]) == [found["validation_loss"].min()]


def test_scores_count_every_labelled_pixel_of_the_test_side_once(trained):
    made = current_generation(trained, AssetName(group="hrtem", noun="training_set"), Place())
    test = PatchSetReader(made.folder / FOLDER).read("test")
    scores = rows(trained, "segmenter", schemas.MODEL_SCORES)
    n_px = ["n_true_positive", "n_false_positive", "n_false_negative", "n_true_negative"]

    one = scores[(scores["mlflow_run_id"] == scores["mlflow_run_id"].iloc[0]) & (scores["class_name"] == "particle")]
    assert int(one[n_px].to_numpy().sum()) == int((test.classes != 255).sum())
    assert int((one["n_true_positive"] + one["n_false_negative"]).sum()) == int((test.classes == 1).sum())


def test_mlflow_has_curves_pictures_and_fingerprint_of_every_repeat(here):
    client = open_tracking(here)
    for run_id in rows(here, "segmenter", schemas.TRAININGS)["mlflow_run_id"]:
        run = client.get_run(run_id)
        names = {found.path for found in client.list_artifacts(run_id)}
        assert {"curves.png", "precision_recall.png", "overlays.png", "environment.txt"} <= names
        assert len(client.get_metric_history(run_id, "validation_loss")) == 3
        assert run.data.tags["nanodefect/data_fingerprint"]
        assert "mlflow.parentRunId" in run.data.tags


def test_the_model_in_use_knows_what_it_was_trained_on(trained):
    record = model_in_use(trained, SEGMENTER).record

    assert record.pixel_size_range_nm == (0.05, 0.05)
    assert record.modalities == ("hrtem",)
    assert record.materials == ("Au",)
    assert record.is_simulated_training
    assert record.gate is not None
    assert rows(trained, "champion_segmenter", schemas.CHAMPIONS, Place())["reason"].iloc[0].startswith("by hand")


def test_a_stored_network_says_what_the_trained_one_said(trained):
    from nanodefect_assets.science.learning.apply import judge

    made = current_generation(trained, AssetName(group="hrtem", noun="training_set"), Place())
    test = PatchSetReader(made.folder / FOLDER).read("test")
    _, counts = judge(network_of(model_version(trained, SEGMENTER, "1")), test)
    found = rows(trained, "segmenter", schemas.TRAININGS)
    best = found[found["model_version"] == "1"]["mlflow_run_id"].iloc[0]
    scores = rows(trained, "segmenter", schemas.MODEL_SCORES)
    scores = scores[(scores["mlflow_run_id"] == best) & (scores["class_name"] == "particle")]

    assert counts.pooled[1, 1] == scores["n_true_positive"].sum()
    assert counts.pooled[0, 1] == scores["n_false_positive"].sum()


def test_the_same_seed_gives_the_same_scores_and_equal_ones_are_not_promoted(here):
    before = rows(here, "segmenter", schemas.MODEL_SCORES).drop(columns="mlflow_run_id")
    assert make(here, "hrtem/segmenter", partition="unet", config={"hrtem/segmenter": TRAINING})[0].success
    after = rows(here, "segmenter", schemas.MODEL_SCORES).drop(columns="mlflow_run_id")

    assert before.equals(after)
    assert make(here, "hrtem/champion_segmenter", config={"hrtem/champion_segmenter": EASY})[0].success
    assert champion_of(here, SEGMENTER).version == "1"
    decision = decision_of(here, SEGMENTER, "2")
    assert not decision.is_promoted
    assert decision.difference_interval == (0.0, 0.0)


def test_a_model_that_fails_its_checks_leaves_the_earlier_one_in_use(here):
    config = {"hrtem/champion_segmenter": {"min_dice": 1.0, "version": model_before(here)}}
    assert make(here, "hrtem/champion_segmenter", config=config)[0].success

    assert champion_of(here, SEGMENTER).version == "1"


def model_before(home):
    """Return a version that is not in use."""
    newest = max(int(found.version) for found in open_tracking(home).search_model_versions(f"name='{SEGMENTER}'"))
    return str(newest if newest > 1 else 2)


def field(pixel_size_nm=0.05, modality="hrtem", seed=0):
    counts = np.random.default_rng(seed).normal(100, 10, (96, 80)).astype(np.float32)
    return Micrograph(micrograph_id="b/end/a.tif", counts=counts, pixel_size_nm=pixel_size_nm, modality=modality)


def finder(home, **config):
    model = model_in_use(home, SEGMENTER)
    return ParticleFinder(SegmentationConfig(**config), model, material="Au", compute=Compute(threads=1, device="cpu"))


def test_the_model_is_used_for_what_it_was_trained_on_and_named(here):
    found = finder(here).find(field())

    assert (found.row["segmenter_name"], found.row["segmenter_version"]) == (SEGMENTER, "1")
    assert found.row["mlflow_run_id"]
    assert found.maps["p_particle"].shape == found.labels.shape == (96, 80)
    np.testing.assert_array_equal(found.labels > 0, (found.labels > 0) & (found.maps["p_particle"] >= 127))
    assert finder(here).find(field(modality="hrstem")).row["segmenter_name"] == "otsu_intensity"
    assert finder(here, segmenter="classical").find(field()).row["segmenter_name"] == "otsu_local_std"


@pytest.mark.parametrize("pixel_size_nm", [None, 0.2])
def test_a_micrograph_unlike_the_training_is_marked_withheld_or_left_to_a_classical_method(here, pixel_size_nm):
    odd = field(pixel_size_nm)

    assert "pixel size" in finder(here).find(odd).row["unlike_training"]
    assert finder(here, when_unlike="classical").find(odd).row["segmenter_name"] == "otsu_local_std"
    with pytest.raises(Refusal, match="when_unlike: flag"):
        finder(here, when_unlike="withhold").find(odd)


def test_an_uncalibrated_micrograph_may_be_let_through_by_choice(here):
    assert finder(here, uncalibrated_is_unlike=False).find(field(None)).row["unlike_training"] is None


def test_a_network_that_is_asked_for_must_be_there():
    with pytest.raises(Refusal, match="hrtem/champion_segmenter"):
        ParticleFinder(SegmentationConfig(segmenter="network"), None, material=None, compute=Compute())


def test_a_spread_is_kept_where_the_network_looked_more_than_once(here):
    found = finder(here, n_transforms=4).find(field())

    assert found.maps["spread"].max() > 0


@pytest.fixture
def parted_anew(trained, tmp_path, monkeypatch):
    """Home whose training set was parted anew after version 1 was trained: some of what it saw is held out now."""
    home = Home(tmp_path / "home")
    shutil.copytree(trained.root, home.root)
    monkeypatch.setenv("NANODEFECT_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    config = {"hrtem/training_set": SET | {"split_seed": 3, "test_fraction": 0.4}}
    assert make(home, "hrtem/training_set", config=config)[0].success
    return home


def test_what_a_model_has_seen_judges_neither_it_nor_what_began_with_it(parted_anew):
    made = current_generation(parted_anew, AssetName(group="hrtem", noun="training_set"), Place())
    test = set(PatchSetReader(made.folder / FOLDER).read("test").micrograph_ids)
    first = model_version(parted_anew, SEGMENTER, "1").record
    seen = {name for name in test if first.has_seen(name)}
    assert 0 < len(seen) < len(test)

    config = {"hrtem/segmenter": TRAINING | {"start_version": "1", "n_repeats": 1}}
    assert make(parted_anew, "hrtem/segmenter", partition="unet", config=config)[0].success
    newest = rows(parted_anew, "segmenter", schemas.TRAININGS)["model_version"].iloc[0]

    assert set(rows(parted_anew, "segmenter", schemas.MODEL_SCORES)["micrograph_id"]) == test - seen
    assert set(first.seen) < set(model_version(parted_anew, SEGMENTER, newest).record.seen)
    assert f"not judged on {len(seen)} of the held-out" in gather(parted_anew).missing["unet"]
    assert make(parted_anew, "hrtem/champion_segmenter", config={"hrtem/champion_segmenter": EASY})[0].success
    compared_on = decision_of(parted_anew, SEGMENTER, newest).compared_on
    assert compared_on.startswith(f"{len(test - seen)} held-out micrographs of ")
    assert "seen" not in compared_on
