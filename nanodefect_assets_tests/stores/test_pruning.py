import fcntl
import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.generations import RECORD, WRITING
from nanodefect_assets.stores.pruning import prune_generations
from nanodefect_assets.stores.warehouse import load_warehouse

LATER = timedelta(days=30)


def later():
    return datetime.now(UTC) + LATER


@pytest.fixture
def folder_of(home):
    return lambda made: home.folder_of(made.origin.asset, made.origin.place) / made.name


@pytest.fixture
def write_versions(write, row_of, folder_of):
    """Write several generations of one asset, each a second of folder name apart; oldest first."""

    def make(n, asset="hrtem/segmentation", inputs=()):
        made = []
        for label in range(n):
            row = row_of(schemas.MASKS, micrograph_id="a", threshold=float(label))
            made.append(write(asset, {"MASKS": [row]}, inputs=inputs))
        return sorted(folder_of(one) for one in made[:-1]), folder_of(made[-1])

    return make


@pytest.mark.parametrize(("keep", "n_removed"), [(0, 5), (1, 4), (2, 3), (5, 0), (9, 0)])
def test_the_newest_that_are_no_longer_in_force_stay(home, write_versions, keep, n_removed):
    others, current = write_versions(6)
    pruned = prune_generations(home, keep=keep, now=later())

    assert list(pruned.removed) == others[:n_removed]
    assert sorted(path for path in [*others, current] if path.exists()) == sorted([*others[n_removed:], current])
    assert (pruned.n_kept, pruned.size_bytes > 0) == (6 - n_removed, n_removed > 0)


@pytest.mark.parametrize(("age_days", "is_removed"), [(6.9, False), (7.1, True)])
def test_the_young_stay(home, write_versions, age_days, is_removed):
    write_versions(3)
    pruned = prune_generations(home, keep=0, younger_than_days=7, now=datetime.now(UTC) + timedelta(days=age_days))

    assert bool(pruned.removed) == is_removed


def test_what_something_in_force_was_made_from_stays_through_many_steps(home, write_chain, write, row_of, folder_of):
    first = write_chain()
    for n in range(3):
        row = row_of(schemas.FILES, file_id="b", sha256=str(n))
        write("samples/manifest", {"FILES": [row]})
        write("samples/micrographs", {"MICROGRAPHS": [row_of(schemas.MICROGRAPHS, sha256=str(n))]})
        write("hrtem/segmentation", {"MASKS": [row_of(schemas.MASKS, threshold=50.0 + n)]})
    pruned = prune_generations(home, keep=0, now=later())

    assert all(folder_of(one).exists() for one in first.values())
    assert len(pruned.removed) == 3 * 2
    load_warehouse(home)


def test_a_second_pruning_removes_nothing(home, write_versions):
    write_versions(4)
    assert prune_generations(home, keep=1, now=later()).removed

    again = prune_generations(home, keep=1, now=later())
    assert (again.removed, again.size_bytes, again.n_kept) == ((), 0, 2)


def unfinished(current, *, age=timedelta(hours=2)):
    folder = current.with_name("20200101T000000-0badf00d")
    folder.mkdir()
    (folder / "masks.parquet").write_bytes(b"half")
    (folder / WRITING).touch()
    moment = (datetime.now(UTC) - age).timestamp()
    os.utime(folder, (moment, moment))
    return folder


def test_what_a_dead_writer_left_goes(home, write_versions):
    folder = unfinished(write_versions(1)[1])
    pruned = prune_generations(home)

    assert pruned.unfinished == (folder,)
    assert not folder.exists()


def test_what_a_live_writer_holds_stays(home, write_versions):
    folder = unfinished(write_versions(1)[1])
    with (folder / WRITING).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert prune_generations(home).unfinished == ()

    assert folder.exists()


def test_what_was_begun_a_moment_ago_stays(home, write_versions):
    folder = unfinished(write_versions(1)[1], age=timedelta(minutes=5))
    prune_generations(home)

    assert folder.exists()


def test_links_are_never_followed(home, write_versions, tmp_path):
    _, current = write_versions(1)
    outside = tmp_path / "outside" / "20200101T000000-0badf00d"
    shutil.copytree(current, outside)
    (current.parent / outside.name).symlink_to(outside)
    (home.artifacts / "hrtem" / "linked").symlink_to(home.artifacts / "hrtem" / "segmentation")
    pruned = prune_generations(home, keep=0, younger_than_days=0, now=later())

    assert pruned.removed == ()
    assert (outside / RECORD).exists()
    assert (current.parent / outside.name).is_symlink()


def test_folders_of_other_names_stay(home, write_versions):
    _, current = write_versions(1)
    mine = current.with_name("my notes")
    shutil.copytree(current, mine)
    prune_generations(home, keep=0, younger_than_days=0, now=later())

    assert mine.exists()


def test_with_a_needed_record_unreadable_nothing_goes(home, write_versions):
    others, current = write_versions(4)
    (current / RECORD).write_text("{")
    with pytest.raises(Refusal, match="Nothing was removed"):
        prune_generations(home, keep=0, now=later())

    assert all(folder.exists() for folder in others)


@pytest.mark.parametrize("rule", [{"keep": -1}, {"younger_than_days": -0.1}])
def test_a_rule_that_makes_no_sense_is_refused(home, rule):
    with pytest.raises(ValueError, match="Expected keep"):
        prune_generations(home, **rule)
