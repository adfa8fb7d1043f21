import subprocess
import sys

import dagster as dg
import pytest
from pydantic import BaseModel

from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import open_tracking

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

architectures = dg.StaticPartitionsDefinition(["unet", "fpn"])


class Params(BaseModel):
    size: int = 32


@dg.asset(key=["hrtem", "segmenter"], partitions_def=architectures, code_version="7")
def segmenter(context: dg.AssetExecutionContext, home: HomeResource, tracking: Tracking) -> None:
    with tracking.training_run(context, home, study="nets", params=Params(), data_fingerprint="abc") as run:
        run.log_metric("dice", 0.9)


@dg.asset(key=["hrtem", "broken"])
def broken(context: dg.AssetExecutionContext, home: HomeResource, tracking: Tracking) -> None:
    with tracking.training_run(context, home, name="a try"):
        raise ValueError("NaN loss")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def materialise(asset, root, **options):
    resources = {"home": HomeResource(root=str(root)), "tracking": Tracking()}
    return dg.materialize([asset], resources=resources, raise_on_error=False, **options)


def runs_of(root, experiment):
    client = open_tracking(Home(root))
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id], order_by=["start_time DESC"])


def test_the_run_of_an_asset_says_what_it_belongs_to(root):
    result = materialise(segmenter, root, partition_key="unet")

    assert result.success
    run, study = sorted(runs_of(root, "hrtem/segmenter"), key=lambda run: run.info.run_name == "nets")
    tags = run.data.tags
    assert tags["nanodefect/asset"] == "hrtem/segmenter"
    assert tags["nanodefect/partition"] == run.info.run_name == "unet"
    assert tags["nanodefect/dagster_run_id"] == result.run_id
    assert (tags["nanodefect/code_version"], tags["nanodefect/data_fingerprint"]) == ("7", "abc")
    assert tags["mlflow.parentRunId"] == study.info.run_id
    assert (run.data.params, run.data.metrics) == ({"size": "32"}, {"dice": 0.9})
    metadata = result.asset_materializations_for_node("hrtem__segmenter")[0].metadata
    assert metadata["mlflow_run_id"].value == run.info.run_id


def test_partitions_of_one_process_have_runs_of_their_own_under_one_study(root):
    for architecture in ("unet", "fpn"):
        assert materialise(segmenter, root, partition_key=architecture).success

    newest = [run for run in runs_of(root, "hrtem/segmenter") if "mlflow.parentRunId" in run.data.tags][:2]
    assert {run.info.run_name for run in newest} == {"unet", "fpn"}
    assert len({run.data.tags["mlflow.parentRunId"] for run in newest}) == 1


def test_an_asset_that_fails_leaves_no_run_running(root):
    assert not materialise(broken, root).success

    (run,) = runs_of(root, "hrtem/broken")
    assert (run.info.run_name, run.info.status) == ("a try", "FAILED")
    assert run.data.tags["nanodefect/error"] == "ValueError: NaN loss"
    assert "nanodefect/partition" not in run.data.tags


def test_defining_assets_does_not_load_mlflow():
    code = (
        "import sys, nanodefect_assets.defs.tracking; print([m for m in ('mlflow', 'sqlalchemy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "mlflow" not in found
