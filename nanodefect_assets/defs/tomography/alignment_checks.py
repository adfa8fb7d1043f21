"""What is asked of aligned tilt series."""

from typing import Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested

_LARGEST_SHARE = 0.125
_LARGEST_FACTOR_SPREAD = 0.25
_LEAST_SCAN_CORRELATION = 0.5
_LEAST_REPEAT_CORRELATION = 0.9


def alignment_checks(rows: list[dict[str, Any]], why: dict[str, dict[int, str]]) -> list[dg.AssetCheckResult]:
    """Check aligned series by their rows; a failure is a warning, for the series may still serve.

    Parameters
    ----------
    rows : list of dict
        Rows of `ALIGNED_SERIES`, with `largest_shift_share`, `largest_factor_error` and `axis_doubts` beside their
        columns.
    why : dict
        By series, the images that are left out, and why.
    """
    moved = {row["tilt_series_id"]: row for row in rows}
    unbounded = {
        name: {"largest_shift_share": row["largest_shift_share"], "is_converged": row["is_converged"]}
        for name, row in moved.items()
        if row["largest_shift_share"] > _LARGEST_SHARE or row["is_converged"] is False
    }
    far = {
        name: row["largest_factor_error"]
        for name, row in moved.items()
        if row["largest_factor_error"] > _LARGEST_FACTOR_SPREAD
    }
    doubtful = {name: row["axis_doubts"] for name, row in moved.items() if row["axis_doubts"]}
    left_out = {name: {str(n): reason for n, reason in found.items()} for name, found in why.items() if found}
    return [
        _warning("tilts_used", left_out, len(rows)),
        _warning("shifts_bounded", unbounded, len(rows)),
        _warning("axis_is_sure", doubtful, len(rows)),
        _warning("factors_near_one", far, len(rows)),
        _at_least("scans_agree", rows, "scan_half_correlation", _LEAST_SCAN_CORRELATION),
        _at_least("sample_unchanged", [_least_likeness(row) for row in rows], "likeness", _LEAST_REPEAT_CORRELATION),
    ]


def _least_likeness(row: dict[str, Any]) -> dict[str, Any]:
    """Return how alike the sample is earlier and later, in repeated tilts and in images before and after."""
    found = [row[name] for name in ("repeat_correlation", "before_after_correlation") if row[name] is not None]
    return {"tilt_series_id": row["tilt_series_id"], "likeness": min(found, default=None)}


def _at_least(check: str, rows: list[dict[str, Any]], name: str, least: float) -> dg.AssetCheckResult:
    """Check a number of each series that has it."""
    found = {row["tilt_series_id"]: row[name] for row in rows if row[name] is not None}
    return _warning(check, {item: value for item, value in found.items() if not value >= least}, len(found))


def _warning(check: str, failed: dict[str, Any], n_tested: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failed": dg.MetadataValue.json(failed), **tested(n_tested)},
    )
