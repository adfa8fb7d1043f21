"""What the checks of a batch last said, for those who do not look at Dagster."""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The latest result of one check at one place."""

    asset: str
    check: str
    partition: str | None
    outcome: str


def latest_results(
    instance: dg.DagsterInstance, assets: list[list[str]], partitions: list[str | None]
) -> tuple[CheckResult, ...]:
    """Return the latest result of every check of `assets` at each of `partitions`; what was never checked has none."""
    found = []
    for key in assets:
        for partition in partitions:
            found += _of_asset(instance, dg.AssetKey(key), partition)
    return tuple(found)


def _of_asset(instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None) -> list[CheckResult]:
    """Return the results that came with the latest materialisation of an asset's partition."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=None if partition is None else [partition]), limit=1
    ).records
    if not records:
        return []
    events = instance.all_logs(records[0].run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [event.get_dagster_event().asset_check_evaluation_data for event in events]
    return [
        CheckResult(asset=asset.to_user_string(), check=found.check_name, partition=partition, outcome=_outcome(found))
        for found in evaluations
        if found.asset_key == asset and found.partition == partition
    ]


def _outcome(found: dg.AssetCheckEvaluation) -> str:
    if found.passed:
        return "passed"
    return "warning" if found.severity == dg.AssetCheckSeverity.WARN else "failed"
