import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as SQLiteDialect

from nanodefect_assets.domain.champion import ModelRecord, PromotionDecision, Recipe, Score
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import mlflow_client, registry
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import TrackingUnavailable, open_tracking
from nanodefect_assets.stores.models import read_model, write_model
from nanodefect_assets.stores.registry import (
    champion_of,
    decision_of,
    model_in_use,
    model_version,
    promote,
    record_decision,
    register_model,
    shipped_model,
)
from nanodefect_assets.stores.tracking import training_run

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

BETTER = (0.01, 0.05)


def record(name):
    return ModelRecord(
        name=name,
        task="segmentation",
        architecture=Recipe(name="unet"),
        normalisation=Recipe(name="min_max"),
        modalities=("hrtem",),
        classes=("background", "particle"),
        training_fingerprint="f" * 64,
        is_simulated_training=True,
        code_version="1",
    )


def decision(name, version, incumbent=None, **changes):
    return PromotionDecision.judge(
        **{
            "name": name,
            "metric": "dice",
            "compared_on": "20 micrographs",
            "challenger_version": version,
            "challenger": Score(value=0.9, n=20),
            "incumbent_version": incumbent,
            "difference_interval": None if incumbent is None else BETTER,
        }
        | changes
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home")).prepare()


@pytest.fixture
def trained(home, tmp_path):
    """Train, so to speak, a model whose only weight is `value`, and register it."""

    def train(name, value):
        write_model(tmp_path / f"{name}-{value}", record(name), {"w": np.array([value], np.float32)})
        with training_run(home, experiment="hrtem/segmenter", name=name) as run:
            return register_model(home, tmp_path / f"{name}-{value}", mlflow_run_id=run.run_id), run.run_id

    return train


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "files", lambda _: tmp_path / "package")

    def ship(name):
        write_model(tmp_path / "package" / "shipped" / name, record(name), {"w": np.array([0], np.float32)})

    return ship


def test_the_alias_moves_and_the_earlier_champion_stays_readable(home, trained):
    (first, first_run), (second, _) = trained("moving", 1), trained("moving", 2)
    assert champion_of(home, "moving") is None

    promote(home, "moving", first, decision("moving", first))
    champion = champion_of(home, "moving")
    assert (champion.version, champion.mlflow_run_id, champion.record.name) == (first, first_run, "moving")
    promote(home, "moving", second, decision("moving", second, incumbent=first))

    assert champion_of(home, "moving").weights()["w"] == [2]
    assert model_version(home, "moving", first).weights()["w"] == [1]


@pytest.mark.parametrize("is_own", [True, False])
def test_a_home_s_own_registry_and_one_elsewhere_are_asked_alike(home, trained, monkeypatch, is_own):
    version, run_id = trained("agreeing", 1)
    promote(home, "agreeing", version, decision("agreeing", version, incumbent=version_in_use(home, "agreeing")))
    if not is_own:
        monkeypatch.setattr(Home, "mlflow_database", None)

    champion = champion_of(home, "agreeing")
    assert champion == model_version(home, "agreeing", version)
    assert (champion.version, champion.mlflow_run_id) == (version, run_id)
    assert champion_of(home, "nobody") is None
    for unknown in ("99", "first"):
        with pytest.raises(Refusal, match=f"expected a registered version of agreeing, got version {unknown}"):
            model_version(home, "agreeing", unknown)


def version_in_use(home, name):
    found = model_in_use(home, name)
    return None if found is None else found.version


def test_only_mlflow_knows_its_tables(tmp_path, monkeypatch):
    home = Home(tmp_path).prepare()
    home.mlflow_database.write_text("tables of an MLflow to come")
    write_model(home.mlflow / "artifacts" / "m", record("later"), {"w": np.array([7], np.float32)})
    answer = SimpleNamespace(version=3, source=str(home.mlflow / "artifacts" / "m"), run_id="run")
    client = SimpleNamespace(get_model_version_by_alias=lambda *_: answer, get_model_version=lambda *_: answer)
    monkeypatch.setattr(registry, "open_tracking", lambda _: client)

    assert champion_of(home, "later").weights()["w"] == [7]
    assert model_version(home, "later", "3").version == "3"


def test_decisions_for_and_against_are_kept_with_the_version(home, trained):
    (first, _), (second, _) = trained("judged", 1), trained("judged", 2)
    accepted = decision("judged", first)
    rejected = decision("judged", second, incumbent=first, difference_interval=(-0.1, 0.1))
    promote(home, "judged", first, accepted)
    record_decision(home, "judged", second, rejected)

    assert decision_of(home, "judged", first) == accepted
    assert decision_of(home, "judged", second) == rejected
    tags = open_tracking(home).get_model_version("judged", second).tags
    assert tags["nanodefect/is_promoted"] == "false"
    assert "not surely better" in tags["nanodefect/reason"]
    with pytest.raises(ValueError, match="decision to promote"):
        promote(home, "judged", second, rejected)
    assert champion_of(home, "judged").version == first


def test_a_decision_that_the_world_has_overtaken_is_refused(home, trained):
    versions = [trained("raced", value)[0] for value in (1, 2, 3)]
    promote(home, "raced", versions[0], decision("raced", versions[0]))
    slow = decision("raced", versions[2], incumbent=versions[0])
    promote(home, "raced", versions[1], decision("raced", versions[1], incumbent=versions[0]))

    with pytest.raises(Refusal, match=f"expected version {versions[0]} of raced in use.*got version {versions[1]}"):
        promote(home, "raced", versions[2], slow)
    with pytest.raises(Refusal, match="expected a decision about"):
        promote(home, "raced", versions[0], slow)
    assert champion_of(home, "raced").version == versions[1]


