"""A chiral batch becomes fractions of its hands; the studies keep what was finished."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import tifffile

from nanodefect_assets.cli.simulate_chiral import simulate_chiral_batch
from nanodefect_assets.defs.ingest import ingest_batch
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.jobs import STUDY_HANDEDNESS_THESIS, TRAIN_HANDEDNESS
from nanodefect_assets.defs.population import handedness_fraction
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem import handedness, studying
from nanodefect_assets.defs.sem.as_synthesised_study import as_synthesised_study
from nanodefect_assets.defs.sem.handedness_maker import HANDEDNESS_MODEL
from nanodefect_assets.defs.sem.label_noise_study import LabelNoiseConfig, label_noise_study
from nanodefect_assets.defs.sem.sevens import sevens
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.params import LabelNoiseParams, ProductionParams
from nanodefect_assets.science.synthetic.chiral_params import (
    ChiralBatchParams,
    ChiralFieldParams,
    ChiralParticleParams,
)
from nanodefect_assets.stores.checkpoints import FileCheckpoint
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse import run_query

N_PX, N_EACH, EDGE_PX = 32, 36, 48
MINORITY = 0.2
YAML = """\
batch: chiral-1
material: Te
simulated: true
chirality:
  true_enantiomers: true
  expected_minority_share: {share}
  anchors:
{anchors}
files:
  - {{path: "*.tif", modality: sem, uncalibrated: true}}
