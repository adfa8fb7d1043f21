"""Giving assets an MLflow run that says which asset, partition and Dagster run it belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import BaseModel, Field

from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.generation import AssetName

if TYPE_CHECKING:
    from nanodefect_assets.stores.tracking import RunTags, TrainingRun


class Tracking(dg.ConfigurableResource):
    """MLflow's record of what is trained, tuned and studied."""

    experiment: str | None = Field(
        default=None, description="MLflow experiment that gathers the runs; the asset's own, group/noun, if not given."
    )

    @contextmanager
    def training_run(
        self,
        context: dg.AssetExecutionContext,
        home: HomeResource,
        *,
        name: str | None = None,
        study: str | None = None,
        parent_run_id: str | None = None,
        params: BaseModel | None = None,
        data_fingerprint: str | None = None,
    ) -> Iterator["TrainingRun"]:
        """Keep an MLflow run while the asset of `context` is made.

        Parameters
        ----------
        context, home
            Of the asset.
        name : str, optional
            Name of the run; the partition or the asset's noun if not given.
        study : str, optional
            Study under which the run is shown; its gathering run is made when first asked for.
        parent_run_id : str, optional
            Run under which this one is shown, such as the first of several repeats; goes before `study`.
        params : BaseModel, optional
            Parameters to record.
        data_fingerprint : str, optional
            SHA-256 over the data that went in.
        """
        from nanodefect_assets.stores.tracking import study_run, training_run

        tags = run_tags(context, data_fingerprint=data_fingerprint)
        experiment = self.experiment or str(tags.asset)
        if parent_run_id is None and study is not None:
            parent_run_id = study_run(home.home, experiment=experiment, name=study, tags=tags)
        with training_run(
            home.home,
            experiment=experiment,
            name=name or tags.partition or context.asset_key.path[-1],
            tags=tags,
            parent_run_id=parent_run_id,
        ) as run:
            run.log_environment()
            if params is not None:
                run.log_params(params.model_dump(mode="json"))
            yield run
        context.add_asset_metadata({"mlflow_run_id": run.run_id}, asset_key=context.asset_key)


def run_tags(context: dg.AssetExecutionContext, *, data_fingerprint: str | None = None) -> "RunTags":
    """Return what the MLflow run of an asset belongs to."""
    from nanodefect_assets.stores.tracking import RunTags

    group, noun = context.asset_key.path
    return RunTags(
        asset=AssetName(group=group, noun=noun),
        partition=context.partition_key if context.has_partition_key else None,
        dagster_run_id=context.run.run_id,
        code_version=context.assets_def.code_versions_by_key[context.asset_key],
        data_fingerprint=data_fingerprint,
    )
