"""The Dagster instance of a home: its settings, and opening it outside Dagster's own processes."""

import os

import dagster as dg

from nanodefect_assets.stores.files import locked, write_atomically
from nanodefect_assets.stores.home import Home

_SETTINGS = """\
# Settings of Dagster for this home. Written once; yours to change.
# Two runs at once, since SQLite fails under many; for more, set up PostgreSQL (README, "A larger machine").
concurrency:
  runs:
    max_concurrent_runs: 2
  pools:
    default_limit: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  free_slots_after_run_end_seconds: 60
# Runs whose process died are tried again; runs that failed with a reason are not.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
telemetry:
  enabled: false
# No invitation to a newsletter on the first visit.
nux:
  enabled: false
# The console shows what runs say and what fails; every event is in the run's own log.
python_logs:
  python_log_level: INFO
"""


def prepare_instance(home: Home) -> None:
    """Write the settings of a home's Dagster instance if there are none, and point this process at it."""
    home.prepare()
    settings = home.dagster / "dagster.yaml"
    if not settings.exists():
        write_atomically(settings, _SETTINGS.encode())
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    # Threads that wait for one another give way: two runs on one machine would else take turns at doing nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["NANODEFECT_HOME"] = str(home.root)


_SHIPPED = (dg.AssetKey(["hrtem", "champion_segmenter"]), dg.AssetKey(["hrtem", "fault_classifier"]))
"""Assets of models of which one comes with the package."""


def open_instance(home: Home) -> dg.DagsterInstance:
    """Open the Dagster instance of a home; of several processes that open a new one, one makes its databases."""
    prepare_instance(home)
    with locked(home.dagster / ".create.lock"):
        instance = dg.DagsterInstance.get()
        _ = instance.run_storage, instance.event_log_storage, instance.schedule_storage
        _announce_shipped(instance)
    return instance


def _announce_shipped(instance: dg.DagsterInstance) -> None:
    """Let Dagster know of the models that come with the package; it would warn that what uses them may fail."""
    for key in _SHIPPED:
        if instance.get_latest_materialization_event(key) is None:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    key, description="The model that comes with the package.", metadata={"model_version": "shipped"}
                )
            )
