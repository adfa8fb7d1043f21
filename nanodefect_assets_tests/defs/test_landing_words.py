"""What the automation page says of the landing folder when it asks for nothing."""

import dagster as dg
import pytest

from nanodefect_assets.defs.check_results import _plain
from nanodefect_assets.defs.sensors import landing
from nanodefect_assets.domain.refusal import Refusal


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def put(home, name, *files):
    (home.landing / name).mkdir(parents=True)
    for file in files:
        (home.landing / name / file).write_text("batch: x\n")


def ticks(instance, n):
    """Let the sensor look `n` times; return what it says the last time."""
    cursor = None
    for _ in range(n):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            result = landing(context)
        cursor = result.cursor
    return result


def test_a_batch_yaml_that_ingest_refuses_leaves_its_reason_in_quarantine(home, ingest, tmp_path):
    (tmp_path / "pd-9").mkdir()
    (tmp_path / "pd-9" / "batch.yaml").write_text("batch: pd-9\n")
    with pytest.raises(Refusal, match="files"):
        ingest(home, tmp_path / "pd-9")

    (reason,) = home.quarantine.glob("pd-9/*/reason.json")
    assert "bad_batch_yaml" in reason.read_text()
    assert (reason.parent / "batch.yaml").read_text() == "batch: pd-9\n"


def test_an_empty_landing_folder_is_named(home, instance):
    assert ticks(instance, 1).skip_reason.skip_message == f"No batch lies in {home.landing}."


@pytest.mark.parametrize(
    ("name", "files", "n_ticks", "said"),
    [
        ("pd-1", ["0.mrc"], 2, "waiting for batch.yaml: pd-1"),
        ("pd-1", ["0.mrc", "batch.yaml"], 1, "new or still changing: pd-1"),
        ("Pd 1", ["batch.yaml"], 2, "refused, see quarantine, for a name that can be no batch id: Pd 1"),
    ],
)
def test_what_a_batch_waits_for_is_said(home, instance, name, files, n_ticks, said):
    put(home, name, *files)

    result = ticks(instance, n_ticks)

    assert result.skip_reason.skip_message == said
    assert not result.run_requests


def test_a_batch_that_is_asked_for_needs_no_words(home, instance):
    put(home, "pd-1", "batch.yaml")

    result = ticks(instance, 2)

    assert [request.partition_key for request in result.run_requests] == ["pd-1"]
    assert result.skip_reason is None


def test_refusals_that_a_check_lists_are_told_apart_and_do_not_break_off():
    rates = [f"{at}, oriented: expected thirty particles, got none. " for at in ("t0003600", "t0010800")]

    assert _plain(rates) == " / ".join(rate.removesuffix(". ") for rate in rates)
    assert _plain(["a", "b"]) == "a, b"
    assert _plain("word " * 100).endswith("word ...")
