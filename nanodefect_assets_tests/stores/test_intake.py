import errno
import json
import os
import stat
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.progress import ignore_progress
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import arrival, revision_writer
from nanodefect_assets.stores.arrivals import read_arrivals
from nanodefect_assets.stores.corrections import existing_cells
from nanodefect_assets.stores.files import sha256_of
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.revisions import accepted_batches, current_manifest, manifest_of, raw_path

EIGHT, SIXTEEN = (Place(batch="pd-1", aliquot=aliquot) for aliquot in ("t0028800", "t0057600"))
HEAD = "batch: pd-1\nmaterial: Pd\nfiles:\n"
ENTRIES = (
    "  - {path: '8h/*.tif', modality: hrtem, aliquot: 8 h, pixel_size_nm: 0.1}\n"
    "  - {path: '16h/*.tif', modality: hrtem, aliquot: 16 h, pixel_size_nm: 0.1}\n"
)


def probe(path, entry):
    """Read a make-believe format: its text is the kind of file, perhaps with a pixel size."""
    kind, _, pixel_size_nm = path.read_text().partition(" ")
    if kind == "broken":
        raise Refusal("truncated_file", expected="800 bytes", got="12 bytes", advice="Copy it again.")
    return RawFacts(
        format="TEXT",
        kind="coordinates" if kind == "atoms" else "image",
        shape=(4, 3),
        dtype="uint8",
        acquisition=Acquisition(pixel_size_nm=float(pixel_size_nm) if pixel_size_nm else None),
    )


