import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.domain.manifest import RefusedFile
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import quarantine
from nanodefect_assets.stores.landing import survey
from nanodefect_assets.stores.quarantine import quarantine_name, quarantine_path, refuse_batch, set_aside

HOSTILE = st.text(st.characters(codec=None), min_size=1, max_size=300)
REASON = RefusedFile(path="x", reason="bad_name", expected="a", got="b")


@given(HOSTILE)
def test_any_name_becomes_a_harmless_one(name):
    harmless = quarantine_name(name)

    assert set(harmless) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 1 <= len(harmless) <= 63
    assert quarantine_name(harmless) == harmless


def test_a_batch_key_keeps_its_name_and_others_are_told_apart():
    assert quarantine_name("pd-2021-03") == "pd-2021-03"
    assert quarantine_name("Pd 1") != quarantine_name("pd_1")


@given(HOSTILE)
def test_any_path_stays_below_its_folder(path):
    kept = quarantine_path(path)

    assert not kept.startswith("/")
    assert not {"", ".", ".."} & set(kept.split("/"))
    assert all(len(part.encode()) <= 255 for part in kept.split("/"))
    assert kept != "reason.json"


def test_ordinary_paths_are_kept():
    assert quarantine_path("8h/ä b.tif") == "8h/ä b.tif"


def land(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return {file: REASON for file in survey(folder).files}


def reasons(folder):
    return json.loads((folder / "reason.json").read_text())


def test_refused_files_are_copied_with_their_reason(home, tmp_path):
    refused = land(tmp_path / "in", x="abc")
    folder = set_aside(home, "pd-1", "f" * 64, tmp_path / "in", refused)

    assert folder == home.quarantine / "pd-1" / "ffffffffffff"
    assert (folder / "x").read_text() == "abc"
    assert reasons(folder)["refused"] == [{**REASON.model_dump(), "kept_as": "x"}]
    assert (reasons(folder)["kind"], reasons(folder)["version"]) == ("nanodefect/quarantine", 1)


def test_what_was_set_aside_once_is_left_as_it_is(home, tmp_path):
    refused = land(tmp_path / "in", x="abc")
    folder = set_aside(home, "pd-1", "f" * 64, tmp_path / "in", refused)
    (tmp_path / "in" / "x").write_text("other")
    set_aside(home, "pd-1", "f" * 64, tmp_path / "in", refused)

    assert (folder / "x").read_text() == "abc"


def test_a_refused_file_must_not_fill_the_disk(home, tmp_path, monkeypatch):
    refused = land(tmp_path / "in", x="abc")
    monkeypatch.setattr(quarantine, "_SHARE_OF_FREE_SPACE", 1e-15)
    folder = set_aside(home, "pd-1", "f" * 64, tmp_path / "in", refused)

    assert not (folder / "x").exists()
    assert reasons(folder)["refused"][0]["kept_as"] is None


def test_a_dropped_file_cannot_pose_as_the_reason(home, tmp_path):
    land(tmp_path / "in")
    (tmp_path / "in" / "reason.json").write_text("{}")
    refused = {file: REASON for file in survey(tmp_path / "in").files}
    folder = set_aside(home, "pd-1", "f" * 64, tmp_path / "in", refused)

    assert reasons(folder)["refused"][0]["kept_as"].startswith("reason-json-")


@pytest.mark.parametrize("name", ["Odd name!", "pd-1", "-rf", "x" * 200])
def test_a_whole_batch_is_refused_under_any_name(home, name):
    source = home.landing / name
    land(source)
    (source / "batch.yaml").write_text("batch: x")
    refusal = Refusal("bad_batch_key", expected="a key", got=repr(name), advice="Rename it.")
    folder = refuse_batch(home, source, refusal)

    assert folder.parent.parent == home.quarantine
    assert (folder / "batch.yaml").read_text() == "batch: x"
    assert reasons(folder)["refused"][0]["advice"] == "Rename it."
    assert refuse_batch(home, source, refusal) == folder
    assert len(list(home.quarantine.rglob("reason.json"))) == 1


def test_each_state_of_a_refused_batch_has_its_own_reason(home, tmp_path):
    land(tmp_path / "in")
    refusal = Refusal("bad_batch_yaml", expected="a", got="b")

    assert refuse_batch(home, tmp_path / "in", refusal, "1" * 64) != refuse_batch(
        home, tmp_path / "in", refusal, "2" * 64
    )
