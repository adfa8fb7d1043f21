"""What a power cut would leave, by what was brought to the disk: a model of the disk that is told of every fsync."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import files, revision_writer
from nanodefect_assets.stores.files import append_line, make_folder, read_lines, write_atomically
from nanodefect_assets.stores.generations import RECORD, new_generation
from nanodefect_assets.stores.home import POINTER
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.quarantine import REASON

ASSET = AssetName(group="hrtem", noun="segmentation")


class Disk:
    """Bytes as of the last fsync of their file, names as of the last fsync of their folder."""

    def __init__(self, root):
        self.root = root
        self.n_synced = 0
        self.before = {}
        """What would have survived, and what was there, when a name was replaced, by the name."""
        self.beside = {}
        """The same of the folder in which the name was replaced."""
        self._names, self._bytes = {}, {}
        for folder, _, names in os.walk(root):
            self._keep_names(Path(folder))
            for name in names:
                self._bytes[Path(folder, name).stat().st_ino] = Path(folder, name).read_bytes()

    def _keep_names(self, folder):
        self._names[folder.stat().st_ino] = {entry.name: entry.inode() for entry in os.scandir(folder)}

    def fsync(self, handle):
        self.n_synced += 1
        path, status = Path(f"/proc/self/fd/{handle}").readlink(), os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            self._keep_names(path)
        else:
            self._bytes[status.st_ino] = path.read_bytes()

    def replace(self, old, new):
        if Path(old).name.startswith("."):  # a draft of ours; Zarr has its own
            assert self._bytes.get(Path(old).stat().st_ino) == Path(old).read_bytes(), f"{new} comes before its bytes"
            self.before[Path(new).name] = self.surviving(), actual(self.root)
            self.beside[Path(new).name] = self.surviving(Path(new).parent), actual(Path(new).parent)
        Path(old).rename(new)

    def forget(self, folder):
        self._names[folder.stat().st_ino] = {}

    def surviving(self, folder=None):
        """Return the bytes of every file that could still be found, by its path; None for bytes that are lost."""
        return dict(self._below("", (folder or self.root).stat().st_ino))

    def _below(self, path, inode):
        for name, child in self._names.get(inode, {}).items():
            if name.startswith("."):  # locks and drafts; one that is gone may have given its inode to another
                continue
            if child in self._names:
                yield from self._below(f"{path}{name}/", child)
            else:
                yield f"{path}{name}", self._bytes.get(child)


def actual(root):
    paths = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def below(folder, found):
    return {path: content for path, content in found.items() if f"/{folder}/" in f"/{path}"}


@pytest.fixture
def disk(home, monkeypatch):
    found = Disk(home.root)
    monkeypatch.setattr(os, "fsync", found.fsync)
    monkeypatch.setattr(os, "replace", found.replace)
    return found


def generate(home, row, value=1.0, batch="pd-1"):
    origin = Origin(asset=ASSET, place=Place(batch=batch, aliquot="end"), code_version="1")
    with new_generation(home, origin) as out:
        out.add_rows(schemas.MASKS, [row | {"threshold": value}])
        for item in "ab":
            out.add_array("labels", item, np.full((3, 3), value))
    return out


def probe(path, entry):
    return RawFacts(format="", kind="image", shape=(4, 3), dtype="", acquisition=Acquisition())


@pytest.fixture
def row(row_of):
    return row_of(schemas.MASKS)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_generation_is_on_the_disk_before_its_pointer_leads_to_it(home, disk, row, is_first):
    if not is_first:
        generate(home, row)
    out = generate(home, row, 2.0)
    survived, written = (below(out.folder.name, found) for found in disk.before[POINTER])

    assert {Path(path).name for path in written} >= {"masks.parquet", "zarr.json", "c.0.0", RECORD}
    assert survived == written
    assert disk.surviving() == actual(home.root)


def test_the_record_of_a_generation_is_written_when_all_else_is_on_the_disk(home, disk, row):
    generate(home, row)
    survived, written = disk.beside[RECORD]

    assert survived == written
    assert {Path(path).name for path in written} == {"masks.parquet", "zarr.json", "c.0.0"}


def test_a_result_that_is_not_kept_is_not_brought_to_the_disk(home, disk, row):
    generate(home, row)
    before = disk.n_synced

    assert generate(home, row).is_unchanged
    assert disk.n_synced == before


def drop(home, n_files):
    folder = home.landing / "pd-1"
    (folder / "8h").mkdir(parents=True, exist_ok=True)
    for n in range(n_files):
        (folder / "8h" / f"{n}.tif").write_bytes(bytes([n]) * 9)
    (folder / "notes.txt").write_text("not declared")
    (folder / "batch.yaml").write_text("batch: pd-1\nfiles: [{path: '8h/*.tif', modality: hrtem, pixel_size_nm: 1}]\n")
    return accept_batch(home, folder, probe=probe).manifest


@pytest.mark.parametrize("numbers", [(2,), (2, 3)])
def test_a_revision_is_on_the_disk_before_its_pointer_leads_to_it(home, disk, numbers):
    for number in numbers:
        manifest = drop(home, number)
    survived, written = (below(f"pd-1/{manifest.revision}", found) for found in disk.before[POINTER])

    assert len(written) == len(manifest.files) + len(["batch.yaml", "journal.jsonl", "manifest.json"])
    assert survived == written
    assert below("raw", disk.surviving()) == below("raw", actual(home.root))


def test_a_try_that_was_killed_before_its_folder_was_on_the_disk_goes_on_and_is_safe(home, disk, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(revision_writer.RevisionWriter, "commit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            drop(home, 2)
    disk.forget(home.raw / "pd-1")
    accept_batch(home, home.landing / "pd-1", probe=probe)
    survived, written = (below("pd-1/r0001", found) for found in disk.before[POINTER])

    assert survived == written


def test_what_was_copied_of_a_revision_is_on_the_disk_before_its_manifest(home, disk):
    drop(home, 2)
    survived, written = (below("r0001", found) for found in disk.before["manifest.json"])

    assert survived == written
    assert len(written) == 4


def test_what_is_set_aside_is_on_the_disk_before_its_reason(home, disk):
    drop(home, 1)
    survived, written = (below("quarantine", found) for found in disk.before[REASON])

    assert [Path(path).name for path in written] == ["notes.txt"]
    assert survived == written
    assert below("quarantine", disk.surviving()) == below("quarantine", actual(home.root))


def test_a_batch_that_is_refused_leaves_its_batch_yaml_and_the_reason(home, disk):
    (home.landing / "pd-1").mkdir()
    (home.landing / "pd-1" / "batch.yaml").write_text("batch: [")
    with pytest.raises(Refusal):
        accept_batch(home, home.landing / "pd-1", probe=probe)

    found = below("quarantine", disk.surviving())
    assert sorted(Path(path).name for path in found) == ["batch.yaml", "reason.json"]
    assert found == below("quarantine", actual(home.root))


def test_files_and_folders_are_on_the_disk_when_they_are_said_to_be(home, disk):
    make_folder(home.root / "a" / "b" / "c")
    write_atomically(home.root / "a" / "b" / "c" / "d", b"1")
    append_line(home.root / "a" / "lines", b"2")
    append_line(home.root / "a" / "lines", b"3")

    assert below("a", disk.surviving()) == {"a/b/c/d": b"1", "a/lines": b"2\n3\n"}


@pytest.mark.parametrize("torn", [b"", b"1", b"1\n", b"1\n{2"])
def test_a_line_cut_short_is_left_out_and_the_next_one_is_whole(tmp_path, torn):
    path = tmp_path / "lines"
    assert read_lines(path) == []
    path.write_bytes(torn)
    whole = torn.split(b"\n")[:-1]
    assert read_lines(path) == whole

    append_line(path, b"next")
    assert read_lines(path) == [*whole, b"next"]


def test_folders_are_made_once(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")

    assert synced == [tmp_path, tmp_path / "a"]
