"""The grid of synthesis batches and aliquots."""

import warnings

import dagster as dg
from dagster_shared.utils.warnings import BetaWarning

from nanodefect_assets.domain.keys import Place, check_batch_key

BATCH_DIMENSION = "synthesis_batch"
ALIQUOT_DIMENSION = "aliquot_time"

synthesis_batch = dg.DynamicPartitionsDefinition(name=BATCH_DIMENSION)
aliquot_time = dg.DynamicPartitionsDefinition(name=ALIQUOT_DIMENSION)
sample = dg.MultiPartitionsDefinition({BATCH_DIMENSION: synthesis_batch, ALIQUOT_DIMENSION: aliquot_time})

with warnings.catch_warnings():
    warnings.simplefilter("ignore", BetaWarning)
    batch_of_sample = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=BATCH_DIMENSION)
"""A sample comes from its batch; a batch gathers its samples."""


def place_of(context: dg.AssetExecutionContext) -> Place:
    """Return where in the grid, or in which cell of a study, an asset is being made."""
    if not context.has_partition_key:
        return Place()
    key = context.partition_key
    if isinstance(key, dg.MultiPartitionKey):
        return Place(batch=key.keys_by_dimension[BATCH_DIMENSION], aliquot=key.keys_by_dimension[ALIQUOT_DIMENSION])
    if isinstance(context.assets_def.partitions_def, dg.StaticPartitionsDefinition):
        return Place(study=key)
    return Place(batch=key)


def sample_key(place: Place) -> dg.MultiPartitionKey:
    """Return the partition key of a sample."""
    if place.batch is None or place.aliquot is None:
        raise ValueError(f"Expected a sample, which has a batch and an aliquot. Got {place}.")
    return dg.MultiPartitionKey({BATCH_DIMENSION: place.batch, ALIQUOT_DIMENSION: place.aliquot})


def register_places(instance: dg.DagsterInstance, places: tuple[Place, ...]) -> None:
    """Make the batches and aliquots of `places` known to Dagster."""
    for batch in sorted({place.batch for place in places if place.batch is not None}):
        register_batch(instance, batch)
    aliquots = sorted({place.aliquot for place in places if place.aliquot is not None})
    if aliquots:
        instance.add_dynamic_partitions(ALIQUOT_DIMENSION, aliquots)


def register_batch(instance: dg.DagsterInstance, batch: str) -> None:
    """Make a batch known to Dagster, which itself accepts any text as a key."""
    instance.add_dynamic_partitions(BATCH_DIMENSION, [check_batch_key(batch)])
