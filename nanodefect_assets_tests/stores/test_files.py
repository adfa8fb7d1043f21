import errno
import hashlib
import os
import stat
import subprocess
import sys
from threading import Thread

import pytest

from nanodefect_assets.stores.files import (
    copy_hashing,
    digest_folder,
    locked,
    remove_drafts,
    sha256_of,
    write_atomically,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path):
    write_atomically(tmp_path / "a", b"old")
    with (tmp_path / "a").open("rb") as reader:
        write_atomically(tmp_path / "a", b"new")

        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_reader_never_sees_half_of_a_file(tmp_path):
    path = tmp_path / "a"
    contents = [bytes([letter]) * 100_000 for letter in range(20)]
    write_atomically(path, contents[0])
    writer = Thread(target=lambda: [write_atomically(path, content) for content in contents])
    writer.start()
    seen = [path.read_bytes() for _ in range(100)]
    writer.join()

    assert all(content in contents for content in seen)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", b"new")

    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_drafts_of_killed_writers_are_removed_and_nothing_else(tmp_path):
    for name in ("a", ".a.123-0badcafe", ".b.123-0badcafe", ".a"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path / "a")

    assert names(tmp_path) == [".a", ".b.123-0badcafe", "a"]


@pytest.mark.parametrize("n_bytes", [0, 1, (1 << 20) + 1])
def test_a_copy_has_the_bytes_and_their_hash(tmp_path, rng, n_bytes):
    content = rng.bytes(n_bytes)
    (tmp_path / "a").write_bytes(content)
    digest = copy_hashing(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == content
    assert digest == sha256_of(tmp_path / "b") == hashlib.sha256(content).hexdigest()


def test_a_failed_copy_leaves_nothing(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError):
        copy_hashing(tmp_path / "none", tmp_path / "b" / "c")

    assert names(tmp_path / "b") == []


def test_a_copy_takes_the_place_of_a_read_only_file(tmp_path):
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    (tmp_path / "b").chmod(stat.S_IRUSR)
    copy_hashing(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == b"new"


def test_a_lock_is_held_by_one(tmp_path):
    with locked(tmp_path / "deep" / "lock"), pytest.raises(BlockingIOError):
        with locked(tmp_path / "deep" / "lock", blocking=False):
            pytest.fail("held twice")
    with locked(tmp_path / "deep" / "lock", blocking=False):
        assert (tmp_path / "deep" / "lock").exists()


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import os, signal, sys, pathlib\n"
        "from nanodefect_assets.stores.files import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=False)

    assert done.returncode == -9
    with locked(tmp_path / "lock", blocking=False):
        assert (tmp_path / "lock").exists()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"1")
    (folder / "deep" / "b").write_bytes(b"2")
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_bytes(b"3"),
        lambda folder: (folder / "a").rename(folder / "c"),
        lambda folder: (folder / "c").touch(),
        lambda folder: (folder / "deep" / "b").unlink(),
    ],
    ids=["bytes", "name", "more", "less"],
)
def test_a_digest_changes_with_names_and_bytes(folder, change):
    before = digest_folder(folder)
    change(folder)

    assert digest_folder(folder) != before


def test_a_digest_does_not_change_with_times_or_hidden_files(folder):
    before = digest_folder(folder)
    os.utime(folder / "a", (1, 1))
    (folder / ".writing").touch()

    assert digest_folder(folder) == before
