"""What every asset does alike: write a generation, report it, show it, check it."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import dagster as dg
from pydantic import BaseModel

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.partitions import place_of
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName, Origin
from nanodefect_assets.domain.keys import aliquot_label
from nanodefect_assets.stores.generations import (
    GenerationWriter,
    StoredGeneration,
    new_generation,
    require_generation,
)

Item = TypeVar("Item")
Result = TypeVar("Result")


def asset_name(key: dg.AssetKey | Sequence[str]) -> AssetName:
    """Return the name under which the home stores an asset."""
    group, noun = key.path if isinstance(key, dg.AssetKey) else key
    return AssetName(group=group, noun=noun)


def upstream(context: dg.AssetExecutionContext, home: HomeResource, group: str, noun: str) -> StoredGeneration:
    """Return the generation in force of another asset at the same place."""
    return require_generation(home.home, AssetName(group=group, noun=noun), place_of(context))


@contextmanager
def making(
    context: dg.AssetExecutionContext,
    home: HomeResource,
    *,
    inputs: Iterable[StoredGeneration] = (),
    params: BaseModel | None = None,
) -> Iterator[GenerationWriter]:
    """Write the generation of the asset that `context` is of."""
    origin = Origin(
        asset=asset_name(context.asset_key),
        place=place_of(context),
        code_version=context.assets_def.code_versions_by_key[context.asset_key] or "0",
        params={} if params is None else params.model_dump(mode="json"),
        run_size=home.run_size,
        dagster_run_id=context.run.run_id,
        job_name=context.run.job_name,
    )
    with new_generation(home.home, origin, [found.record.as_input() for found in inputs]) as out:
        yield out


def report(
    out: GenerationWriter,
    *,
    metadata: Mapping[str, Any] | None = None,
    checks: Sequence[dg.AssetCheckResult] = (),
    preview: bytes | None = None,
) -> dg.MaterializeResult:
    """Tell Dagster what was made."""
    if out.result is None:
        raise ValueError("Expected a finished generation. Call `report` after the writer was closed.")
    place = out.origin.place
    shown = {
        **({} if preview is None else {"preview": picture(preview)}),
        **({} if place.aliquot is None else {"sample": f"{place.batch}, {aliquot_label(place.aliquot)}"}),
        "n_items": out.n_items,
        "n_refused": len(out.refusals),
        **(metadata or {}),
        "is_unchanged": out.is_unchanged,
        "generation": out.result.name,
    }
    return dg.MaterializeResult(
        metadata=shown,
        check_results=[_empty(check) if out.n_items == 0 else check for check in checks],
        data_version=dg.DataVersion(out.result.content_digest[:16]),
    )


def _empty(check: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """Return a check of an asset without items: it has tested nothing, unless it says itself what it tested."""
    return dg.AssetCheckResult(
        check_name=check.check_name,
        passed=check.passed,
        severity=check.severity,
        metadata={**tested(0), **check.metadata},
    )


def picture(png: bytes) -> dg.MetadataValue:
    """Show a PNG on the asset's page."""
    return dg.MetadataValue.md(f"![preview](data:image/png;base64,{base64.b64encode(png).decode()})")


def in_order(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 4
) -> Iterator[tuple[Item, Future[Result]]]:
    """Yield each item with the future of its result, in order, with at most `ahead` results waiting in memory."""
    remaining = iter(items)
    waiting = [(item, executor.submit(function, item)) for item in islice(remaining, ahead)]
    while waiting:
        item, future = waiting.pop(0)
        yield item, future
        del future
        waiting.extend((following, executor.submit(function, following)) for following in islice(remaining, 1))
