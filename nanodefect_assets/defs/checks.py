"""Declaring asset checks.

Results belong to the partition that was made, so that one failed sample holds back only itself.
"""

import warnings

import dagster as dg
from dagster_shared.utils.warnings import BetaWarning, PreviewWarning

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.stores.generations import GenerationWriter

ITEMS_CHECK = "items_accepted"


def declare_check(
    asset: tuple[str, str],
    name: str,
    description: str,
    *,
    partitions: dg.PartitionsDefinition | None = sample,
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    """Declare a check of an asset, by default one result a sample.

    Partitioned checks are a preview of Dagster's, pinned by our constraints and tested on a sparse grid.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        warnings.simplefilter("ignore", BetaWarning)
        return dg.AssetCheckSpec(
            name, asset=list(asset), description=description, partitions_def=partitions, blocking=blocking
        )


def items_check(*asset: str) -> dg.AssetCheckSpec:
    """Declare the check that an asset's items could be used.

    It does not block, even where none could: what stands below is then made without them, so that no table keeps rows
    of what is no longer there.
    """
    group, noun = asset
    return declare_check(
        (group, noun),
        ITEMS_CHECK,
        "Every item could be used. Some set aside: a warning, with reasons in the table refused; all: an error.",
    )


def items_result(out: GenerationWriter) -> dg.AssetCheckResult:
    """Check that the items of a generation could be used."""
    n_refused = len({item for item, _ in out.refusals})
    reasons = "\n".join(f"- {refusal}" for _, refusal in out.refusals[:20])
    return dg.AssetCheckResult(
        check_name=ITEMS_CHECK,
        passed=n_refused == 0,
        severity=dg.AssetCheckSeverity.ERROR if n_refused and n_refused >= out.n_items else dg.AssetCheckSeverity.WARN,
        metadata={
            "n_items": out.n_items,
            "n_refused": n_refused,
            "reasons": dg.MetadataValue.md(reasons or "none"),
            **tested(out.n_items),
        },
    )
