import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from nanodefect_assets.stores.processes import ProcessIdentity, boot_id


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def identity_of(pid):
    return replace(ProcessIdentity.of_this(), pid=pid, started_s=psutil.Process(pid).create_time())


def test_this_process_lives():
    this = ProcessIdentity.of_this()

    assert (this.pid, this.is_alive()) == (os.getpid(), True)


def test_an_identity_comes_back_from_its_text():
    this = ProcessIdentity.of_this()
    back = ProcessIdentity.of_text(this.to_text())

    assert (back.pid, back.boot_id, back.host) == (this.pid, this.boot_id, this.host)
    assert back.started_s == pytest.approx(this.started_s, abs=0.01)
    assert back.is_alive()


def test_a_killed_process_is_dead_while_nobody_has_waited_for_it(sleeper):
    identity = identity_of(sleeper.pid)
    assert identity.is_alive()

    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.is_alive()

    sleeper.wait()
    assert not identity.is_alive()


def test_another_process_of_the_same_number_is_another():
    assert not replace(ProcessIdentity.of_this(), started_s=1.0).is_alive()


def test_no_process_outlives_a_reboot(monkeypatch):
    this = ProcessIdentity.of_this()
    monkeypatch.setenv("NANODEFECT_BOOT_ID", "another boot")

    assert boot_id() == "another boot"
    assert not this.is_alive()
    assert ProcessIdentity.of_this().is_alive()


def test_a_process_of_another_machine_is_taken_to_be_alive():
    assert replace(ProcessIdentity.of_this(), host="elsewhere", boot_id="other", pid=1).is_alive()


def test_the_boot_is_the_same_all_along():
    assert boot_id() == boot_id() != ""
