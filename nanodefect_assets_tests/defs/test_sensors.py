"""What the sensors and the nightly schedule ask for, tick by tick."""

import os
import shutil
import time
from datetime import datetime

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs import schedules, sensors
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.partitions import sample_key
from nanodefect_assets.defs.samples.intake import REFUSED_TAG
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import landing as landing_store
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.processes import ProcessIdentity

SUCCESS, FAILURE, STARTED = DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.STARTED


@dg.job
def some_job(): ...


@pytest.fixture
def instance(request, tmp_path):
    """In memory; or on disk, which schedules need, where a test asks for it."""
    is_stored = getattr(request, "param", "") == "stored"
    with dg.DagsterInstance.local_temp(str(tmp_path)) if is_stored else dg.DagsterInstance.ephemeral() as instance:
        yield instance


stored = pytest.mark.parametrize("instance", ["stored"], indirect=True)


class Ticks:
    """Evaluate a sensor as Dagster does: with the cursor of the last tick, and no run key twice."""

    def __init__(self, sensor, instance):
        self.sensor, self.instance, self.cursor, self.run_keys = sensor, instance, None, set()

    def __call__(self):
        with dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=defs) as context:
            result = self.sensor(context)
        self.cursor = result.cursor
        for request in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        requests = [request for request in result.run_requests if request.run_key not in self.run_keys]
        self.run_keys |= {request.run_key for request in requests if request.run_key}
        return requests

    def carry_out(self, requests, status, **tags):
        for request in requests:
            record_run(self.instance, request.partition_key, status, {**request.tags, **tags})


def record_run(instance, partition_key, status, tags=None):
    tags = {**(tags or {}), "dagster/partition": str(partition_key)}
    return instance.create_run_for_job(some_job, status=status, tags=tags).run_id


@pytest.fixture
def landing(home, instance):
    return Ticks(sensors.landing, instance)


@pytest.fixture
def samples(home, instance):
    return Ticks(sensors.accepted_samples, instance)


def write(home, name, files=("a.tif",), text="batch: x\n"):
    folder = home.landing / name
    folder.mkdir(exist_ok=True)
    for file in files:
        (folder / file).write_bytes(b"some bytes")
    (folder / "batch.yaml").write_text(text)
    return folder


def keys(requests):
    return [str(request.partition_key) for request in requests]


# The landing folder


def test_a_batch_is_asked_for_at_the_second_tick_and_made_known(home, landing, instance):
    write(home, "pd-1")

    assert landing() == []
    assert keys(landing()) == ["pd-1"]
    assert instance.get_dynamic_partitions("synthesis_batch") == ["pd-1"]


@pytest.mark.parametrize("status", [SUCCESS, STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED])
def test_what_is_done_or_under_way_is_not_asked_for_again(home, landing, status):
    write(home, "pd-1")
    landing()
    landing.carry_out(landing(), status)

    assert [landing() for _ in range(3)] == [[], [], []]


def test_a_batch_still_being_copied_waits(home, landing):
    folder = write(home, "pd-1")
    for n in range(3):
        assert landing() == []
        (folder / f"{n}.tif").write_bytes(b"more")

    assert landing() == []
    assert keys(landing()) == ["pd-1"]


def test_a_folder_without_batch_yaml_waits_without_end(home, landing):
    (write(home, "pd-1") / "batch.yaml").unlink()

    assert [landing() for _ in range(3)] == [[], [], []]
    assert list(home.quarantine.iterdir()) == []


def test_a_failed_intake_is_tried_again_a_bounded_number_of_times(home, landing):
    write(home, "pd-1")
    landing()
    n_asked = 0
    for _ in range(10):
        requests = landing()
        n_asked += len(requests)
        landing.carry_out(requests, FAILURE)

    assert n_asked == sensors.MAX_ATTEMPTS


def test_a_refused_batch_is_not_tried_again_until_it_changes(home, landing):
    folder = write(home, "pd-1")
    landing()
    landing.carry_out(landing(), FAILURE, **{REFUSED_TAG: "bad_yaml"})
    assert [landing() for _ in range(2)] == [[], []]

    (folder / "batch.yaml").write_text("batch: pd-1\n")

    assert landing() == []
    assert keys(landing()) == ["pd-1"]


