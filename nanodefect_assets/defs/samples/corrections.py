"""What people put right."""

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import HomeResource


@dg.asset(
    key=["samples", "corrections"],
    deps=[["samples", "intake"]],
    group_name="samples",
    code_version="1",
    kinds={"json", "parquet"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            ("samples", "corrections"),
            "corrections_apply",
            "Every correction in force is still about files that its batch has.",
            partitions=None,
        )
    ],
)
def corrections(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Every correction that people made to accepted batches, with reason and author; none is ever removed."""
    from nanodefect_assets.domain.schemas import CORRECTIONS
    from nanodefect_assets.stores.corrections import correction_rows, idle_corrections

    rows = correction_rows(home.home)
    with making(context, home) as out:
        out.n_items = len(rows)
        out.add_rows(CORRECTIONS, rows)
    idle = idle_corrections(home.home)
    return report(
        out,
        metadata={"n_corrections": len(rows), "n_in_force": int(rows["is_in_force"].sum())},
        checks=[
            dg.AssetCheckResult(
                check_name="corrections_apply",
                passed=not idle,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"about_nothing": dg.MetadataValue.json(idle)},
            )
        ],
    )