def test_a_version_with_damaged_weights_is_not_promoted(home, trained):
    (first, _), (second, _) = trained("damaged", 1), trained("damaged", 2)
    promote(home, "damaged", first, decision("damaged", first))
    path = model_version(home, "damaged", second).folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")

    with pytest.raises(Refusal, match="expected the model as it was written"):
        promote(home, "damaged", second, decision("damaged", second, incumbent=first))
    assert champion_of(home, "damaged").weights()["w"] == [1]


def test_a_folder_without_a_whole_model_is_not_registered(home, tmp_path):
    write_model(tmp_path, record("partial"), {"w": np.zeros(3, np.float32)})
    (tmp_path / "weights.safetensors").unlink()

    with (
        training_run(home, experiment="hrtem/segmenter", name="partial") as run,
        pytest.raises(Refusal, match="no such"),
    ):
        register_model(home, tmp_path, mlflow_run_id=run.run_id)
    assert open_tracking(home).search_registered_models("name = 'partial'") == []


def impatient(monkeypatch):
    """Let MLflow wait 50 ms for a busy database, and try once."""
    monkeypatch.setattr(mlflow_client, "_TRIES", 1)
    execute = SQLiteDialect.do_execute

    def hurried(dialect, cursor, statement, parameters, context=None):
        execute(dialect, cursor, statement.replace("busy_timeout = 20000", "busy_timeout = 50"), parameters, context)

    monkeypatch.setattr(SQLiteDialect, "do_execute", hurried)


def test_a_locked_registry_is_an_error_and_not_another_model(home, trained, shipped, monkeypatch):
    shipped("locked")
    (first, _), (second, _) = trained("locked", 1), trained("locked", 2)
    promote(home, "locked", first, decision("locked", first, incumbent="shipped"))
    impatient(monkeypatch)
    with closing(sqlite3.connect(home.mlflow_database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingUnavailable, match="Nothing was changed"):
            model_in_use(home, "locked")
        with pytest.raises(TrackingUnavailable, match="Nothing was changed"):
            promote(home, "locked", second, decision("locked", second, incumbent=first))

    assert champion_of(home, "locked").version == first


def test_a_registry_that_is_gone_is_an_error_and_neither_the_shipped_model_nor_a_new_registry(
    home, trained, shipped, tmp_path
):
    shipped("vanished")
    version, _ = trained("vanished", 1)
    promote(home, "vanished", version, decision("vanished", version, incumbent="shipped"))
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    content = copy.mlflow_database.read_bytes()
    copy.mlflow_database.unlink()

    with pytest.raises(TrackingUnavailable, match=r"it is gone, but .*artifacts is not"):
        model_in_use(copy, "vanished")
    with pytest.raises(TrackingUnavailable, match="restore it"):
        open_tracking(copy)
    assert not copy.mlflow_database.exists()
    copy.mlflow_database.write_bytes(content)
    assert champion_of(copy, "vanished").version == version


def test_a_home_that_was_copied_uses_its_own_files(home, trained, tmp_path):
    version, _ = trained("copied", 1)
    promote(home, "copied", version, decision("copied", version))
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)

    folder = champion_of(copy, "copied").folder
    assert folder.is_relative_to(copy.root)
    shutil.rmtree(folder)
    assert champion_of(copy, "copied").folder.is_relative_to(home.root)


def test_files_that_are_gone_are_named(home, trained):
    version, _ = trained("gone", 1)
    folder = model_version(home, "gone", version).folder
    shutil.rmtree(folder)

    with pytest.raises(TrackingUnavailable, match=f"are gone: {folder}"):
        model_version(home, "gone", version)


def test_files_kept_elsewhere_are_fetched_once_and_whole(home, trained, monkeypatch):
    version, _ = trained("remote", 4)
    monkeypatch.setattr(registry, "_local_folder", lambda *_: None)
    found = model_version(home, "remote", version)
    fetched_at = (found.folder / "model.json").stat().st_ctime_ns

    assert found.folder == home.mlflow / "downloads" / "remote" / version
    assert read_model(found.folder)[1]["w"] == [4]
    assert (model_version(home, "remote", version).folder / "model.json").stat().st_ctime_ns == fetched_at
    assert [path.name for path in found.folder.parent.iterdir()] == [version]


def test_a_fresh_home_uses_what_ships_until_something_is_promoted(home, trained, shipped, tmp_path):
    fresh = Home(tmp_path / "fresh")
    assert model_in_use(fresh, "fresh") is None
    shipped("fresh")
    found = model_in_use(fresh, "fresh")
    assert (found.version, found.mlflow_run_id) == ("shipped", None)
    assert found.weights()["w"] == [0]
    assert not fresh.root.exists()

    version, _ = trained("fresh", 1)
    promote(home, "fresh", version, decision("fresh", version, incumbent="shipped"))
    assert model_in_use(home, "fresh").version == version
    assert shipped_model("fresh").version == "shipped"


@pytest.mark.parametrize("name", ["../fresh", "a/b", "", "/etc"])
def test_names_that_are_paths_are_refused(name):
    with pytest.raises(ValueError, match="string_pattern_mismatch"):
        shipped_model(name)