def test_what_failed_is_tried_again_by_another_version_of_the_package(home, landing, monkeypatch):
    write(home, "pd-1")
    landing()
    landing.carry_out(landing(), FAILURE, **{REFUSED_TAG: "unknown_format"})

    monkeypatch.setattr(sensors, "version", lambda name: "99.0")

    assert keys(landing()) == ["pd-1"]


def test_an_earlier_state_put_back_is_taken_in_again(home, landing, tmp_path):
    folder = write(home, "pd-1")
    shutil.copytree(folder, tmp_path / "backup")
    for restore in (False, False, True):
        landing()
        landing.carry_out(landing(), SUCCESS)
        assert landing() == []
        if restore:
            break
        (folder / "batch.yaml").write_text(f"batch: pd-1\nnote: {time.time_ns()}\n")
    for path in (tmp_path / "backup").iterdir():
        shutil.copy2(path, folder / path.name)

    assert landing() == []
    assert keys(landing()) == ["pd-1"]


@pytest.mark.parametrize("name", ["Pd 1", "PD_1", "-pd", "ä-1", "pd\udcff"])
def test_a_name_that_can_be_no_key_goes_to_quarantine_and_the_others_go_on(home, landing, name):
    write(home, name)
    write(home, "pd-1")
    landing()

    assert keys(landing()) == ["pd-1"]
    (reason,) = home.quarantine.glob("*/*/reason.json")
    assert "bad_batch_key" in reason.read_text()
    assert (home.landing / name / "batch.yaml").exists(), "landing is only read"
    landing()
    assert len(list(home.quarantine.glob("*/*/reason.json"))) == 1


def fail_for(monkeypatch, name, error):
    survey = landing_store.survey

    def look(folder):
        if folder.name == name:
            raise error
        return survey(folder)

    monkeypatch.setattr(landing_store, "survey", look)


def test_a_folder_that_vanishes_while_the_tick_looks_sinks_nothing(home, landing, monkeypatch):
    write(home, "pd-1")
    write(home, "pd-2")
    landing()
    fail_for(monkeypatch, "pd-1", FileNotFoundError("gone"))

    assert keys(landing()) == ["pd-2"]


def test_a_folder_that_may_not_be_read_is_refused_and_the_others_go_on(home, landing, monkeypatch):
    write(home, "pd-1")
    write(home, "pd-2")
    refusal = Refusal("unreadable_folder", expected="folders that may be read", got="no permission", file="pd-1")
    fail_for(monkeypatch, "pd-1", refusal)

    assert landing() == []
    assert list(home.quarantine.iterdir()) == [], "it may be in the middle of being copied"
    assert keys(landing()) == ["pd-2"]
    (reason,) = home.quarantine.glob("pd-1/*/reason.json")
    assert "unreadable_folder" in reason.read_text()


def test_what_ingest_took_from_the_landing_folder_is_not_asked_for(home, landing, instance):
    folder = write(home, "pd-1")
    record_run(instance, "pd-1", SUCCESS, sensors.landing_tags(home, folder))
    landing()

    assert landing() == []


def test_what_ingest_took_from_elsewhere_says_nothing_of_the_landing_folder(home, tmp_path):
    folder = tmp_path / "pd-1"
    folder.mkdir()

    assert sensors.landing_tags(home, folder) == {}


def test_a_tick_over_many_folders_is_cheap(home, landing):
    for n in range(50):
        write(home, f"pd-{n}", [f"{m:03d}.tif" for m in range(200)])
    landing()
    start = time.perf_counter()
    requests = landing()
    elapsed_s = time.perf_counter() - start
    landing.carry_out(requests, SUCCESS)

    print(f"a tick over 50 batches of 200 files: {elapsed_s:.2f} s")  # noqa: T201
    assert len(requests) == 50
    assert elapsed_s < 15, "Dagster stops a tick after 60 s"
    assert landing() == []


# Samples of a batch that was accepted


class Accepted:
    """A batch in `raw`, and the events of intake that the sensor reads."""

    def __init__(self, home, instance, write_batch, add_aliquots):
        self.home, self.instance, self.folder = home, instance, home.landing / "discs-01"
        write_batch(self.folder)
        self.add_aliquots = add_aliquots

    def intake(self, **tags):
        accept_batch(self.home, self.folder)
        run_id = record_run(self.instance, "discs-01", SUCCESS, tags)
        event = dg.AssetMaterialization(["samples", "intake"], partition="discs-01")
        entry = dg.DagsterEvent(
            event_type_value="ASSET_MATERIALIZATION",
            job_name="some_job",
            event_specific_data=_data(event),
        )
        self.instance.report_dagster_event(entry, run_id)
        return run_id


