"""When an asset is made again without anyone asking.

`AutomationCondition.eager()` never fires on a sparse grid for what gathers many cells, because a cell that was never
sampled counts as missing, and it knows no checks.
"""

import dagster as dg

_inputs_changed = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.any_deps_in_progress()
)

when_inputs_pass = (_inputs_changed & dg.AutomationCondition.all_deps_blocking_checks_passed()).with_label(
    "when inputs have changed and passed their blocking checks"
)
"""For assets of one sample."""

when_inputs_settle = _inputs_changed.with_label("when inputs have changed and none is being made")
"""For assets that gather many cells: they leave out a cell that failed, and say so, rather than wait for it."""
