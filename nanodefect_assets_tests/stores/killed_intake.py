"""Script of `test_intake_killed`: intakes killed at given moments, each then run again, told as JSON.

A moment is the number of a call to the operating system that touches the home; Python's audit hooks count them.
"""

import json
import os
import shutil
import signal
import sys
from hashlib import sha256
from pathlib import Path

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.revisions import current_manifest, raw_path

EVENTS = {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.chmod", "os.rmdir"}
HEAD = "batch: pd-1\nfiles:\n  - {path: '*.tif', modality: hrtem, pixel_size_nm: 0.1}\n"


def probe(path, entry):
    return RawFacts(format="", kind="image", shape=(4, 3), dtype="", acquisition=Acquisition())


def write_batch(folder, *, is_corrected):
    folder.mkdir(parents=True, exist_ok=True)
    for name in range(6 if is_corrected else 4):
        (folder / f"{name}.tif").write_bytes(bytes([name]) * 5000 + bytes([is_corrected and name == 1]))
    (folder / "notes.txt").write_text("not declared")
    (folder / "batch.yaml").write_text(HEAD + f"note: corrected {is_corrected}\n")
    for path in folder.iterdir():
        os.utime(path, (is_corrected, is_corrected))


def kill_at(moment, root):
    """Kill this process at the given call that touches `root`; return a function that tells how many there were."""
    calls = 0

    def watch(event, arguments):
        nonlocal calls
        if event in EVENTS and os.fsdecode(str(arguments[0])).startswith(str(root)):
            calls += 1
            if calls == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return lambda: calls


def in_child(work):
    """Run `work` in a child process; return whether it was killed."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def readable_state(home):
    """Whether what readers see is whole: each file of the manifest in force, in its own bytes."""
    manifest = current_manifest(home, "pd-1")
    files = () if manifest is None else manifest.files
    return all(sha256(raw_path(home, manifest, file).read_bytes()).hexdigest() == file.sha256 for file in files)


def end_state(home):
    below = (path for folder in (home.raw, home.quarantine) for path in folder.rglob("*"))
    return {
        str(path.relative_to(home.root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(below)
        if path.is_file() and path.name != "arrivals.jsonl"
    }


def prepare(base, name, scenario):
    home = Home(base / name).prepare()
    source = base / "pd-1"
    shutil.rmtree(source, ignore_errors=True)
    write_batch(source, is_corrected=False)
    if scenario == "corrected":
        accept_batch(home, source, probe=probe)
        write_batch(source, is_corrected=True)
    return home, source


def count_moments(base, scenario):
    home, source = prepare(base, "counted", scenario)
    read, write = os.pipe()

    def work():
        calls = kill_at(0, home.root)
        accept_batch(home, source, probe=probe)
        os.write(write, str(calls()).encode())

    in_child(work)
    return int(os.read(read, 20)), end_state(home)


def try_moment(base, scenario, moment, expected):
    home, source = prepare(base, f"moment{moment}", scenario)

    def work():
        kill_at(moment, home.root)
        accept_batch(home, source, probe=probe)

    was_killed = in_child(work)
    is_readable = readable_state(home)
    left_in_force = current_manifest(home, "pd-1")
    again = accept_batch(home, source, probe=probe)
    is_same = end_state(home) == expected
    shutil.rmtree(home.root)
    return {
        "moment": moment,
        "was_killed": was_killed,
        "is_readable": is_readable,
        "is_same": is_same,
        "was_in_force": left_in_force == again.manifest,
        "is_new_revision": again.is_new_revision,
    }


def main(base, scenario, n_moments):
    n_calls, expected = count_moments(base, scenario)
    moments = (
        range(1, n_calls + 1) if n_moments == 0 else sorted({1 + n_calls * at // n_moments for at in range(n_moments)})
    )
    tried = [try_moment(base, scenario, moment, expected) for moment in moments]
    json.dump({"n_calls": n_calls, "tried": tried}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
