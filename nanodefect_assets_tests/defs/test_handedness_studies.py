"""Studies of handedness keep what was finished, and go on after a stop."""

import dagster as dg
import numpy as np
import pytest

from nanodefect_assets.defs.jobs import STUDY_HANDEDNESS_THESIS
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem import studying
from nanodefect_assets.defs.sem.as_synthesised_study import as_synthesised_study
from nanodefect_assets.defs.sem.label_noise_study import LabelNoiseConfig, label_noise_study
from nanodefect_assets.defs.sem.sevens import sevens
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.params import LabelNoiseParams
from nanodefect_assets.stores.checkpoints import FileCheckpoint
from nanodefect_assets.stores.generations import current_generation


@pytest.fixture
def digits(tmp_path):
    """A file like MNIST's, of letters that lean to one side."""
    rng = np.random.default_rng(7)
    rows, cols = np.indices((28, 28)) - 13.5
    bar = np.abs(rows - 1.5 * cols) < 2.5
    images = np.stack([0.5 * (np.hypot(rows / rng.uniform(13, 14.5), cols / 7) < 1) + 0.5 * bar for _ in range(30)])
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=(255 * images).astype(np.uint8), y_train=np.full(30, 7))
    return path


CONFIG = {"methods": ["standard", "co_teaching"], "networks": ["plain"], "n_repeats": 1, "forget_rate_from": "truth"}
ESTIMATED = {"methods": ["co_teaching"], "networks": ["plain", "antisymmetric"], "forget_rate_from": "estimate"}


def studied_rows(home):
    return current_generation(home, AssetName(group="sem", noun="label_noise_study"), Place(study="20")).rows(
        schemas.STUDIES
    )


def study(home, percent="20", **more):
    resources = {
        "home": HomeResource(root=str(home.root), run_size="fast"),
        "compute": Compute(threads=1, device="cpu"),
        "tracking": Tracking(),
    }
    return dg.materialize(
        [label_noise_study, dg.AssetSpec(["sem", "sevens"])],
        selection=[label_noise_study],
        resources=resources,
        partition_key=percent,
        run_config={"ops": {"sem__label_noise_study": {"config": CONFIG | more}}},
    )


def take_sevens(home, **config):
    return dg.materialize(
        [sevens],
        resources={"home": HomeResource(root=str(home.root))},
        run_config={"ops": {"sem__sevens": {"config": config}}},
    )


def test_a_study_that_was_interrupted_goes_on_after_the_last_training_it_finished(home, digits, monkeypatch):
    take_sevens(home, file=str(digits))
    trained, run = [], studying.StudyRunner._run

    def stops_at_second(self, training):
        trained.append(training.name)
        if len(trained) == 2:
            raise KeyError("power cut")
        return run(self, training)

    monkeypatch.setattr(studying.StudyRunner, "_run", stops_at_second)
    with pytest.raises(KeyError):
        study(home)
    result = study(home)

    assert trained == ["standard-plain-0", "co_teaching-plain-0", "co_teaching-plain-0"]
    made = current_generation(home, AssetName(group="sem", noun="label_noise_study"), Place(study="20"))
    found = made.rows(schemas.STUDIES)
    assert set(found["method"]) == {"standard", "co_teaching"}
    assert set(zip(found["error_percent"], found["split"], found["protocol"], strict=True)) == {(20, "pairs", "fast")}
    assert (found["n_skewed_called_left"] <= found["n_skewed"]).all()
    assert not list((home.work / "sem").rglob("*.row"))
    (event,) = result.asset_materializations_for_node("sem__label_noise_study")
    assert "preview" in event.metadata


def test_controls_vary_network_and_optimiser_by_name(home, digits):
    take_sevens(home, file=str(digits))

    study(home, methods=["standard"], networks=["plain", "averaging"], optimisers=["own", "adadelta"], max_contrast=0.2)

    made = current_generation(home, AssetName(group="sem", noun="label_noise_study"), Place(study="20"))
    assert sorted(made.rows(schemas.STUDIES)["variant"]) == [
        "adadelta, contrast 0.2",
        "averaging, adadelta, contrast 0.2",
        "averaging, contrast 0.2",
        "contrast 0.2",
    ]


def test_a_leaking_split_tells_what_training_was_told_of_test_images(home, digits):
    take_sevens(home, file=str(digits))

    study(home, methods=["standard"], split="leaking")

    (row,) = studied_rows(home).to_dict(orient="records")
    assert row["n_told_truly"] > 0
    assert row["n_told_truly"] + row["n_told_falsely"] <= row["n_right"] + row["n_left"]


def test_sizes_of_crops_are_refused_for_sevens():
    with pytest.raises(ValueError, match="te_simulated alone"):
        LabelNoiseParams(images=["sevens"], crop_px=32)


def estimate_of(error_fraction):
    from nanodefect_assets.science.sem.noise import LabelErrorEstimate

    return LabelErrorEstimate(
        error_fraction=error_fraction,
        low=0.1,
        high=0.2,
        disagreeing_fraction=0.3,
        fitted_fraction=error_fraction,
        misfit_p=0.5,
        is_minority_harder=False,
        n_particles=24,
    )