"""


def letter(is_right, rng):
    """Return a bright body with a darker bar that leans to one side: the plainest thing with a hand."""
    image = np.zeros((EDGE_PX, EDGE_PX))
    rows, cols = np.indices(image.shape) - (EDGE_PX - 1) / 2
    inside = (rows / rng.uniform(13, 14.5)) ** 2 + (cols / rng.uniform(6.5, 7.5)) ** 2 < 1
    image[inside] = 0.5
    bar = np.abs(rows - (1 if is_right else -1) * 1.5 * cols) < 2.5
    image[inside & bar] = 1.0
    return image


def field(hands, rng):
    """Return a micrograph of particles on a grid of six columns, and the pixel at the middle of each."""
    tiles = [letter(bool(hand), rng) for hand in hands]
    rows = [np.hstack(tiles[at : at + 6]) for at in range(0, len(tiles), 6)]
    counts = 100 * np.vstack(rows) + 5
    middles = [(EDGE_PX * (at // 6) + EDGE_PX // 2, EDGE_PX * (at % 6) + EDGE_PX // 2) for at in range(len(hands))]
    return (counts + rng.normal(0, 2, counts.shape)).astype(np.float32), middles


def drop(home, *, share=0.08, minority=MINORITY, n_fields=3, flipped=()):
    """Drop fields of particles of which a fifth or so is left-handed; return the hands, field by field.

    An image that came in flipped shows the other hand than the one that its anchor states.
    """
    rng = np.random.default_rng(4)
    folder = home.landing / "chiral-1"
    folder.mkdir()
    lines, hands = [], []
    for number in range(n_fields):
        is_right = rng.permutation(np.arange(N_EACH) >= minority * N_EACH)
        counts, middles = field(is_right, rng)
        tifffile.imwrite(folder / f"{number}.tif", counts[:, ::-1] if number in flipped else counts)
        hands.append(is_right)
        row, col = middles[int(np.flatnonzero(is_right)[0])]
        lines.append(f"    - {number}.tif {row},{counts.shape[1] - 1 - col if number in flipped else col} right")
    (folder / "batch.yaml").write_text(YAML.format(anchors="\n".join(lines), share=share))
    return folder, hands


@pytest.fixture(scope="module")
def chiral(tmp_path_factory):
    """Home that took the batch in, with a network that learns the letters in seconds."""
    from nanodefect_assets.definitions import defs

    home = Home(tmp_path_factory.mktemp("chiral") / "home").prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANODEFECT_HOME", str(home.root))
        patch.setenv("DAGSTER_HOME", str(home.dagster))
        patch.setenv("NANODEFECT_THREADS", "1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr("nanodefect_assets.defs.sem.handedness_maker.recipe_of", small_recipe)
        folder, hands = drop(home)
        with open_instance(home) as instance:
            done = ingest_batch(defs, instance, home, folder, say=lambda line: None)
    assert done.trouble == ()
    return home, np.concatenate(hands)


@pytest.fixture
def landing(tmp_path, monkeypatch):
    """Home of its own that Dagster's assets work in."""
    home = Home(tmp_path / "home").prepare()
    monkeypatch.setenv("NANODEFECT_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    monkeypatch.setenv("NANODEFECT_THREADS", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home


def ingest(home, folder):
    from nanodefect_assets.definitions import defs

    with open_instance(home) as instance:
        return ingest_batch(defs, instance, home, folder, say=lambda line: None)


def test_a_batch_stated_to_be_racemic_has_no_model_and_no_hands_and_says_why(landing):
    folder, _ = drop(landing, share=0.5, n_fields=1)

    done = ingest(landing, folder)

    assert done.trouble == ()
    (model,) = rows(landing, "SELECT * FROM handedness_models")
    assert (model["method"], model["model_version"], model["majority_hand"]) == (None, None, None)
    assert "racemic" in model["reason"]
    assert rows(landing, "SELECT * FROM handedness") == rows(landing, "SELECT * FROM handedness_fractions") == []


@pytest.mark.slow
def test_a_racemic_batch_that_states_a_minority_has_no_model_either(landing, monkeypatch):
    """Half of the particles are left-handed though a fifth is stated: the images say so, at the usual threshold."""
    monkeypatch.setattr("nanodefect_assets.defs.sem.handedness_maker.recipe_of", small_recipe)
    folder, hands = drop(landing, share=0.2, minority=0.5)
    assert np.mean(hands) == 0.5

    done = ingest(landing, folder)

    assert done.trouble == ()
    (model,) = rows(landing, "SELECT * FROM handedness_models")
    assert (model["method"], model["model_version"], model["majority_hand"]) == (None, None, None)
    assert model["estimated_minority_share"] >= ProductionParams().racemic_from
    assert "a racemic batch" in model["reason"]
    assert rows(landing, "SELECT * FROM handedness") == rows(landing, "SELECT * FROM handedness_fractions") == []


@pytest.mark.slow
def test_an_image_that_came_in_flipped_is_told_by_its_anchor_and_by_its_particles(landing, monkeypatch):
    monkeypatch.setattr("nanodefect_assets.defs.sem.handedness_maker.recipe_of", small_recipe)
    folder, _ = drop(landing, flipped=(2,), n_fields=4)

    done = ingest(landing, folder)

    told = " ".join(map(str, done.doubts))
    assert "anchors agree" in told
    assert "no image flipped" in told
    assert "2.tif" in told
    (model,) = rows(landing, "SELECT * FROM handedness_models")
    assert (model["n_anchors_contradicting"], model["majority_hand"]) == (1, "right")


def small_recipe(protocol, method, *, is_digits):
    from nanodefect_assets.science.sem.params import (
        HandednessAugmentationParams,
        HandednessNetworkParams,
        HandednessTrainingParams,
    )
    from nanodefect_assets.science.sem.trained import HandednessRecipe

    return HandednessRecipe(
        network=HandednessNetworkParams(n_filters=4, n_hidden=8, dropout=0.1),
        training=HandednessTrainingParams(max_epochs=6, batch_size=16, learning_rate=5e-3),
        augmentation=HandednessAugmentationParams(max_zoom=0.05),
    )


def rows(home, sql):
    return run_query(home, sql).to_pylist()


@pytest.mark.slow
def test_the_fraction_of_a_dropped_batch_is_found_and_its_hands_are_named(chiral):
    home, is_right = chiral
    (model,) = rows(home, "SELECT * FROM handedness_models")
    (whole,) = rows(home, "SELECT * FROM handedness_fractions WHERE aliquot_time IS NULL")

    assert (model["method"], model["majority_hand"], model["n_anchors"]) == ("standard", "right", 3)
    assert "8%" in model["reason"].replace(" ", "")
    assert (whole["n_particles"], whole["n_micrographs"], whole["is_simulated"]) == (len(is_right), 3, True)
    assert whole["left_fraction"] == pytest.approx(np.mean(~is_right), abs=0.05)
    assert whole["minority_fraction_low"] < np.mean(~is_right) < whole["minority_fraction_high"]


@pytest.mark.slow
def test_each_particle_has_its_hand_and_leads_back_to_its_model(chiral):
    home, is_right = chiral
    found = rows(
        home,
        "SELECT h.*, c.centroid_row_px, c.centroid_col_px, c.micrograph_id AS image FROM handedness h "
        "JOIN sem_crops c USING (particle_id) JOIN handedness_models m ON m.model_version = h.model_version",
    )
    order = sorted(found, key=lambda one: (one["image"], one["centroid_row_px"] // EDGE_PX, one["centroid_col_px"]))

    assert len(order) == len(is_right)
    assert np.mean([(one["hand"] == "right") == hand for one, hand in zip(order, is_right, strict=True)]) > 0.95
    assert all(one["was_trained_on"] for one in order)
    assert all((one["p_right"] >= 0.5) == (one["hand"] == "right") for one in order)


@pytest.mark.slow
def test_a_simulated_chiral_batch_goes_from_the_landing_folder_to_its_fraction(landing, monkeypatch):
    """Particles with facets as plain as can be, so that a small network learns them in a minute."""
    home = landing
    monkeypatch.setattr("nanodefect_assets.defs.sem.handedness_maker.recipe_of", quick_recipe)
    plain = {"chiral_facet": 0.9, "chiral_facet_spread": 0.05, "roll_spread_deg": 3, "side_light": 0.1}
    params = ChiralBatchParams(
        left_fraction=0.15,
        n_micrographs=4,
        field=ChiralFieldParams(n_rows=1024, n_cols=1280, n_particles=36),
        particles=ChiralParticleParams(**plain),
    )
    folder = simulate_chiral_batch(home.landing, params)

    done = ingest(home, folder)

    assert done.trouble == ()
    (model,) = rows(home, "SELECT * FROM handedness_models")
    (whole,) = rows(home, "SELECT * FROM handedness_fractions WHERE aliquot_time IS NULL")
    assert (model["n_anchors"], model["is_simulated"], model["method"]) == (3, True, "two_step")
    assert model["majority_hand"] == "right"
    assert (whole["n_micrographs"], whole["is_simulated"]) == (4, True)
    assert 60 <= whole["n_particles"] <= 4 * 36
    assert whole["minority_fraction_low"] < 0.15 < whole["minority_fraction_high"]


def quick_recipe(protocol, method, *, is_digits):
    from nanodefect_assets.science.sem.params import (
        HandednessAugmentationParams,
        HandednessNetworkParams,
        HandednessTrainingParams,
    )
    from nanodefect_assets.science.sem.trained import HandednessRecipe

    return HandednessRecipe(
        network=HandednessNetworkParams(n_filters=6, n_hidden=16, dropout=0.1),
        training=HandednessTrainingParams(
            max_epochs=6, batch_size=16, images_per_epoch=800, learning_rate=2e-3, clean_epochs=1
        ),
        augmentation=HandednessAugmentationParams(max_zoom=0.05),
    )


def test_what_is_not_chiral_passes_through_with_empty_tables(undisturbed):
    for table in ("sem_crops", "handedness", "handedness_fractions", "handedness_models"):
        assert rows(undisturbed, f"SELECT * FROM {table}") == []


def test_a_batch_that_is_not_chiral_gets_no_model_even_where_one_is_asked_for(home_copy):
    from nanodefect_assets.definitions import defs

    with open_instance(home_copy) as instance:
        job = defs.resolve_job_def(TRAIN_HANDEDNESS)
        result = job.execute_in_process(instance=instance, partition_key="discs-01")
    assert result.success
    assert result.asset_materializations_for_node("sem__handedness_model") == []
    checks = [check for check in result.get_asset_check_evaluations() if check.asset_key.path[-1] == "handedness_model"]
    assert {check.check_name: check.metadata["why"].value for check in checks if "why" in check.metadata} == {
        "hands_are_named": "no chiral batch"
    }
    assert current_generation(home_copy, HANDEDNESS_MODEL, Place(batch="discs-01")) is None


# Studies


@pytest.fixture
def digits(tmp_path):
    """A file like MNIST's, of letters."""
    rng = np.random.default_rng(7)
    images = np.stack([letter(True, rng)[10:38, 10:38] for _ in range(30)])
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
                    "config": {"methods": ["standard"], "n_repeats": 1, "left_facet": 1.0, "max_zoom": 0.0}
                }
            }
        },
    )

    made = current_generation(home, AssetName(group="sem", noun="as_synthesised_study"), Place())
    found = made.rows(schemas.STUDIES)
    assert found["variant"].tolist() == ["zoom 0, facet 1"] * 2
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


