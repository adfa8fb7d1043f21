"""How many particles of a batch are of the rarer hand, aliquot by aliquot."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_settle
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, synthesis_batch
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName

if TYPE_CHECKING:
    import pandas as pd

_ASSET = ("population", "handedness_fraction")
_HANDEDNESS = AssetName(group="sem", noun="handedness")


@dg.asset(
    key=list(_ASSET),
    deps=[dg.AssetDep(["sem", "handedness"], partition_mapping=batch_of_sample)],
    partitions_def=synthesis_batch,
    group_name="population",
    code_version="2",
    kinds={"pandas", "parquet"},
    automation_condition=when_inputs_settle,
    check_specs=[
        declare_check(
            _ASSET,
            "intervals_are_known",
            "Every aliquot with particles of known hand has two micrographs or more, so that its interval is known.",
            partitions=synthesis_batch,
        )
    ],
)
def handedness_fraction(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Share of the rarer hand in each aliquot of a batch and in all of it: 95 % intervals clustered by micrograph.

    It counts what the model says; the model's own errors are not corrected for. Beside it stands what networks say of
    the same particles that did not learn from them: a model that repeats wrong labels finds fewer of the minority.
    Empty for batches that are not chiral, and for those that the model abstains from.
    """
    import pandas as pd

    from nanodefect_assets.domain.schemas import HANDEDNESS, HANDEDNESS_FRACTIONS
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.generations import current_generation

    batch = place_of(context).batch
    manifest = None if batch is None else manifest_in_force(home.home, batch)
    if batch is None or manifest is None:
        raise dg.Failure(f"Expected an accepted batch. Got {context.partition_key}, of which nothing was accepted.")
    found = [made for place in manifest.cells() if (made := current_generation(home.home, _HANDEDNESS, place))]
    rows: list[dict[str, Any]] = []
    with making(context, home, inputs=found) as out:
        out.n_items = len(found)
        parts = [made.rows(HANDEDNESS).assign(aliquot=made.record.origin.place.aliquot) for made in found]
        particles = pd.concat(parts) if parts else None
        if particles is not None and len(particles):
            rows = _summarise(particles, batch)
        out.add_rows(HANDEDNESS_FRACTIONS, rows)
    unknown = [row["aliquot_time"] or "all" for row in rows if row["minority_fraction_low"] is None]
    return report(
        out,
        metadata={
            "n_particles": sum(row["n_particles"] for row in rows if row["aliquot_time"] is None),
            **_whole(rows),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="intervals_are_known",
                passed=not unknown,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"unknown": dg.MetadataValue.json(unknown), **tested(len(rows))},
            )
        ],
    )


def _summarise(particles: "pd.DataFrame", batch: str) -> list[dict[str, Any]]:
    """Return the rows of `HANDEDNESS_FRACTIONS`: each aliquot, then the whole batch; simulated ones apart."""
    rows = []
    for is_simulated, kind in particles.groupby("is_simulated"):
        groups = [*kind.groupby("aliquot"), (None, kind)]
        for aliquot, group in groups:
            stated = {"synthesis_batch": batch, "aliquot_time": aliquot, "is_simulated": bool(is_simulated)}  # pyright: ignore[reportArgumentType]
            rows.append(stated | _fraction(group))
    return rows


def _fraction(particles: "pd.DataFrame") -> dict[str, Any]:
    import pandas as pd

    from nanodefect_assets.science.population.fractions import clustered_fraction

    clusters, _ = pd.factorize(particles["micrograph_id"])
    found = clustered_fraction((particles["log_odds"] <= 0).to_numpy(), clusters)
    unseen = particles["log_odds_unseen"].dropna()
    is_named = bool(particles["hand"].notna().all())
    n_left = int((particles["hand"] == "left").sum())
    return {
        "n_micrographs": found.n_clusters,
        "n_particles": found.n,
        "n_minority": found.n_of_kind,
        "minority_fraction": found.value,
        "minority_fraction_se": _known(found.standard_error),
        "minority_fraction_low": _known(found.low),
        "minority_fraction_high": _known(found.high),
        "n_unseen": len(unseen),
        "minority_fraction_unseen": float((unseen <= 0).mean()) if len(unseen) else None,
        "n_left": n_left if is_named else None,
        "left_fraction": n_left / found.n if is_named else None,
    }


def _known(value: float) -> float | None:
    return value if value == value else None


def _whole(rows: list[dict[str, Any]]) -> dict[str, float]:
    whole = [row for row in rows if row["aliquot_time"] is None]
    fraction = {"minority_fraction": whole[0]["minority_fraction"]} if len(whole) == 1 else {}
    return {"n_particles": sum(row["n_particles"] for row in whole), **fraction}