def write(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def accept(home, folder, on_step=ignore_progress):
    return accept_batch(home, folder, on_step, probe=probe)


@pytest.fixture
def batch(home):
    folder = home.landing / "pd-1"
    write(folder, {"8h/a.tif": "image", "8h/b.tif": "image ", "16h/a.tif": "image", "batch.yaml": HEAD + ENTRIES})
    return folder


def assert_whole(home, manifest):
    """All that the manifest says lies there, in these bytes, read-only."""
    for file in manifest.files:
        path = raw_path(home, manifest, file)
        assert sha256_of(path) == file.sha256
        assert path.stat().st_size == file.size_bytes
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


def refusals(intake):
    return {file.path: file.reason for file in intake.refused}


def test_a_batch_is_taken_in_whole(home, batch):
    before = {path: path.read_bytes() for path in batch.rglob("*.tif")}
    taken = accept(home, batch)

    assert taken.is_new_revision
    assert taken.changed == (SIXTEEN, EIGHT)[::-1]
    assert taken.manifest.revision == "r0001"
    assert [file.path for file in taken.manifest.files] == ["16h/a.tif", "8h/a.tif", "8h/b.tif"]
    assert taken.manifest == current_manifest(home, "pd-1") == manifest_of(home, "pd-1", "r0001")
    assert (accepted_batches(home), existing_cells(home)) == (["pd-1"], [EIGHT, SIXTEEN])
    assert_whole(home, taken.manifest)
    assert {path: path.read_bytes() for path in batch.rglob("*.tif")} == before
    assert (home.raw / "pd-1" / "r0001" / "batch.yaml").read_text() == HEAD + ENTRIES


def test_the_same_batch_twice_is_a_recorded_no_op(home, batch):
    first, second = accept(home, batch), accept(home, batch)

    assert (second.is_new_revision, second.changed, second.manifest) == (False, (), first.manifest)
    arrivals = read_arrivals(home, "pd-1")
    assert [arrived.is_new_revision for arrived in arrivals] == [True, False]
    assert {(arrived.source, arrived.revision) for arrived in arrivals} == {(str(batch), "r0001")}
    assert {arrived.fingerprint for arrived in arrivals} == {first.manifest.fingerprint}
    assert arrivals[0].at <= arrivals[1].at
    assert read_arrivals(home, "pd-2") == ()
    assert sorted(path.name for path in (home.raw / "pd-1").glob("r*")) == ["r0001"]


def test_a_recopied_batch_with_other_times_is_the_same(home, batch):
    accept(home, batch)
    for at, path in enumerate(sorted(batch.rglob("*"))):
        os.utime(path, (at, at))

    assert not accept(home, batch).is_new_revision


def test_a_corrected_batch_yaml_makes_a_revision_without_copying(home, batch):
    first = accept(home, batch).manifest
    (batch / "batch.yaml").write_text(HEAD + ENTRIES.replace("8 h, pixel_size_nm: 0.1", "8 h, pixel_size_nm: 0.2"))
    second = accept(home, batch)

    assert (second.is_new_revision, second.changed) == (True, (EIGHT,))
    assert second.manifest.revision == "r0002"
    assert {file.since_revision for file in second.manifest.files} == {"r0001"}
    for before, after in zip(first.files, second.manifest.files, strict=True):
        assert raw_path(home, first, before).samefile(raw_path(home, second.manifest, after))
    assert manifest_of(home, "pd-1", "r0001") == first


def test_a_note_changes_the_revision_and_no_sample(home, batch):
    accept(home, batch)
    (batch / "batch.yaml").write_text("note: checked\n" + HEAD + ENTRIES)
    second = accept(home, batch)

    assert (second.is_new_revision, second.changed, second.manifest.note) == (True, (), "checked")


def test_a_changed_file_changes_its_sample_and_the_old_bytes_stay(home, batch):
    first = accept(home, batch).manifest
    write(batch, {"8h/a.tif": "image 0.1"})
    second = accept(home, batch)

    assert second.changed == (EIGHT,)
    assert {file.path: file.since_revision for file in second.manifest.files_of("t0028800")} == {
        "8h/a.tif": "r0002",
        "8h/b.tif": "r0001",
    }
    assert_whole(home, first)
    assert_whole(home, second.manifest)


def test_a_later_aliquot_leaves_the_others_alone(home, batch):
    (batch / "16h" / "a.tif").rename(batch.parent / "later.tif")
    (batch / "batch.yaml").write_text(HEAD + ENTRIES.splitlines(keepends=True)[0])
    assert accept(home, batch).changed == (EIGHT,)
    (batch.parent / "later.tif").rename(batch / "16h" / "a.tif")
    (batch / "batch.yaml").write_text(HEAD + ENTRIES)
    second = accept(home, batch)

    assert second.changed == (SIXTEEN,)
    assert second.manifest.cells() == (EIGHT, SIXTEEN)


def test_going_back_to_an_earlier_content_makes_a_third_revision(home, batch):
    first = accept(home, batch).manifest
    write(batch, {"8h/a.tif": "image 0.1"})
    accept(home, batch)
    write(batch, {"8h/a.tif": "image"})
    third = accept(home, batch).manifest

    assert (third.revision, third.fingerprint) == ("r0003", first.fingerprint)
    assert third.files_of("t0028800")[0].since_revision == "r0003"


def test_a_renamed_file_is_not_copied_again(home, batch, monkeypatch):
    accept(home, batch)
    (batch / "8h" / "b.tif").rename(batch / "8h" / "c.tif")
    monkeypatch.setattr(revision_writer, "copy_hashing", lambda *_: pytest.fail("copied"))

    assert accept(home, batch).changed == (EIGHT,)


def test_six_aliquots_at_once(home):
    folder = home.landing / "pd-6"
    times = ("45 s", "90 s", "10 min", "1 h", "8 h", "16 h r2")
    entries = [f"  - {{path: '{at}/*', modality: sem, aliquot: {time}}}\n" for at, time in enumerate(times)]
    write(folder, {f"{at}/a.tif": f"image {at + 1}" for at in range(6)})
    write(folder, {"batch.yaml": "batch: pd-6\nfiles:\n" + "".join(entries)})
    taken = accept(home, folder)

    assert len(taken.changed) == len(taken.manifest.aliquots) == 6
    assert [file.calibration_source for file in taken.manifest.files] == ["file"] * 6


def test_refused_files_are_kept_with_their_reason_and_the_rest_goes_on(home, batch):
    write(batch, {"8h/c.tif": "broken", "16h/x.tif": "image 7", "notes.txt": "hello", ".hidden": "x", "Thumbs.db": "x"})
    taken = accept(home, batch)

    assert refusals(taken) == {
        "8h/c.tif": "truncated_file",
        "16h/x.tif": "calibration_conflict",
        "notes.txt": "not_declared",
    }
    assert len(taken.manifest.files) == 3
    kept = home.quarantine / "pd-1" / taken.manifest.fingerprint[:12]
    reasons = json.loads((kept / "reason.json").read_text())["refused"]
    assert {(kept / reason["kept_as"]).read_text() for reason in reasons} == {"broken", "image 7", "hello"}
    assert all(reason["expected"] and reason["got"] and reason["advice"] for reason in reasons)


def test_refused_files_are_tried_again_when_the_same_comes_again(home, batch):
    write(batch, {"8h/c.tif": "broken"})
    assert accept(home, batch).refused
    assert not accept(home, batch).is_new_revision
    mended = accept_batch(
        home, batch, probe=lambda path, entry: RawFacts(format="", kind="image", shape=(4, 3), dtype="")
    )

    assert (mended.is_new_revision, mended.refused, mended.changed) == (True, (), (EIGHT,))


@pytest.mark.parametrize(
    ("text", "entry", "reason"),
    [
        ("atoms", "modality: hrtem, uncalibrated: true", "wrong_modality"),
        ("image", "modality: coordinates", "wrong_modality"),
        ("image", "modality: tilt_series, pixel_size_nm: 1", "wrong_modality"),
        ("image", "modality: hrtem", "uncalibrated"),
        ("image", "modality: labels", "label_without_micrograph"),
        ("image 0.1", "modality: sem, pixel_size_nm: 0.11", "calibration_conflict"),
    ],
)
def test_what_does_not_fit_its_entry_is_refused(home, batch, text, entry, reason):
    write(batch, {"x.tif": text, "batch.yaml": HEAD + ENTRIES + f"  - {{path: x.tif, {entry}}}\n"})

    assert refusals(accept(home, batch)) == {"x.tif": reason}


def test_links_never_lead_out_of_the_batch(home, batch, tmp_path):
    secret = tmp_path / "secret.tif"
    secret.write_text("image 0.1")
    (batch / "8h" / "link.tif").symlink_to(secret)
    (batch / "more").symlink_to(tmp_path)
    taken = accept(home, batch)

    assert refusals(taken) == {"8h/link.tif": "not_a_file", "more": "not_a_file"}
    assert not [path for path in home.root.rglob("secret.tif") if path.is_file() and home.landing not in path.parents]
    assert not any(path.is_symlink() for path in [*home.raw.rglob("*"), *home.quarantine.rglob("*")])


def test_odd_names_are_accepted_or_refused_but_never_lost(home, batch):
    odd = [
        "8h/ä ö.tif",
        "8h/" + "x" * 240 + ".tif",
        "8h/[1].tif",
        "8h/A.tif",
        "8h/line\nbreak.tif",
        "8h/back\\slash.tif",
    ]
    write(batch, dict.fromkeys(odd, "image"))
    descriptor = os.open(os.fsencode(batch) + b"/8h/\xff.tif", os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"image")
    os.close(descriptor)
    os.mkfifo(batch / "8h" / "pipe.tif")
    taken = accept(home, batch)

    assert refusals(taken) == {
        "8h/A.tif": "name_clash",
        "8h/a.tif": "name_clash",
        "8h/line\\nbreak.tif": "bad_name",
        "8h/\\udcff.tif": "bad_name",
        "8h/back\\slash.tif": "bad_name",
        "8h/pipe.tif": "not_a_file",
    }
    assert {"8h/ä ö.tif", "8h/[1].tif", odd[1]} < {file.path for file in taken.manifest.files}
    assert_whole(home, taken.manifest)
    [kept] = (home.quarantine / "pd-1").iterdir()
    assert len([path for path in kept.rglob("*") if path.is_file()]) == 6


def test_a_file_that_may_not_be_read_is_refused(home, batch, monkeypatch):
    forbidden = batch / "8h" / "b.tif"
    opened = type(forbidden).open

    def guarded(path, *args, **kwargs):
        if path == forbidden:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(type(forbidden), "open", guarded)
    taken = accept(home, batch)

    assert refusals(taken) == {"8h/b.tif": "unreadable"}
    assert not accept(home, batch).is_new_revision


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("pd-1", "batch: [", "bad_batch_yaml"),
        ("pd-1", "batch: pd-2\nfiles: [{path: a, modality: hrtem}]", "wrong_batch"),
        ("pd-1", "batch: pd-1\nfiles: [{path: none, modality: hrtem}]", "no_file_accepted"),
        ("Odd name!", "batch: pd-1\nfiles: [{path: a, modality: hrtem}]", "wrong_batch"),
        ("pd-1", None, "no_batch_yaml"),
    ],
)
def test_a_batch_of_which_nothing_can_be_used_is_refused_with_a_reason(home, name, text, reason):
    folder = home.landing / name
    write(folder, {"a.tif": "broken"} | ({} if text is None else {"batch.yaml": text}))
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            accept(home, folder)
        assert refused.value.reason == reason

    [reasons] = home.quarantine.rglob("reason.json")
    assert json.loads(reasons.read_text())["refused"]
    assert accepted_batches(home) == []
    assert not list(home.raw.glob("*/r*"))


