"""Segmenters trained on one training set, planted with known scores, are gathered and compared."""

import shutil
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pytest

from nanodefect_assets.defs.hrtem import contenders, networks
from nanodefect_assets.defs.hrtem.architecture_study import architecture_study
from nanodefect_assets.defs.hrtem.classical_segmenters import classical_segmenters
from nanodefect_assets.defs.hrtem.finding import ParticleFinder, SegmentationConfig
from nanodefect_assets.defs.hrtem.material_study import material_study
from nanodefect_assets.defs.hrtem.networks import SEGMENTER, segmenter_record
from nanodefect_assets.defs.hrtem.segmentation_benchmark import segmentation_benchmark
from nanodefect_assets.defs.hrtem.training_set import training_set
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.schemas import (
    ARCHITECTURE_SCORES,
    BENCHMARK_SCORES,
    MODEL_SCORES,
    THRESHOLD_SCORES,
    TRAINING_MICROGRAPHS,
    TRAININGS,
)
from nanodefect_assets.science.learning.networks import build_network, weights_of
from nanodefect_assets.stores.generations import current_generation, new_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.models import write_model
from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader
from nanodefect_assets.stores.registry import model_version, register_model
from nanodefect_assets.stores.tracking import training_run

FIELDS = {
    "n_simulated": 10,
    "patch_px": 32,
    "field_px": 64,
    "pixel_size_nm": [0.05, 0.05],
    "diameter_nm": [1.0, 1.2],
    "materials": ["Au", "CdSe"],
    "test_fraction": 0.4,
}
TUNED = {"methods": ["otsu_intensity", "fourier"], "max_patches": 1}


def make(home, asset, **config):
    """Materialise one asset; return Dagster's result."""
    resources = {
        "home": HomeResource(root=str(home.root), run_size="fast"),
        "compute": Compute(threads=1, device="cpu"),
        "tracking": Tracking(),
    }
    return dg.materialize(
        [asset, *(dg.AssetSpec(key) for key in asset.dependency_keys)],
        selection=[asset],
        resources={name: resources[name] for name in asset.required_resource_keys & resources.keys()},
        run_config={"ops": {"__".join(asset.key.path): {"config": config}}} if config else {},
    )


def made(home, asset):
    group, noun = asset.key.path
    found = current_generation(home, AssetName(group=group, noun=noun), Place())
    assert found is not None
    return found


def metadata(result):
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result):
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


@dataclass(frozen=True, kw_only=True)
class Planter:
    """Plants trained networks of known scores."""

    home: Home

    @property
    def source(self):
        return made(self.home, training_set)

    @property
    def fingerprint(self):
        return PatchSetReader(self.source.folder / FOLDER).combined_fingerprint

    def held_out(self):
        rows = self.source.rows(TRAINING_MICROGRAPHS)
        return rows[(rows["side"] == "test") & (rows["n_labelled"] > 0)].to_dict("records")

    def plant(self, name, shares, *, used_s=240.0, fingerprint=None, version=None, start_version=None):
        """Plant repeats of an architecture, each of which finds a share of every particle and nothing else."""
        asset, place = contenders.SEGMENTER_ASSET, Place(study=name)
        origin = Origin(asset=asset, place=place, code_version="1", params={}, run_size="study")
        with new_generation(self.home, origin, [self.source.record.as_input()]) as out:
            for repeat, share in enumerate(shares):
                run_id = f"{name}-{repeat}"
                row = {"mlflow_run_id": run_id, "task": "segmentation", "architecture": name, "repeat": repeat}
                row |= {"protocol": "own", "is_simulated": True, "n_parameters": 7, "n_epochs": 5}
                row |= {"start_version": start_version}
                row |= {"training_fingerprint": fingerprint or self.fingerprint, "used_s": used_s, "wall_s": 1.0}
                if version is not None and repeat == 0:
                    row |= {"model_name": SEGMENTER, "model_version": version}
                out.add_rows(TRAININGS, [row])
                out.add_rows(MODEL_SCORES, [score for one in self.held_out() for score in _scores(run_id, one, share)])

    def register(self):
        """Register a network with random weights and return its version."""
        patches = PatchSetReader(self.source.folder / FOLDER).read("train")
        network = build_network("unet", n_classes=2, rng=np.random.default_rng(0))
        micrographs = self.source.rows(TRAINING_MICROGRAPHS)
        record = segmenter_record(
            "unet",
            patches,
            micrographs,
            fingerprint=self.fingerprint,
            code_version="1",
            scores={},
            architecture_params={},
            seen=(),
            notes="",
        )
        draft = self.home.root / "draft"
        write_model(draft, record, weights_of(network))
        with training_run(self.home, experiment="test", name="planted") as run:
            return register_model(self.home, draft, mlflow_run_id=run.run_id)


