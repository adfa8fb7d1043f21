"""A chiral batch becomes fractions of its hands."""

import numpy as np
import pytest
import tifffile

from nanodefect_assets.cli.simulate_chiral import simulate_chiral_batch
from nanodefect_assets.defs.ingest import ingest_batch
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.jobs import TRAIN_HANDEDNESS
from nanodefect_assets.defs.sem.handedness_maker import HANDEDNESS_MODEL
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.sem.params import ProductionParams
from nanodefect_assets.science.synthetic.chiral_params import (
    ChiralBatchParams,
    ChiralFieldParams,
    ChiralParticleParams,
)
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
    assert whole["n_unseen"] == len(is_right)
    assert whole["minority_fraction_unseen"] == pytest.approx(np.mean(~is_right), abs=0.1)


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
    assert np.mean([(one["log_odds_unseen"] > 0) == hand for one, hand in zip(order, is_right, strict=True)]) > 0.9
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
