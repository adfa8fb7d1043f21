"""When an asset is made again without anyone asking.

`AutomationCondition.eager()` never fires on a sparse grid for what gathers many cells, because a cell that was never
sampled counts as missing, and it knows no checks.
"""

from collections.abc import Sequence

import dagster as dg

_LONGEST_WAIT = "*/15 * * * *"
_none_is_being_made = ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.any_deps_in_progress()

when_inputs_pass = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & _none_is_being_made
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
).with_label("when inputs have changed and passed their blocking checks")
"""For assets of one sample."""


def when_inputs_or_models_pass(*models: Sequence[str]) -> dg.AutomationCondition:
    """Return the condition for an asset of one sample that also uses models of no sample, or of a whole batch.

    Made again also when a model was. One that was never made is one that ships with the package, and does not hold the
    sample back. A change of a model reaches only samples that exist: of the others, the inputs are missing.
    """
    of_models = dg.AssetSelection.assets(*models)
    is_missing = dg.AutomationCondition.missing()
    return (when_inputs_pass & ~dg.AutomationCondition.any_deps_match(is_missing).ignore(of_models)).with_label(
        "when inputs or the model in use have changed and passed their blocking checks"
    )


when_inputs_settle = (
    dg.AutomationCondition.any_deps_match(dg.AutomationCondition.newly_updated())
    .since(dg.AutomationCondition.newly_requested())
    .with_label("an input changed since this was asked for")
    & ~dg.AutomationCondition.in_progress()
    & (~dg.AutomationCondition.any_deps_in_progress() | dg.AutomationCondition.cron_tick_passed(_LONGEST_WAIT))
).with_label("when inputs have changed and none is being made, or every quarter of an hour")
"""For assets that gather many cells: they leave out a cell that failed, and say so, rather than wait for it.

They gather once for a burst of changes, and a long backlog or a run that never ends does not keep them from it.

An input counts as dealt with only once it was asked for after it changed. With `since_last_handled`, which also counts
the moment when the gathering asset was finished, an input finished between its reading and its end would be forgotten.
"""
