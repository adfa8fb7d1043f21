"""What `nanodefect check`, `correct` and `status` say."""

import pytest
import tifffile

from nanodefect_assets.cli.check import check_folder
from nanodefect_assets.cli.correct import _say_what_changes
from nanodefect_assets.cli.ingest import _jumps
from nanodefect_assets.cli.status import show_status
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.revisions import current_manifest

YAML = "batch: pd-1\nfiles: [{path: a.tif, modality: hrtem, pixel_size_nm: %s}]\n"


@pytest.fixture
def batch(home, rng):
    folder = home.landing / "pd-1"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", rng.integers(0, 99, (8, 8)).astype("uint16"))
    (folder / "batch.yaml").write_text(YAML % 0.5)
    accept_batch(home, folder)
    return folder


def test_a_calibration_that_jumps_is_doubted_at_every_door(home, batch, capsys):
    assert _jumps(home, current_manifest(home, "pd-1")) == ()
    _say_what_changes(home, "pd-1", "a.tif", "0.05")
    (batch / "batch.yaml").write_text(YAML % 0.05)
    check_folder(home, batch)
    accept_batch(home, batch)
    said = capsys.readouterr()

    for text in (said.out, said.err, *_jumps(home, current_manifest(home, "pd-1"))):
        assert "the pixel size of a.tif goes from 0.5 to 0.05 nm, 10 times smaller" in text


def test_a_calibration_that_stays_is_not_doubted(home, batch, capsys):
    check_folder(home, batch)

    assert "WARNING" not in capsys.readouterr().out


def test_status_tells_how_often_a_batch_came(home, batch, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    accept_batch(home, batch)
    show_status(home)

    said = capsys.readouterr().out
    assert "came 2 times, 1 of them with nothing new, the last at 20" in said
    assert str(batch) in said