# Rows by hand


def answers_of(*log_odds):
    from nanodefect_assets.science.sem.answers import HandednessAnswers

    odds = np.array(log_odds)
    return HandednessAnswers(log_odds=odds, p_right=1 / (1 + np.exp(-odds)), agreement=np.ones(len(odds)))


@pytest.mark.parametrize(("majority", "hands"), [("right", ["right", "left"]), ("left", ["left", "right"])])
def test_a_particle_of_the_majority_has_its_hand_and_the_other_the_other(majority, hands):
    said = [handedness._said(answers_of(2.0, -2.0), at, majority) for at in (0, 1)]

    assert [one["hand"] for one in said] == hands
    assert [one["p_right"] > 0.5 for one in said] == [hand == "right" for hand in hands]
    assert [one["p_majority"] > 0.5 for one in said] == [True, False]


def test_without_a_named_majority_particles_have_no_hand():
    said = handedness._said(answers_of(2.0), 0, None)

    assert (said["hand"], said["p_right"]) == (None, None)
    assert said["p_majority"] > 0.5


def test_fractions_count_the_minority_and_the_left_hand_of_each_aliquot_and_of_all():
    particles = pd.DataFrame(
        {
            "micrograph_id": ["a", "a", "b", "b", "c", "c"],
            "aliquot": ["t1", "t1", "t1", "t1", "t2", "t2"],
            "is_simulated": False,
            "log_odds": [1.0, -1.0, 2.0, 3.0, -1.0, -2.0],
            "hand": ["left", "right", "left", "left", "right", "right"],
        }
    )

    rows = {row["aliquot_time"]: row for row in handedness_fraction._summarise(particles, "b-1")}

    assert {time: (row["n_minority"], row["n_particles"], row["n_left"]) for time, row in rows.items()} == {
        "t1": (1, 4, 3),
        "t2": (2, 2, 0),
        None: (3, 6, 3),
    }
    assert rows[None]["left_fraction"] == rows[None]["minority_fraction"] == 0.5
    assert rows["t2"]["minority_fraction_low"] is None, "one micrograph tells nothing of its like"
    assert rows[None]["minority_fraction_low"] < 0.5 < rows[None]["minority_fraction_high"]


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
