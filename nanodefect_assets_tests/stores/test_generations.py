import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName, Input, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.generations import (
    RECORD,
    WRITING,
    current_generation,
    new_generation,
    read_record,
    require_generation,
)
from nanodefect_assets.stores.home import POINTER, Home
from nanodefect_assets.stores.rows import SchemaError

REFERENCES = Path(__file__).parents[1] / "references"
ASSET = AssetName(group="hrtem", noun="segmentation")
PLACE = Place(batch="pd-1", aliquot="end")


def origin(**changes):
    return Origin(asset=ASSET, place=PLACE, **{"code_version": "1", "params": {"sigma_px": 2.0}, **changes})


def make(home, row, value=0.0, inputs=(), **changes):
    with new_generation(home, origin(**changes), inputs) as out:
        out.n_items += 1
        out.add_rows(schemas.MASKS, [row | {"threshold": value}])
        out.add_array("labels", "a", np.full((2, 2), round(value)), order_of="a")
    return out


def current(home):
    found = current_generation(home, ASSET, PLACE)
    assert found is not None
    return found


@pytest.fixture
def row(row_of):
    return row_of(schemas.MASKS)


def folders(home):
    return sorted(path.name for path in home.folder_of(ASSET, PLACE).iterdir() if path.is_dir())


def test_what_is_written_is_in_force_and_read_back(home, row):
    out = make(home, row, 3.0, dagster_run_id="run-1")
    found = current(home)

    assert found.record == out.result
    assert found.record.origin == origin(dagster_run_id="run-1")
    assert found.rows(schemas.MASKS)["threshold"].tolist() == [3.0]
    assert found.arrays("labels").read("a").tolist() == [[3, 3], [3, 3]]
    assert (found.record.n_items, found.record.n_refused) == (1, 0)
    assert not (found.folder / WRITING).exists()


def test_nothing_is_in_force_before_the_body_has_ended(home, row):
    with new_generation(home, origin()) as out:
        out.add_rows(schemas.MASKS, [row])
        assert current_generation(home, ASSET, PLACE) is None
        assert (out.folder / WRITING).exists()

    assert current(home).folder == out.folder


def write_and_fail(home, row, error):
    with new_generation(home, origin()) as out:
        out.add_rows(schemas.MASKS, [row])
        raise error


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_leaves_the_old_generation_and_no_trace(home, row, error):
    before = make(home, row, 1.0).result
    with pytest.raises(type(error)):
        write_and_fail(home, row, error)

    assert current(home).record == before
    assert folders(home) == [before.name]


def test_an_interrupt_after_the_pointer_is_replaced_loses_nothing(home, row, monkeypatch):
    from nanodefect_assets.stores import generations

    def write_then_stop(path, content):
        path.write_bytes(content)
        if path.name == POINTER:
            raise KeyboardInterrupt

    monkeypatch.setattr(generations, "write_atomically", write_then_stop)
    with pytest.raises(KeyboardInterrupt):
        make(home, row, 4.0)

    assert current(home).rows(schemas.MASKS)["threshold"].tolist() == [4.0]


def test_an_equal_result_of_equal_origin_changes_nothing(home, row):
    first = make(home, row, 1.0)
    second = make(home, row, 1.0, dagster_run_id="another-run")

    assert (first.is_unchanged, second.is_unchanged) == (False, True)
    assert second.result == first.result
    assert folders(home) == [first.result.name]


SOURCE = Input(asset=AssetName(group="samples", noun="micrographs"), place=PLACE, generation="20210301T000000-00000001")


@pytest.mark.parametrize(
    "changes",
    [{"value": 2.0}, {"code_version": "2"}, {"params": {"sigma_px": 3.0}}, {"inputs": (SOURCE,)}],
    ids=["content", "code", "parameters", "inputs"],
)
def test_anything_that_matters_makes_a_new_generation(home, row, changes):
    first = make(home, row, **{"value": 1.0})
    second = make(home, row, **{"value": 1.0, **changes})

    assert not second.is_unchanged
    assert current(home).record == second.result != first.result
    assert len(folders(home)) == 2


def test_an_item_that_cannot_be_used_is_set_aside_with_its_reason(home, row_of):
    with new_generation(home, origin()) as out:
        for name in ("good", "refused", "odd", "fine"):
            with out.item(name):
                if name == "refused":
                    raise Refusal("too_dark", expected="light", got="none", advice="Look for the lens cap.")
                if name == "odd":
                    raise ValueError("negative counts")
                out.add_rows(schemas.MASKS, [row_of(schemas.MASKS, micrograph_id=name)])
    found = current(home)

    assert (found.record.n_items, found.record.n_refused) == (4, 2)
    assert found.rows(schemas.MASKS)["micrograph_id"].tolist() == ["good", "fine"]
    refused = found.rows(schemas.REFUSED).set_index("item")
    assert refused.loc["refused"].to_dict() == {
        "asset": "hrtem/segmentation",
        "reason": "too_dark",
        "expected": "light",
        "got": "none",
        "advice": "Look for the lens cap.",
    }
    assert refused.loc["odd", "got"] == "negative counts"


@pytest.mark.parametrize("error", [KeyError("bug"), OSError("disk full"), MemoryError()])
def test_a_fault_of_ours_or_of_the_machine_sets_nothing_aside(home, error):
    with pytest.raises(type(error)), new_generation(home, origin()) as out, out.item("a"):
        raise error

    assert current_generation(home, ASSET, PLACE) is None


def test_rows_that_are_not_as_declared_make_no_generation(home, row):
    with pytest.raises(SchemaError), new_generation(home, origin()) as out:
        out.add_rows(schemas.MASKS, [{**row, "n_particles": None}])

    assert current_generation(home, ASSET, PLACE) is None
    assert folders(home) == []


