"""What `nanodefect check`, `correct` and `status` say."""

import os

import click
import numpy as np
import pytest
import tifffile

from nanodefect_assets.cli.check import check_folder
from nanodefect_assets.cli.correct import _say_what_changes, correct
from nanodefect_assets.cli.ingest import _jumps, say_what_goes
from nanodefect_assets.cli.refused import describe_refused
from nanodefect_assets.cli.status import REPORT, show_status
from nanodefect_assets.domain.generation import Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import RefusedFile
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.batch_yaml import read_batch_yaml
from nanodefect_assets.stores.corrections import add_correction
from nanodefect_assets.stores.generations import new_generation
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.quarantine import refuse_batch
from nanodefect_assets.stores.revisions import current_manifest

YAML = "batch: pd-1\nfiles: [{path: a.tif, modality: hrstem, pixel_size_nm: %s}]\n"


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


@pytest.fixture
def namesake(batch, tmp_path, rng):
    """Another batch of the same name, with no file of it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    tifffile.imwrite(folder / "z.tif", rng.integers(0, 99, (9, 8)).astype("uint16"))
    (folder / "batch.yaml").write_text("material: Au\n" + (YAML % 0.5).replace("a.tif", "z.tif"))
    return folder


def test_another_batch_of_the_same_name_takes_no_place_unasked(home, batch, namesake, capsys):
    with pytest.raises(Refusal, match="nanodefect ingest --replace"):
        say_what_goes(home, namesake, replace=False)
    assert list(home.quarantine.glob("*/*/reason.json"))
    check_folder(home, namesake)
    assert "WARNING it would be refused" in capsys.readouterr().out

    say_what_goes(home, namesake, replace=True)
    assert "NO LONGER THERE a.tif" in capsys.readouterr().err


def test_a_drop_that_is_another_batch_is_refused_and_the_earlier_one_stays(home, batch, namesake):
    with pytest.raises(Refusal, match="which would take the place of the earlier") as refused:
        accept_batch(home, namesake, may_replace=False)

    assert refused.value.reason == "another_batch"
    assert [file.path for file in current_manifest(home, "pd-1").files] == ["a.tif"]


def test_a_batch_whose_files_have_new_names_goes_on(home, batch, capsys):
    (batch / "a.tif").rename(batch / "b.tif")
    (batch / "batch.yaml").write_text((YAML % 0.5).replace("a.tif", "b.tif"))
    say_what_goes(home, batch, replace=False)

    assert "NO LONGER THERE a.tif" in capsys.readouterr().err
    assert accept_batch(home, batch, may_replace=False).is_new_revision


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


def test_check_says_the_next_distance_of_atoms_whatever_their_unit(home, capsys):
    folder = home.landing / "xyz-1"
    folder.mkdir()
    (folder / "a.xyz").write_text("2\n\nPd 0 0 0\nPd 0 0 0.280\n")
    (folder / "batch.yaml").write_text("batch: xyz-1\nfiles: [{path: a.xyz, modality: coordinates, length_unit: nm}]\n")
    check_folder(home, folder)

    assert "median distance to the nearest atom 2.800 angstrom" in capsys.readouterr().out


@pytest.mark.parametrize(("size_nm", "is_odd"), [(30, True), (0.19, True), (0.05, False), (0.001, True)])
def test_check_doubts_a_pixel_size_that_shows_no_lattice(home, batch, size_nm, is_odd, capsys):
    (batch / "batch.yaml").write_text((YAML % size_nm).replace("hrstem", "hrtem"))
    check_folder(home, batch)

    assert ("nm/px is unusual for hrtem" in capsys.readouterr().out) == is_odd


def test_check_names_images_that_are_the_same_file(home, batch, rng, capsys):
    (batch / "b.tif").write_bytes((batch / "a.tif").read_bytes())
    tifffile.imwrite(batch / "c.tif", rng.integers(0, 99, (8, 8)).astype("uint16"))
    (batch / "batch.yaml").write_text((YAML % 0.5).replace("a.tif", "'*.tif'"))
    check_folder(home, batch)

    assert "WARNING a.tif, b.tif are the same, byte for byte" in capsys.readouterr().out


def test_check_tells_which_classes_of_a_table_would_be_lost(home, batch, capsys):
    rows = ("a.tif,twin,1,2", "z.tif,twin,1,2", "a.tif,twin,40,2")
    (batch / "classes.csv").write_text("\n".join(("micrograph,class,row,col", *rows)))
    both = (YAML % 0.5).replace("}]", "}, {path: classes.csv, modality: labels}]")
    (batch / "batch.yaml").write_text(both)
    check_folder(home, batch)

    said = capsys.readouterr().out
    assert "WARNING classes.csv: 2 of 3 rows would be set aside; the first, line 3" in said
    assert "a micrograph named z" in said


def test_check_doubts_units_that_nobody_knows(home, batch, capsys):
    (batch / "batch.yaml").write_text("conditions: {temperature: 90 C, stirring: 600 furlong}\n" + YAML % 0.5)
    check_folder(home, batch)

    said = capsys.readouterr().out
    assert said.count("WARNING") == 1
    assert "WARNING conditions, stirring: the unit 'furlong' is not known" in said


def test_check_asks_whether_a_mistyped_table_was_meant(home, batch, capsys):
    (batch / "tiles.csv").write_text("file,x_um,y_um\na.tif,0,0\n")
    (batch / "batch.yaml").write_text((YAML % 0.5).replace("modality", "positions: tiless.csv, modality"))
    with pytest.raises(click.ClickException):
        check_folder(home, batch)

    assert capsys.readouterr().out.count("Did you mean 'tiles.csv'?") == 2


def test_a_pixel_size_with_a_unit_is_refused_before_anything_is_said_of_it(home, batch, capsys):
    with pytest.raises(Refusal, match="Write it without a unit: 21"):
        correct(home, "calibration", "pd-1", reason="measured", author="A", target="a.tif", value="0.021um")

    assert capsys.readouterr() == ("", "")


def test_status_tells_what_people_took_out_and_what_came_last_to_quarantine(home, batch, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    add_correction(home, "pd-1", kind="retract", reason="wrong precursor", author="A")
    for age, name in enumerate(("aa-1", "zz-1")):
        folder = refuse_batch(home, home.landing / name, Refusal("r", expected="this", got="that"))
        os.utime(folder / "reason.json", ns=(0, 10**9 * (9 - age)))
    show_status(home)

    said = capsys.readouterr().out
    assert "0 samples, retracted" in said
    assert "came once, at 20" in said
    assert f"2 drops with refusals, the last: {home.quarantine / 'aa-1'}" in said


def test_status_names_the_checks_that_did_not_pass(home, batch, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with new_generation(home, Origin(asset=REPORT, place=Place(batch="pd-1"), code_version="1")) as out:
        (out.folder / "doubts.json").write_text('["whole batch: samples/intake all files accepted"]')
    show_status(home)

    said = capsys.readouterr().out
    assert "1 check did not pass: whole batch: samples/intake all files accepted. See: nanodefect report pd-1" in said


def test_status_tells_how_often_a_batch_came(home, batch, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    accept_batch(home, batch)
    show_status(home)

    said = capsys.readouterr().out
    assert "came 2 times, 1 of them with nothing new, the last at 20" in said
    assert str(batch) in said


@pytest.mark.parametrize(
    ("anchor", "doubt"),
    [
        ("a.tif 3,4 right", None),
        ("a.tif 3,400 right", "beyond the image of"),
        ("z.tif 3,4 left", "no SEM image of this path"),
    ],
)
def test_check_doubts_anchors_that_lie_on_no_particle_before_half_an_hour_of_training(
    home, batch, anchor, doubt, capsys
):
    chiral = f"chirality: {{anchors: ['{anchor}']}}\n" + (YAML % 0.5).replace("hrstem", "sem")
    (batch / "batch.yaml").write_text(chiral)
    check_folder(home, batch)

    said = capsys.readouterr().out
    assert said.count("WARNING") == (doubt is not None)
    assert (doubt or "") in said


def test_a_mistyped_anchor_is_told_once_and_in_one_sentence(home, batch):
    (batch / "batch.yaml").write_text("chirality: {anchors: [a.tif 3 rihgt]}\n" + YAML % 0.5)

    with pytest.raises(Refusal) as caught:
        read_batch_yaml(batch / "batch.yaml")

    said = str(caught.value)
    assert "expected an anchor as 'a.tif 120,340 right'" in said
    assert said.lower().count("expected an anchor") == said.count("rihgt") == 1
