"""The door: a batch in the landing folder becomes an accepted revision."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.partitions import register_places, synthesis_batch
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.refusal import Refusal, said_of

REFUSED_TAG = "nanodefect/refused"
"""Tag of a run whose batch was refused: trying again without changing the batch is of no use."""


class IntakeConfig(dg.Config):
    """Where the batch lies."""

    source: str | None = Field(default=None, description="Folder of the batch; if not given, its folder in landing.")


@dg.asset(
    key=["samples", "intake"],
    partitions_def=synthesis_batch,
    group_name="samples",
    code_version="1",
    kinds={"yaml", "parquet"},
    check_specs=[
        declare_check(
            ("samples", "intake"),
            "all_files_accepted",
            "No file of the batch was refused; those that were lie in quarantine with their reason.",
            partitions=synthesis_batch,
        ),
        declare_check(
            ("samples", "intake"),
            "earlier_files_kept",
            "Every file of the revision before is still there: what is dropped is the whole batch, no addition to it.",
            partitions=synthesis_batch,
        ),
    ],
)
def intake(context: dg.AssetExecutionContext, config: IntakeConfig, home: HomeResource) -> dg.MaterializeResult:
    """A synthesis batch as it was accepted: originals kept, checked and hashed, what was refused set aside.

    The batch's rows, conditions and refusals; the originals lie read-only below `raw`.
    """
    from nanodefect_assets.defs.cells import unfinished_cells
    from nanodefect_assets.domain.schemas import ALIQUOTS, BATCHES, CONDITIONS, REFUSED
    from nanodefect_assets.stores.intake import accept_batch
    from nanodefect_assets.stores.intake_rows import aliquot_rows, batch_rows, condition_rows, refused_rows
    from nanodefect_assets.stores.revisions import current_manifest

    batch = context.partition_key
    source = Path(config.source) if config.source else home.home.landing / batch
    before = current_manifest(home.home, batch)
    try:
        if config.source:
            _check_id(source, batch)
        # What was dropped never takes another's place unasked; who names a folder was asked (`ingest --replace`).
        accepted = accept_batch(home.home, source, log_steps(context.log), may_replace=config.source is not None)
    except Refusal as refusal:
        context.instance.add_run_tags(context.run.run_id, {REFUSED_TAG: refusal.reason})
        raise dg.Failure(description=str(refusal), allow_retries=False) from refusal

    manifest = current_manifest(home.home, batch) or accepted.manifest  # what is in force, if another intake came after
    register_places(context.instance, manifest.cells())
    with making(context, home) as out:
        out.n_items = len(manifest.files) + len(manifest.refused)
        out.add_rows(BATCHES, batch_rows(manifest))
        out.add_rows(ALIQUOTS, aliquot_rows(manifest))
        out.add_rows(CONDITIONS, condition_rows(manifest))
        out.add_rows(REFUSED, refused_rows(manifest))
    unfinished = unfinished_cells(home.home, manifest)
    reasons = "\n".join(
        f"- `{file.path}`: {said_of(file.expected, file.got, file.advice)}" for file in manifest.refused[:50]
    )
    had = set() if before is None else {file.path for file in before.files}
    gone = sorted(had - {file.path for file in manifest.files})
    return report(
        out,
        metadata={
            "revision": manifest.revision,
            "is_new_revision": accepted.is_new_revision,
            "n_files": len(manifest.files),
            "n_refused": len(manifest.refused),
            "n_aliquots": len(manifest.cells()),
            "cells_to_make": dg.MetadataValue.json([place.sample for place in unfinished]),
            "refused": dg.MetadataValue.md(reasons or "none"),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="all_files_accepted",
                passed=not manifest.refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"refused": dg.MetadataValue.md(reasons or "none")},
            ),
            dg.AssetCheckResult(
                check_name="earlier_files_kept",
                passed=not gone,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"gone": dg.MetadataValue.json(gone[:100]), "n_gone": len(gone)},
            ),
        ],
    )


def _check_id(source: Path, batch: str) -> None:
    """Refuse a folder that holds another batch than the one that is asked for, before anything of it is accepted."""
    from nanodefect_assets.stores.batch_yaml import read_batch_yaml

    spec, _ = read_batch_yaml(source / "batch.yaml")
    if spec.batch != batch:
        file = f"{source}/batch.yaml"
        raise Refusal("wrong_batch", expected=f"batch: {batch}", got=f"batch: {spec.batch}", file=file)