def test_a_table_without_rows_is_there_and_empty(home):
    with new_generation(home, origin()) as out:
        out.add_rows(schemas.MASKS, [])
        assert out.n_rows(schemas.MASKS) == out.n_rows(schemas.FILES) == 0

    assert current(home).rows(schemas.MASKS).empty
    assert not current(home).rows_path(schemas.FILES).exists()


def test_what_was_not_made_is_asked_for_by_name(home):
    with pytest.raises(Refusal, match="Materialise hrtem/segmentation"):
        require_generation(home, ASSET, PLACE)


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda folder: (folder / RECORD).write_text("{")])
def test_a_generation_that_was_removed_or_damaged_can_be_made_again(home, row, damage):
    before = make(home, row, 1.0).result
    damage(home.folder_of(ASSET, PLACE) / before.name)
    after = make(home, row, 1.0)

    assert not after.is_unchanged
    assert current(home).record == after.result


def test_what_a_pointer_leads_to_in_vain_counts_as_not_made(home, row):
    made = make(home, row).result
    shutil.rmtree(home.folder_of(ASSET, PLACE) / made.name)

    assert current_generation(home, ASSET, PLACE) is None


def test_two_writers_of_one_place_both_finish_and_one_is_in_force(home, row):
    barrier = threading.Barrier(4)
    results = []

    def write(value):
        with new_generation(home, origin()) as out:
            out.add_rows(schemas.MASKS, [row | {"threshold": value}])
            barrier.wait()
        results.append(out.result)

    threads = [threading.Thread(target=write, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({result.name for result in results}) == 4
    assert current(home).record in results
    for result in results:
        assert read_record(home.folder_of(ASSET, PLACE) / result.name) == result


WRITER = """
import itertools, sys
from pathlib import Path
import numpy as np
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.generations import new_generation
from nanodefect_assets.stores.home import Home

home = Home(Path(sys.argv[1]))
asset, place = AssetName(group="hrtem", noun="segmentation"), Place(batch="pd-1", aliquot="end")
origin = Origin(asset=asset, place=place, code_version="1")
same = dict(is_simulated=False, segmenter_name="otsu", segmenter_version=None, mlflow_run_id=None, polarity="bright")
for n in itertools.count(int(sys.argv[2])):
    with new_generation(home, origin) as out:
        values = dict(threshold=float(n), n_particles=n, covered_fraction=0.0)
        rows = [dict(micrograph_id=str(i), **same, **values) for i in range(50)]
        for part in range(5):
            out.add_rows(schemas.MASKS, rows[10 * part : 10 * part + 10])
            out.add_array("labels", str(part), np.full((64, 64), n))
    print(n, flush=True)
"""


def check_whole(home):
    """Read all of the generation in force: rows and arrays must be of one writing."""
    found = current(home)
    rows = found.rows(schemas.MASKS)
    arrays = found.arrays("labels")
    assert len(rows) == 50
    assert rows["n_particles"].nunique() == 1
    values = {int(value) for item in arrays for value in np.unique(arrays.read(item))}
    assert (len(arrays), values) == (5, set(rows["n_particles"]))
    assert (found.folder / RECORD).exists()
    return values.pop()


def kill_while_writing(home, start, delay_s):
    """Start a writer, kill it some time after its first generation, and return the last that it told of."""
    command = [sys.executable, "-c", WRITER, str(home.root), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        return max([told, *map(int, process.stdout.read().split())])


def test_killed_at_any_moment_the_pointer_leads_to_a_whole_generation(home, rng):
    for trial in range(6):
        told = kill_while_writing(home, 1000 * trial, rng.uniform(0, 0.15))

        assert check_whole(home) >= told


@pytest.mark.slow
def test_killed_a_hundred_times_the_pointer_leads_to_a_whole_generation(home, rng):
    for trial in range(100):
        told = kill_while_writing(home, 1000 * trial, rng.uniform(0, 0.2))

        assert check_whole(home) >= told


def test_a_reader_beside_a_writer_is_never_torn(home):
    command = [sys.executable, "-c", WRITER, str(home.root), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = [check_whole(home) for _ in range(30)]
        process.kill()

    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_a_record_of_version_1_is_still_read():
    record = read_record(REFERENCES / "generation-v1")

    assert record.origin.asset == AssetName(group="samples", noun="micrographs")
    assert record.origin.params == {"threshold": 5.5, "is_on": True, "names": ["a"]}
    assert record.inputs[0].place == PLACE
    assert record.created_at == datetime(2021, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert (record.n_items, record.n_refused, record.origin.run_size) == (2, 1, "fast")


@pytest.mark.parametrize(
    ("old", "new"), [('"version": 1', '"version": 2'), ("nanodefect/generation", "nanodefect/manifest")]
)
def test_a_record_of_another_kind_or_version_is_refused(tmp_path, old, new):
    text = (REFERENCES / "generation-v1" / RECORD).read_text()
    assert old in text
    (tmp_path / RECORD).write_text(text.replace(old, new))
    with pytest.raises(ValueError, match="expected nanodefect/generation version 1"):
        read_record(tmp_path)


def test_the_digest_covers_names_and_bytes(home, row):
    digests = set()
    for n, (kind, item) in enumerate([("labels", "a"), ("labels", "b"), ("masks", "a")]):
        place = Place(batch=f"b{n}", aliquot="end")
        with new_generation(home, Origin(asset=ASSET, place=place, code_version="1")) as out:
            out.add_array(kind, item, np.zeros((2, 2)))
        digests.add(out.result.content_digest)

    assert len(digests) == 3


def test_homes_do_not_mix(home, tmp_path, row):
    make(home, row)

    assert current_generation(Home(tmp_path / "other").prepare(), ASSET, PLACE) is None
