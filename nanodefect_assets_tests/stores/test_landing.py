import os
import time

import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.landing import landing_batches, survey


@pytest.fixture
def batch(tmp_path):
    folder = tmp_path / "pd-1"
    (folder / "8h").mkdir(parents=True)
    (folder / "8h" / "a.tif").write_bytes(b"abc")
    (folder / "batch.yaml").write_text("batch: pd-1")
    return folder


def test_a_survey_counts_without_opening(batch):
    (batch / "8h" / "a.tif").chmod(0)
    seen = survey(batch)

    assert (seen.n_files, seen.size_bytes, seen.has_batch_yaml) == (2, 14, True)
    assert [file.path for file in seen.files] == ["8h/a.tif", "batch.yaml"]


def test_two_looks_at_the_same_folder_are_equal(batch):
    assert survey(batch) == survey(batch)


def touch(batch):
    os.utime(batch / "8h" / "a.tif", ns=(1, 1))


def grow(batch):
    with (batch / "8h" / "a.tif").open("ab") as file:
        file.write(b"d")
    os.utime(batch / "8h" / "a.tif", ns=(0, 0))


def rename(batch):
    (batch / "8h" / "a.tif").rename(batch / "8h" / "b.tif")


def link(batch):
    (batch / "link").symlink_to("/etc")


def forbid(batch):
    (batch / "8h" / "a.tif").chmod(0)


def copy_under_way(batch):
    (batch / ".a.tif.part").write_bytes(b"")


@pytest.mark.parametrize("change", [touch, grow, rename, link, forbid, copy_under_way])
def test_every_change_is_seen(batch, change):
    os.utime(batch / "8h" / "a.tif", ns=(0, 0))
    before = survey(batch)
    change(batch)

    assert survey(batch).fingerprint != before.fingerprint


def test_who_may_write_is_no_change(batch):
    before = survey(batch)
    (batch / "8h" / "a.tif").chmod(0o444)

    assert survey(batch).fingerprint == before.fingerprint


@pytest.mark.parametrize("junk", ["Thumbs.db", ".DS_Store", "desktop.ini"])
def test_what_file_managers_leave_is_no_change(batch, junk):
    before = survey(batch)
    (batch / "8h" / junk).write_text("x")

    assert survey(batch) == before


def test_links_are_named_and_not_followed(batch):
    (batch / "loop").symlink_to(batch)
    (batch / "batch.yaml").unlink()
    seen = survey(batch)

    assert {file.path: file.is_regular for file in seen.files} == {"8h/a.tif": True, "loop": False}
    assert not seen.has_batch_yaml


def test_a_pipe_does_not_stop_the_survey(batch):
    os.mkfifo(batch / "pipe")

    assert not next(file for file in survey(batch).files if file.path == "pipe").is_regular


def test_names_that_are_not_utf8_are_surveyed(batch):
    os.close(os.open(os.fsencode(batch) + b"/\xff.tif", os.O_CREAT))

    assert survey(batch).n_files == 3


def test_a_batch_yaml_deeper_down_does_not_count(batch):
    (batch / "batch.yaml").rename(batch / "8h" / "batch.yaml")

    assert not survey(batch).has_batch_yaml


def test_absurdly_many_files_are_refused(batch):
    with pytest.raises(Refusal, match="at most 1 files"):
        survey(batch, limit_files=1)


def test_a_folder_that_may_not_be_read_is_refused(batch, monkeypatch):
    scan = os.scandir

    def forbidden(path):
        if str(path).rstrip("/").endswith("8h"):
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(Refusal, match="may be read"):
        survey(batch)


def test_a_thousand_files_take_no_time(tmp_path):
    for name in range(2000):
        (tmp_path / f"{name}.tif").touch()
    begun_s = time.process_time()

    assert survey(tmp_path).n_files == 2000
    assert time.process_time() - begun_s < 1


def test_batches_are_the_folders_in_landing(home):
    for name in ("pd-2", "pd-1", ".hidden", "Odd name"):
        (home.landing / name).mkdir()
    (home.landing / "file").touch()
    (home.landing / "link").symlink_to(home.landing / "pd-1")

    assert [folder.name for folder in landing_batches(home)] == ["Odd name", "pd-1", "pd-2"]


def test_no_landing_folder_holds_no_batches(home):
    home.landing.rmdir()

    assert landing_batches(home) == []