def test_nothing_acceptable_in_a_correction_leaves_what_was_accepted(home, batch):
    first = accept(home, batch).manifest
    write(batch, {path.relative_to(batch).as_posix(): "broken" for path in batch.rglob("*.tif")})
    with pytest.raises(Refusal, match="3 refused"):
        accept(home, batch)

    assert current_manifest(home, "pd-1") == first


def test_a_batch_yaml_that_is_a_link_is_refused(home, batch, tmp_path):
    (batch / "batch.yaml").rename(tmp_path / "elsewhere.yaml")
    (batch / "batch.yaml").symlink_to(tmp_path / "elsewhere.yaml")

    with pytest.raises(Refusal, match="a plain file"):
        accept(home, batch)


def test_outside_landing_the_id_in_batch_yaml_counts(home, batch, tmp_path):
    elsewhere = batch.rename(tmp_path / "My data")

    assert accept(home, elsewhere).manifest.batch == "pd-1"


def test_a_folder_that_is_not_there_is_refused(home):
    with pytest.raises(Refusal, match="folder of a batch"):
        accept(home, home.landing / "none")


def test_a_full_disk_is_said_and_the_copy_goes_on_where_it_stopped(home, batch, monkeypatch):
    copy, copied = revision_writer.copy_hashing, []

    def filling(source, target):
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(target.name)
        return copy(source, target)

    monkeypatch.setattr(revision_writer, "copy_hashing", filling)
    monkeypatch.setattr(revision_writer, "_N_THREADS", 1)
    with pytest.raises(OSError, match="goes on where it stopped") as full:
        accept(home, batch)
    assert full.value.errno == errno.ENOSPC
    assert current_manifest(home, "pd-1") is None

    again = []
    monkeypatch.setattr(revision_writer, "copy_hashing", lambda *paths: again.append(paths) or copy(*paths))
    assert_whole(home, accept(home, batch).manifest)
    assert len(again) == 1