def _scores(run_id, micrograph, share):
    n_px, n_particle = micrograph["n_labelled"], micrograph["n_particle"]
    found = round(share * n_particle)
    about = {"mlflow_run_id": run_id, "modality": "hrtem"}
    about |= {name: micrograph[name] for name in ("micrograph_id", "is_simulated", "material")}
    names = ("n_true_positive", "n_false_positive", "n_false_negative", "n_true_negative")
    support = (n_px - n_particle, n_particle - found, 0, found)
    for class_name, counts in (("support", support), ("particle", (found, 0, n_particle - found, n_px - n_particle))):
        yield about | {"class_name": class_name} | dict(zip(names, counts, strict=True))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Home with a training set, two methods tuned on it, a registered network, and planted scores."""
    home = Home(tmp_path_factory.mktemp("studies") / "home").prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        make(home, training_set, **FIELDS)
        tuned = make(home, classical_segmenters, **TUNED)
        planter = Planter(home=home)
        planter.plant("unet", (1.0, 0.8), version=planter.register())
        planter.plant("fpn", (0.9,))
        planter.plant("atrous", (0.9,), fingerprint="an earlier one")
    return home, tuned


@pytest.fixture
def home(prepared, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(prepared[0].root, tmp_path / "home")
    return Home(tmp_path / "home")


# Classical methods


def test_tuned_methods_are_registered_without_weights_and_judged_on_the_test_side(prepared):
    home, result = prepared
    trainings = made(home, classical_segmenters).rows(TRAININGS).set_index("architecture")
    scores = made(home, classical_segmenters).rows(MODEL_SCORES)

    assert list(trainings.index) == TUNED["methods"]
    assert set(scores["micrograph_id"]) == {one["micrograph_id"] for one in Planter(home=home).held_out()}
    stored = model_version(home, "fourier", trainings.loc["fourier", "model_version"])
    assert stored.record.weights is None
    assert stored.record.architecture.params["method"] == "fourier"
    assert stored.record.training_fingerprint == trainings.loc["fourier", "training_fingerprint"]
    assert "coherence" in metadata(result)["tuned"]
    assert set(checks(result)) == {"tuning_helps"}


def test_a_tuned_method_is_taken_by_one_setting_and_named(home, rng):
    tuned = networks.tuned_model(home, "fourier")
    config = SegmentationConfig(tuned_method="fourier", min_diameter_nm=0.7)
    finder = ParticleFinder(config, None, material="Au", compute=Compute(threads=1, device="cpu"), tuned=tuned)
    counts = rng.normal(100, 10, (96, 80)).astype(np.float32)
    row = finder.find(Micrograph(micrograph_id="b/end/a.tif", counts=counts, pixel_size_nm=0.05, modality="hrtem")).row

    assert (row["segmenter_name"], row["segmenter_version"]) == ("fourier", tuned.version)
    assert row["mlflow_run_id"] == tuned.mlflow_run_id
    assert finder._plain.coherence == tuned.record.architecture.params["coherence"]
    assert finder._plain.min_diameter_nm == 0.7, "what was not tuned stays as it was set"


def test_a_method_that_was_not_tuned_is_refused(home):
    with pytest.raises(Refusal, match=r"otsu_local_std with tuned parameters.*otsu_intensity, fourier tuned"):
        networks.tuned_model(home, "otsu_local_std")


# Architectures


def test_networks_with_a_head_start_are_kept_apart(home):
    Planter(home=home).plant("fpn", (0.9, 0.9), start_version="shipped")
    study, benchmark = make(home, architecture_study), make(home, segmentation_benchmark, n_resamples=200)

    assert set(made(home, architecture_study).rows(ARCHITECTURE_SCORES)["architecture"]) == {"unet"}
    assert metadata(study)["missing"]["fpn"] == "began with the weights of version shipped"
    assert benchmark.success
    methods = set(made(home, segmentation_benchmark).rows(BENCHMARK_SCORES)["method"])
    assert "fpn from version shipped" in methods
    assert "fpn" not in methods


def test_architectures_are_compared_over_repeats_and_what_is_missing_is_said(home):
    result = make(home, architecture_study)
    rows = made(home, architecture_study).rows(ARCHITECTURE_SCORES).set_index("architecture")

    assert set(rows.index) == {"unet", "fpn"}
    dices = [1.0, 2 * 0.8 / 1.8]
    assert rows.loc["unet", "dice"] == pytest.approx(np.mean(dices), abs=2e-3)
    assert rows.loc["unet", "dice_se"] == pytest.approx((dices[0] - dices[1]) / 2, abs=2e-3)
    assert np.isnan(rows.loc["fpn", "dice_se"])
    assert rows.loc["fpn", "published_dice"] == 0.82
    missing = metadata(result)["missing"]
    assert missing["atrous"] == "made from an earlier training set"
    assert missing["unet_vgg16"] == "not made yet"
    assert "Missing: unet_vgg16" in metadata(result)["scores"]
    assert checks(result) == {"all_architectures_trained": False, "equal_budgets": True, "repeated": False}


def test_unequal_budgets_are_told(home):
    Planter(home=home).plant("fpn", (0.9, 0.9), used_s=900.0)

    assert checks(make(home, architecture_study))["equal_budgets"] is False


def test_nothing_trained_on_this_set_is_refused(home):
    Planter(home=home).plant("unet", (1.0,), fingerprint="an earlier one")
    Planter(home=home).plant("fpn", (1.0,), fingerprint="an earlier one")

    with pytest.raises(Refusal, match="fpn: made from an earlier training set"):
        make(home, architecture_study)


# Benchmark


def test_the_benchmark_sets_all_beside_one_another(home):
    result = make(home, segmentation_benchmark, n_resamples=200)
    rows = made(home, segmentation_benchmark).rows(BENCHMARK_SCORES)
    whole = rows[rows["part"] == "all"].set_index(["method", "repeats"])

    assert set(whole.index) == {
        ("unet", "best"),
        ("unet", "mean"),
        ("fpn", "mean"),
        ("otsu_intensity", "best"),
        ("fourier", "best"),
    }
    assert whole.loc[("unet", "best"), ["dice", "dice_low", "dice_high", "iou"]].tolist() == [1, 1, 1, 1]
    assert whole.loc[("fpn", "mean"), "recall"] == pytest.approx(0.9, abs=5e-3)
    behind = whole.loc[("fourier", "best"), "dice_behind"]
    assert behind == pytest.approx(1 - whole.loc[("fourier", "best"), "dice"])
    assert {"Au", "CdSe"} <= set(rows["part"])
    assert (rows["n_micrographs"] > 0).all()
    cells = rows[rows["dose_from_e_per_nm2"].notna()]
    assert cells[cells["method"] == "fourier"]["n_micrographs"].sum() == len(Planter(home=home).held_out())
    said = metadata(result)
    assert "fourier_annulus" not in said["scores"]
    assert "| simulated | all | otsu_intensity | best |" in said["scores"]
    assert {"preview", "precision_recall"} <= said.keys()
    assert checks(result)["everything_compared"] is False
    assert said["missing"]["hrtem/material_study"] == "not made yet"


def test_precision_and_recall_are_counted_for_every_threshold(home):
    make(home, segmentation_benchmark, n_resamples=200)
    rows = made(home, segmentation_benchmark).rows(THRESHOLD_SCORES).query("material == 'Au'")
    n_particle = sum(one["n_particle"] for one in Planter(home=home).held_out() if one["material"] == "Au")

    assert rows["method"].unique().tolist() == ["unet"]
    assert rows["threshold"].is_monotonic_increasing
    assert rows["n_true_positive"].is_monotonic_decreasing
    assert ((rows["n_true_positive"] + rows["n_false_negative"]) == n_particle).all()


# One material or several


@pytest.mark.slow
def test_a_network_of_one_material_stands_beside_one_of_as_many_patches_of_all(home):
    result = make(home, material_study, n_repeats=1, single_materials=["CdSe"])
    benchmark = make(home, segmentation_benchmark, n_resamples=200)

    trainings = made(home, material_study).rows(TRAININGS)
    assert trainings["trained_on"].tolist() == ["CdSe", "mixed, as many as CdSe"]
    assert trainings["model_version"].isna().all()
    assert set(checks(result)) == {"learnt_something"}
    assert "| simulated | CdSe | mixed, as many as CdSe |" in metadata(benchmark)["one_material_or_mixed"]
    assert "| 0.43 |" in metadata(benchmark)["one_material_or_mixed"]
    with pytest.raises(Refusal, match="Pd"):
        make(home, material_study, single_materials=["Pd"])
