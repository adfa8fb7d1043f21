import subprocess
import sys

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import EngineEventData

from nanodefect_assets.defs.reaper import end_dead_runs
from nanodefect_assets.stores.processes import PROCESS_TAG, ProcessIdentity


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@dg.job
def empty_job(): ...


def started_run(instance, tags):
    run = instance.create_run_for_job(empty_job, tags=tags)
    instance.report_engine_event("", run)
    instance.handle_new_event(_event(run.run_id, dg.DagsterEventType.PIPELINE_START))
    assert instance.get_run_by_id(run.run_id).status == DagsterRunStatus.STARTED
    return run.run_id


def _event(run_id, kind):
    import logging
    import time

    event = dg.DagsterEvent(event_type_value=kind.value, job_name="empty_job", message="")
    return dg.EventLogEntry(
        error_info=None,
        level=logging.INFO,
        user_message="",
        run_id=run_id,
        timestamp=time.time(),
        job_name="empty_job",
        dagster_event=event,
    )


def status(instance, run_id):
    return instance.get_run_by_id(run_id).status


def finished_process():
    code = "from nanodefect_assets.stores.processes import ProcessIdentity; print(ProcessIdentity.of_this().to_text())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_run_whose_process_is_gone_is_ended(instance, home):
    run_id = started_run(instance, {PROCESS_TAG: finished_process()})

    assert end_dead_runs(instance, home) == [run_id]
    assert status(instance, run_id) == DagsterRunStatus.FAILURE


def test_a_run_whose_process_lives_goes_on(instance, home):
    run_id = started_run(instance, {PROCESS_TAG: ProcessIdentity.of_this().to_text()})

    assert end_dead_runs(instance, home) == []
    assert status(instance, run_id) == DagsterRunStatus.STARTED


def test_after_a_reboot_the_same_process_number_means_nothing(instance, home, monkeypatch):
    run_id = started_run(instance, {PROCESS_TAG: ProcessIdentity.of_this().to_text()})
    monkeypatch.setenv("NANODEFECT_BOOT_ID", "another boot")

    assert end_dead_runs(instance, home) == [run_id]


def test_a_run_that_has_just_begun_is_given_time_to_say_who_works_on_it(instance, home):
    run_id = started_run(instance, {})

    assert end_dead_runs(instance, home) == []
    assert status(instance, run_id) == DagsterRunStatus.STARTED


def test_slots_of_a_dead_run_are_freed(instance, home):
    run_id = started_run(instance, {PROCESS_TAG: finished_process()})
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    assert storage.claim_concurrency_slot("gpu", run_id, "step").is_claimed

    end_dead_runs(instance, home)

    assert storage.get_concurrency_info("gpu").active_slot_count == 0


def test_a_run_tried_again_is_not_taken_for_the_dead_one_whose_tags_it_began_with(instance, home):
    dead = started_run(instance, {PROCESS_TAG: finished_process()})
    end_dead_runs(instance, home)
    tags = {**instance.get_run_by_id(dead).tags, "dagster/parent_run_id": dead, "dagster/root_run_id": dead}

    again = instance.create_run_for_job(empty_job, tags=tags, parent_run_id=dead, root_run_id=dead)
    instance.handle_new_event(_event(again.run_id, dg.DagsterEventType.PIPELINE_START))

    assert end_dead_runs(instance, home) == []
    assert status(instance, again.run_id) == DagsterRunStatus.STARTED


def test_a_run_killed_before_it_began_is_ended(instance, home):
    run_id = instance.create_run_for_job(empty_job, tags={PROCESS_TAG: finished_process()}).run_id

    assert end_dead_runs(instance, home) == [run_id]
    assert status(instance, run_id) == DagsterRunStatus.FAILURE


def test_a_run_killed_before_it_was_tagged_is_known_by_its_own_events(instance, home):
    run_id = started_run(instance, {})
    pid = int(finished_process().split("@")[0])
    data = EngineEventData.in_process(pid)
    instance.report_engine_event("Started process for run", instance.get_run_by_id(run_id), data)

    assert end_dead_runs(instance, home) == [run_id]