def test_a_batch_larger_than_what_is_free_is_not_begun(home, batch, monkeypatch):
    monkeypatch.setattr(arrival.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))

    with pytest.raises(OSError, match=r"16 bytes needed, 10 free.*Free space"):
        accept(home, batch)
    assert not list(home.raw.glob("*/r*"))


def test_a_copy_under_a_changed_source_starts_afresh(home, batch, monkeypatch):
    monkeypatch.setattr(revision_writer.RevisionWriter, "commit", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        accept(home, batch)
    monkeypatch.undo()
    write(batch, {"8h/b.tif": "image 0.1"})
    (batch / "16h" / "a.tif").unlink()
    taken = accept(home, batch)

    assert (taken.manifest.revision, taken.changed) == ("r0001", (EIGHT,))
    assert not (home.raw / "pd-1" / "r0001" / "files" / "16h").exists()
    assert_whole(home, taken.manifest)


def test_the_batch_yaml_kept_is_the_one_that_was_read(home, batch, monkeypatch):
    commit = revision_writer.RevisionWriter.commit

    def exchanged(writer, *arguments):
        (batch / "batch.yaml").write_text("batch: other\n")
        commit(writer, *arguments)

    marked = b"\xef\xbb\xbf" + (HEAD + ENTRIES).encode()
    (batch / "batch.yaml").write_bytes(marked)
    monkeypatch.setattr(revision_writer.RevisionWriter, "commit", exchanged)
    accept(home, batch)
    monkeypatch.undo()

    assert (home.raw / "pd-1" / "r0001" / "batch.yaml").read_bytes() == marked
    (batch / "batch.yaml").write_bytes(marked)
    assert not accept(home, batch).is_new_revision


def test_a_batch_that_changes_while_it_is_read_is_not_accepted(home, batch):
    def still_copying(progress):
        if progress.task == "copying":
            (batch / "8h" / "z.tif").touch()

    with pytest.raises(Refusal, match="Wait until copying has ended"):
        accept(home, batch, still_copying)
    assert current_manifest(home, "pd-1") is None


def test_two_intakes_of_one_batch_wait_for_one_another(home, batch):
    inside, go_on, taken = Event(), Event(), []

    def slow(progress):
        inside.set()
        assert go_on.wait(10)

    first = Thread(target=lambda: taken.append(accept(home, batch, slow)))
    second = Thread(target=lambda: taken.append(accept(home, batch)))
    first.start()
    assert inside.wait(10)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    first.join(10)
    second.join(10)

    assert [one.is_new_revision for one in taken] == [True, False]


def test_every_file_is_a_step(home, batch):
    steps = []
    accept(home, batch, steps.append)

    assert [step.done for step in steps if step.task == "copying"] == [1, 2, 3]
    assert all(step.done <= step.total for step in steps)


@pytest.mark.parametrize("revision", ["r0002", "../r0001", "current", "r1"])
def test_a_revision_that_does_not_exist_is_refused(home, batch, revision):
    accept(home, batch)

    with pytest.raises(Refusal, match="accepted revision"):
        manifest_of(home, "pd-1", revision)
    assert current_manifest(home, "pd-2") is None


def test_where_files_can_have_no_second_name_they_are_copied(home, batch, monkeypatch):
    accept(home, batch)

    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    write(batch, {"8h/c.tif": "image"})
    taken = accept(home, batch)

    assert_whole(home, taken.manifest)
    assert all(raw_path(home, taken.manifest, file).stat().st_nlink == 1 for file in taken.manifest.files)
