"""What the checks of a batch last said, for those who do not look at Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES

from nanodefect_assets.domain.refusal import shortened

NOT_APPLICABLE = "not applicable: nothing to test"
_N_TESTED = "n_tested"
_LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The latest result of one check at one place.

    Attributes
    ----------
    asset, check, partition : str, str, str or None
        Which check, and where.
    outcome : str
        passed, warning, failed; or not applicable, if there was nothing to test.
    said : str
        The numbers and names that the check gave.
    """

    asset: str
    check: str
    partition: str | None
    outcome: str
    said: str = ""


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
    """Return the latest result of each check that the latest run of an asset's partition evaluated.

    A later run may have evaluated it again and made nothing.
    """
    partitions = None if partition is None else [partition]
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=partitions), limit=1
    ).records
    if not records:
        return []
    events = instance.all_logs(records[0].run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [event.get_dagster_event().asset_check_evaluation_data for event in events]
    of_asset = [found for found in evaluations if found.asset_key == asset and found.partition == partition]
    return [_result(_latest(instance, found)) for found in of_asset]


def _latest(instance: dg.DagsterInstance, found: dg.AssetCheckEvaluation) -> dg.AssetCheckEvaluation:
    """Return the latest evaluation of the same check at the same partition."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        found.asset_check_key,
        limit=1,
        status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
        partition_filter=PartitionKeyFilter(key=found.partition),
    )
    event = records[0].event if records else None
    latest = None if event is None else event.get_dagster_event().asset_check_evaluation_data
    return latest or found


def _result(found: dg.AssetCheckEvaluation) -> CheckResult:
    return CheckResult(
        asset=found.asset_key.to_user_string(),
        check=found.check_name,
        partition=found.partition,
        outcome=outcome_of(found),
        said=words_of(found),
    )


def tested(n_tested: int) -> Mapping[str, Any]:
    """Return the metadata by which a check says of how many things it speaks; of none it is not applicable."""
    return {_N_TESTED: n_tested}


def words_of(found: dg.AssetCheckEvaluation) -> str:
    """Return the numbers and names that a check gave, in a line; empty ones are left out."""
    shown = {name: _plain(value.value) for name, value in found.metadata.items() if name != _N_TESTED}
    return "; ".join(f"{name.replace('_', ' ')} {text}" for name, text in shown.items() if text)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}: {item}" for name, item in value.items()]
    if isinstance(value, list | tuple):
        items = [str(item).strip().rstrip(".") for item in value]
        return shortened((" / " if any(", " in item for item in items) else ", ").join(items), _LONGEST)
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "" if text == "none" else shortened(" ".join(text.split()), _LONGEST)


def outcome_of(found: dg.AssetCheckEvaluation) -> str:
    """Return the outcome of a check in a word or two."""
    n_tested = found.metadata.get(_N_TESTED)
    if found.passed and n_tested is not None and n_tested.value == 0:
        return NOT_APPLICABLE
    if found.passed:
        return "passed"
    return "warning" if found.severity == dg.AssetCheckSeverity.WARN else "failed"
