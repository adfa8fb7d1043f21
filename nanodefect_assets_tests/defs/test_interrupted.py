"""A person who stops an intake stops all of it, and the same command goes on."""

import os
import signal
import time

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from nanodefect_assets.cli import main
from nanodefect_assets.defs.cells import HANDEDNESS_MODEL, unjudged_cells, waits_for_model
from nanodefect_assets.defs.sem.handedness_maker import HandednessMaker
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.corrections import manifest_in_force
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.warehouse import run_query

BATCH = "chiral-1"
YAML = """\
batch: chiral-1
material: Te
simulated: true
chirality: {expected_minority_share: 0.5}
files:
  - {path: "*.tif", modality: sem, uncalibrated: true}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = Home(tmp_path / "home").prepare()
    monkeypatch.setenv("NANODEFECT_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    monkeypatch.setenv("NANODEFECT_THREADS", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home


@pytest.fixture
def folder(tmp_path):
    """A batch of which half is left-handed, as its batch.yaml says: its model is an abstention, made in no time."""
    folder = tmp_path / BATCH
    folder.mkdir()
    rows, cols = np.indices((96, 96))
    rng = np.random.default_rng(1)
    discs = sum(np.hypot(rows - row, cols - col) < 11 for row in (24, 72) for col in (24, 72))
    tifffile.imwrite(folder / "0.tif", (100 * discs + rng.normal(10, 1, rows.shape)).astype(np.float32))
    (folder / "batch.yaml").write_text(YAML)
    return folder


def ingest(home, folder):
    return CliRunner().invoke(main, ["--home", str(home.root), "ingest", str(folder)])


def stop_once(monkeypatch):
    """Have Ctrl-C pressed where the model of the batch is about to be made, the first time."""
    make, pressed = HandednessMaker.make, []

    def stopped(self):
        if not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)  # the signal arrives in here
        return make(self)

    monkeypatch.setattr(HandednessMaker, "make", stopped)


def test_a_training_that_was_stopped_ends_the_command_and_the_same_command_takes_it_up_again(home, folder, monkeypatch):
    stop_once(monkeypatch)

    stopped = ingest(home, folder)

    manifest = manifest_in_force(home, BATCH)
    assert stopped.exit_code == 130
    assert "the same command goes on" in stopped.output
    assert current_generation(home, HANDEDNESS_MODEL, Place(batch=BATCH)) is None
    assert current_generation(home, AssetName(group="population", noun="batch_report"), Place(batch=BATCH)) is None
    assert waits_for_model(home, manifest)
    assert "model of its hands to be made" in CliRunner().invoke(main, ["--home", str(home.root), "status"]).output

    again = ingest(home, folder)

    assert again.exit_code == 0, again.output
    assert not waits_for_model(home, manifest)
    assert unjudged_cells(home, manifest) == ()
    (model,) = run_query(home, "SELECT * FROM handedness_models").to_pylist()
    assert "racemic" in model["reason"]


def test_a_batch_that_is_whole_trains_nothing_again(home, folder, monkeypatch):
    ingest(home, folder)
    made = current_generation(home, HANDEDNESS_MODEL, Place(batch=BATCH))

    again = ingest(home, folder)

    assert "nothing new" in again.output
    assert current_generation(home, HANDEDNESS_MODEL, Place(batch=BATCH)).record.name == made.record.name
