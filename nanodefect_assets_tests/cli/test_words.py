"""What `nanodefect check`, `correct` and `status` say."""

import numpy as np
import pytest
import tifffile

from nanodefect_assets.cli.check import check_folder
from nanodefect_assets.cli.correct import _say_what_changes
from nanodefect_assets.cli.ingest import _jumps
from nanodefect_assets.cli.refused import describe_refused
from nanodefect_assets.cli.status import show_status
from nanodefect_assets.domain.manifest import RefusedFile
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


def test_a_reason_that_many_files_share_is_said_once(home, batch, capsys):
    for name in ("notes.txt", "b.dm3", "c.mdoc"):
        (batch / name).write_text("words")
    tifffile.imwrite(batch / "d.tif", np.arange(64, dtype="uint8").reshape(8, 8))
    check_folder(home, batch)
    said = capsys.readouterr().out

    assert said.count("expected an entry under files in batch.yaml") == 1
    assert "REFUSED 4 files: expected an entry" in said
    assert "    notes.txt: even with one it would be refused: in no format of images" in said
    assert "    b.dm3: even with one it would be refused: expected DM3, as the ending .dm3 says" in said
    assert "    c.mdoc: even with one it would be refused: there would have to be an image of this name" in said
    assert "    d.tif\n" in said


def test_only_the_first_of_many_files_are_named():
    refused = [RefusedFile(path=f"{n}.tif", reason="r", expected="this", got="that") for n in range(40)]
    other = RefusedFile(path="z.tif", reason="r", expected="this", got="those", advice="Mend it.")
    lines = list(describe_refused([*refused, other]))

    assert lines[0] == "REFUSED 40 files: expected this, got that."
    assert lines[31:] == ["  and 10 more", "REFUSED z.tif: expected this, got those. Mend it."]


def test_status_tells_how_often_a_batch_came(home, batch, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    accept_batch(home, batch)
    show_status(home)

    said = capsys.readouterr().out
    assert "came 2 times, 1 of them with nothing new, the last at 20" in said
    assert str(batch) in said