def test_estimates_are_made_once_for_all_networks_of_a_repeat_and_outlive_a_stop(home, digits, monkeypatch):
    from nanodefect_assets.science.sem import study as science

    take_sevens(home, file=str(digits))
    calls, run = [], studying.StudyRunner._run

    def counted(*args, **kwargs):
        calls.append(1)
        return estimate_of(0.15)

    def stops_at_antisymmetric(self, training):
        if training.study.is_antisymmetric and len(calls) == 1 and not stopped:
            stopped.append(training.name)
            raise KeyError("power cut")
        return run(self, training)

    stopped = []
    monkeypatch.setattr(science, "estimate_label_error", counted)
    monkeypatch.setattr(studying.StudyRunner, "_run", stops_at_antisymmetric)
    with pytest.raises(KeyError):
        study(home, **ESTIMATED)
    study(home, **ESTIMATED)

    assert len(calls) == 1
    assert studied_rows(home)["estimated_error_percent"].tolist() == [15, 15]
    assert not list((home.work / "sem").rglob("*.estimate"))


def test_a_study_killed_inside_co_teaching_goes_on_with_the_estimate_that_it_began_with(home, digits, monkeypatch):
    """An estimate made anew would be another one, as it is on another machine, and its training another training."""
    from nanodefect_assets.science.sem import study as science

    take_sevens(home, file=str(digits))
    estimates, save, stopped = iter([estimate_of(0.15), estimate_of(0.3)]), FileCheckpoint.save, []

    def save_and_stop(self, state):
        save(self, state)
        if self.path.suffix == ".checkpoint" and not stopped:
            stopped.append(self.path.stem)
            raise KeyError("power cut")

    monkeypatch.setattr(science, "estimate_label_error", lambda *args, **kwargs: next(estimates))
    monkeypatch.setattr(FileCheckpoint, "save", save_and_stop)
    with pytest.raises(KeyError):
        study(home, **ESTIMATED)
    study(home, **ESTIMATED)

    assert stopped == ["co_teaching-plain-0"]
    assert studied_rows(home)["estimated_error_percent"].tolist() == [15, 15]


def test_a_study_killed_between_two_judges_does_not_ask_the_first_again(home, monkeypatch):
    from nanodefect_assets.science.sem import noise

    save, judge, seen = FileCheckpoint.save, noise.train_standard, []

    def save_and_stop(self, state):
        save(self, state)
        if self.path.suffix == ".judges" and len(seen) == 1:
            raise KeyError("power cut")

    def counted(*args, **kwargs):
        seen.append(1)
        return judge(*args, **kwargs)

    monkeypatch.setattr(noise, "train_standard", counted)
    monkeypatch.setattr(FileCheckpoint, "save", save_and_stop)
    simulated = ESTIMATED | {"images": ["te_simulated"], "networks": ["plain"]}
    with pytest.raises(KeyError):
        study(home, **simulated)
    study(home, **simulated)

    assert len(seen) == 3
    assert not list((home.work / "sem").rglob("*.judges"))


def test_particles_as_synthesised_can_differ_in_size_alone(home):
    """Sizes that no zoom hides tell the minority apart without hiding its hand."""
    dg.materialize(
        [as_synthesised_study],
        resources={
            "home": HomeResource(root=str(home.root), run_size="fast"),
            "compute": Compute(threads=1, device="cpu"),
            "tracking": Tracking(),
        },
        run_config={
            "ops": {
                "sem__as_synthesised_study": {
                    "config": {
                        "methods": ["standard"],
                        "n_repeats": 1,
                        "left_facet": 1.0,
                        "max_zoom": 0.0,
                        "crop_px": 32,
                        "max_epochs": 2,
                    }
                }
            }
        },
    )

    made = current_generation(home, AssetName(group="sem", noun="as_synthesised_study"), Place())
    found = made.rows(schemas.STUDIES)
    assert found["variant"].tolist() == ["zoom 0, 32 px, 2 epochs, facet 1"] * 2
    assert found["n_epochs"].tolist() == [2, 2]
    assert found["is_simulated"].all()
    assert made.record.origin.params["left_facet"] == 1


def test_sevens_come_from_a_file_that_is_named_and_nothing_is_fetched(home, digits, monkeypatch):
    monkeypatch.delenv("NANODEFECT_MNIST", raising=False)
    with pytest.raises(Refusal, match="NANODEFECT_MNIST"):
        take_sevens(home)

    monkeypatch.setenv("NANODEFECT_MNIST", str(digits))
    result = take_sevens(home)

    made = current_generation(home, AssetName(group="sem", noun="sevens"), Place())
    assert made.arrays("sevens").read("sevens").shape == (30, 28, 28)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("as_many_as_published", False)


def test_the_published_study_is_a_job_that_needs_no_settings():
    from nanodefect_assets.definitions import defs

    job = defs.resolve_job_def(STUDY_HANDEDNESS_THESIS)

    assert job.partitions_def is not None
    config = job.partitioned_config.get_run_config_for_partition_key("20")
    dg.validate_run_config(job, config)
    stated = LabelNoiseConfig(**config["ops"]["sem__label_noise_study"]["config"])
    assert studying.own_params(stated, LabelNoiseParams) == LabelNoiseParams.thesis()
    assert isinstance(LabelNoiseConfig.thesis(), LabelNoiseConfig)
    assert {(one.study.forget_rate, one.study.is_antisymmetric) for one in trained_at(stated, 20)} == {
        (None, False),
        (0.2, False),
    }


def trained_at(stated, percent):
    return studying.trainings_of(stated, error_fraction=percent / 100)
