"""A model that tells the hands of one batch apart."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.sem.handedness_maker import HANDEDNESS_MODEL, HandednessMaker, ModelConfig
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.generation import AssetName

_ASSET = (HANDEDNESS_MODEL.group, HANDEDNESS_MODEL.noun)
_ESTIMATE_ERROR = 0.03
"""By which the share told from images strays where networks name nine in ten rightly."""
_CROPS = AssetName(group="sem", noun="te_crops")


@dg.asset(
    key=list(_ASSET),
    deps=[dg.AssetDep(["sem", "te_crops"], partition_mapping=batch_of_sample)],
    partitions_def=synthesis_batch,
    group_name="sem",
    code_version="4",
    kinds={"pytorch", "mlflow"},
    output_required=False,
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            _ASSET,
            "hands_are_named",
            "A chiral batch has a model, and an anchor names its hands.",
            partitions=synthesis_batch,
        ),
        declare_check(
            _ASSET,
            "anchors_agree",
            "Every anchor of batch.yaml is a whole particle, and none contradicts the others.",
            partitions=synthesis_batch,
        ),
        declare_check(
            _ASSET,
            "minority_as_expected",
            "The share of the rarer hand that batch.yaml expects is one that the images allow.",
            partitions=synthesis_batch,
        ),
    ],
)
def handedness_model(
    context: dg.AssetExecutionContext, config: ModelConfig, home: HomeResource, compute: Compute, tracking: Tracking
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Model that tells the hands of a chiral batch apart, trained on its own particles by the method that suits it.

    The method follows from what batch.yaml says; method and reason are recorded. A racemic batch has none. Mirror
    labels tell the majority from the minority; which hand the majority is, the anchors say. For a batch that is not
    chiral nothing is made, so that nothing below is asked for.
    """
    from nanodefect_assets.domain.keys import Place
    from nanodefect_assets.domain.schemas import HANDEDNESS_MODELS, UNSEEN_HANDS
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import current_generation

    batch = place_of(context).batch
    manifest = None if batch is None else manifest_in_force(home.home, batch)
    if batch is None or manifest is None:
        raise dg.Failure(f"Expected an accepted batch. Got {context.partition_key}, of which nothing was accepted.")
    chirality = manifest.chirality
    if chirality is None and current_generation(home.home, HANDEDNESS_MODEL, Place(batch=batch)) is None:
        yield from _results(None, ())
        return
    found = (current_generation(home.home, _CROPS, place) for place in manifest.cells())
    inputs = [made for made in found if made is not None] if chirality is not None else []
    maker = None
    if chirality is not None:
        maker = HandednessMaker(context, config, home, compute, tracking, manifest, chirality, inputs)
    with making(context, home, inputs=inputs, params=config) as out:
        out.add_rows(HANDEDNESS_MODELS, [])
        out.add_rows(UNSEEN_HANDS, [])
        checks, metadata = _results(None, ()), {}
        if maker is not None:
            made = maker.make()
            out.n_items = made.row["n_particles"]
            out.add_rows(HANDEDNESS_MODELS, [made.row])
            out.add_rows(UNSEEN_HANDS, made.unseen)
            checks = _results(made.row, made.missing)
            metadata = {name: value for name, value in made.row.items() if value is not None}
    if maker is not None:
        maker.forget()
    yield report(out, metadata=metadata, checks=checks)


def _results(row: dict[str, Any] | None, missing: tuple[str, ...]) -> list[dg.AssetCheckResult]:
    is_named = row is None or row.get("majority_hand") is not None
    n_against = 0 if row is None else row["n_anchors_contradicting"]
    why = "no chiral batch" if row is None else f"{row['reason']} {row['hand_reason']}"
    return [
        dg.AssetCheckResult(
            check_name="hands_are_named",
            passed=is_named,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"why": why},
        ),
        dg.AssetCheckResult(
            check_name="anchors_agree",
            passed=not missing and not n_against,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"n_contradicting": n_against, "not_found": dg.MetadataValue.json(list(missing))},
        ),
        _as_expected(row or {}),
    ]


def _as_expected(row: dict[str, Any]) -> dg.AssetCheckResult:
    """Hold the minority that batch.yaml expects, by which the method is chosen, against what the images tell."""
    expected, low, high = (
        row.get(name) for name in ("expected_minority_share", "estimated_minority_low", "estimated_minority_high")
    )
    if expected is None or low is None or high is None:
        return dg.AssetCheckResult(
            check_name="minority_as_expected", passed=True, severity=dg.AssetCheckSeverity.WARN, metadata=tested(0)
        )
    return dg.AssetCheckResult(
        check_name="minority_as_expected",
        passed=bool(low - _ESTIMATE_ERROR <= expected <= high + _ESTIMATE_ERROR),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "expected": expected,
            "told": row["estimated_minority_share"],
            "told_low": low,
            "told_high": high,
            **tested(1),
        },
    )
