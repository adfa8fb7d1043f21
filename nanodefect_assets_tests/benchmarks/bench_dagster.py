"""What our ways cost on top of Dagster's: importing the code location, and an asset that does nothing."""

import statistics
import subprocess
import sys
import time

import dagster as dg
import pytest

from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import HomeResource

ROUNDS = 15


def import_seconds(statement):
    code = f"import time; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.benchmark
def test_import_of_the_code_location_against_import_of_dagster(record_property):
    pairs = [
        (import_seconds("import dagster"), import_seconds("import nanodefect_assets.definitions")) for _ in range(5)
    ]

    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    record_property("ratio", ratio)
    print(f"import: dagster {min(a for a, _ in pairs):.2f} s, ours {min(b for _, b in pairs):.2f} s, {ratio:.2f} x")
    assert ratio < 3


@dg.asset(key=["bench", "theirs"])
def theirs() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"n": 0})


@dg.asset(key=["bench", "ours"], code_version="1")
def ours(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    with making(context, home) as out:
        pass
    return report(out)


@pytest.mark.benchmark
def test_a_no_op_asset_of_ours_against_dagsters(home, tmp_path, record_property):
    def seconds(asset, instance):
        begun = time.perf_counter()
        assert dg.materialize([asset], instance=instance, resources={"home": HomeResource(root=str(home.root))}).success
        return time.perf_counter() - begun

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        seconds(theirs, instance), seconds(ours, instance)
        pairs = [(seconds(theirs, instance), seconds(ours, instance)) for _ in range(ROUNDS)]

    ratio = statistics.median(ours_s / theirs_s for theirs_s, ours_s in pairs)
    record_property("ratio", ratio)
    print(
        f"no-op asset: Dagster {min(a for a, _ in pairs):.3f} s, ours {min(b for _, b in pairs):.3f} s, {ratio:.2f} x"
    )
    assert ratio < 3