def _data(materialization):
    from dagster._core.events import StepMaterializationData

    return StepMaterializationData(materialization)


@pytest.fixture
def accepted(home, instance, write_batch, add_aliquots):
    return Accepted(home, instance, write_batch, add_aliquots)


def of(*aliquots):
    return [str(sample_key(Place(batch="discs-01", aliquot=aliquot))) for aliquot in aliquots]


THREE = of("t0003600", "t0028800", "t0086400")


def test_the_samples_of_an_accepted_batch_are_asked_for_once(samples, accepted):
    accepted.intake()

    assert keys(samples()) == THREE
    assert samples() == []


def test_six_aliquots_at_once_are_asked_for_in_one_tick(samples, accepted):
    accepted.add_aliquots(accepted.folder, (30, 31, 32))
    accepted.intake()

    assert len(keys(samples())) == 6


def test_a_sample_with_a_run_at_work_is_asked_for_after_it(samples, accepted, instance):
    busy = record_run(instance, THREE[0], STARTED)
    accepted.intake()

    assert keys(samples()) == THREE[1:]
    assert samples() == []
    instance.delete_run(busy)
    assert keys(samples()) == THREE[:1], "that run may have read the files of an older revision"
    assert samples() == []


def test_samples_of_a_batch_that_ingest_makes_are_left_to_it(samples, accepted):
    accepted.intake(**{sensors.INGEST_TAG: ProcessIdentity.of_this().to_text()})

    assert [samples() for _ in range(2)] == [[], []]


def test_samples_that_a_killed_ingest_left_are_asked_for(samples, accepted, monkeypatch):
    accepted.intake(**{sensors.INGEST_TAG: ProcessIdentity.of_this().to_text()})
    samples()
    monkeypatch.setenv("NANODEFECT_BOOT_ID", "another boot")

    assert keys(samples()) == THREE
    assert samples() == []


def test_finished_samples_are_not_asked_for(home_copy):
    with open_instance(home_copy) as instance:
        samples = Ticks(sensors.accepted_samples, instance)

        assert [samples() for _ in range(2)] == [[], []]
        assert nights(instance) == []


# Every night


def nights(instance):
    with dg.build_schedule_context(instance, scheduled_execution_time=datetime(2021, 3, 1, 2)) as context:
        return schedules.nightly(context)


@stored
def test_missing_samples_are_asked_for_at_night_a_bounded_number_of_times(accepted, instance):
    accepted.intake()
    asked = []
    for _ in range(schedules.MAX_TRIES + 2):
        requests = nights(instance)
        asked += keys(requests)
        for request in requests:
            record_run(instance, request.partition_key, FAILURE, request.tags)

    assert asked == THREE * schedules.MAX_TRIES


@stored
def test_a_sample_of_other_files_has_tries_of_its_own(accepted, instance):
    accepted.intake()
    for _ in range(schedules.MAX_TRIES):
        for request in nights(instance):
            record_run(instance, request.partition_key, FAILURE, request.tags)
    assert nights(instance) == []

    accepted.add_aliquots(accepted.folder, (30,))
    accepted.intake()

    assert keys(nights(instance)) == ["t0108000|discs-01"]


@stored
def test_what_succeeded_at_night_is_no_try_that_failed(accepted, instance):
    accepted.intake()
    for _ in range(schedules.MAX_TRIES + 1):
        requests = nights(instance)
        for request in requests:
            record_run(instance, request.partition_key, SUCCESS, request.tags)

    assert keys(nights(instance)) == THREE


@stored
def test_what_is_being_made_is_not_asked_for_at_night(accepted, instance):
    accepted.intake()
    record_run(instance, THREE[1], STARTED)

    assert keys(nights(instance)) == [THREE[0], THREE[2]]


def test_old_generations_are_removed_by_a_job(home, instance):
    unfinished = home.artifacts / "hrtem" / "particles" / "pd-1" / "end" / "20200101T000000-00000000"
    unfinished.mkdir(parents=True)
    os.utime(unfinished, (0, 0))

    result = defs.resolve_job_def("prune_old_generations").execute_in_process(instance=instance)

    assert result.success
    assert not unfinished.exists()
