"""Which samples still have to be made."""

import dagster as dg

from nanodefect_assets.defs.partitions import sample_key
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.stores.generations import current_generation, is_up_to_date
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.manifests import SAMPLE_MANIFEST, write_sample_manifest

MANIFEST = AssetName(group="samples", noun="manifest")
HANDEDNESS = AssetName(group="sem", noun="handedness")
HANDEDNESS_MODEL = AssetName(group="sem", noun="handedness_model")
LAST_ASSETS = (
    AssetName(group="hrtem", noun="particles"),
    AssetName(group="hrtem", noun="particle_classes"),
    AssetName(group="hrtem", noun="mask_scores"),
    AssetName(group="tomography", noun="refined_reconstruction"),
    AssetName(group="atoms", noun="grains"),
    HANDEDNESS,
)
"""The ends of the per-sample graph: what a sample that is finished has."""


def sample_manifest(manifest: Manifest, aliquot: str) -> Manifest:
    """Return the part of a batch's manifest that one sample is made from.

    It does not change when another aliquot of the batch does, or what no result depends on: note, operator, robot run.
    """
    return manifest.model_copy(
        update={
            "revision": "",
            "fingerprint": "",
            "operator": None,
            "robot_run_id": None,
            "note": None,
            "aliquots": (aliquot,),
            "files": manifest.files_of(aliquot),
            "refused": (),
            "conditions": (),
        }
    )


def unfinished_cells(home: Home, manifest: Manifest) -> tuple[Place, ...]:
    """Return the samples of a batch that were not made, or were made from another manifest."""
    return tuple(place for place in manifest.cells() if not _is_finished(home, manifest, place))


def made_samples(instance: dg.DagsterInstance) -> frozenset[str]:
    """Return the partition keys of the samples that Dagster knows to be made to their ends."""
    known = [instance.get_materialized_partitions(dg.AssetKey([last.group, last.noun])) for last in LAST_ASSETS]
    return frozenset.intersection(*map(frozenset, known))


def cells_to_make(known: frozenset[str], home: Home, manifest: Manifest) -> tuple[Place, ...]:
    """Return the samples of a batch that are unfinished, or that are not among those `known` to Dagster to be made.

    A run killed between the two leaves a whole result in the home that no page of Dagster shows.
    """
    unfinished = set(unfinished_cells(home, manifest))
    return tuple(place for place in manifest.cells() if place in unfinished or str(sample_key(place)) not in known)


def waits_for_model(home: Home, manifest: Manifest) -> bool:
    """Whether the model of a chiral batch is still to be made, as after a training that was stopped."""
    if manifest.chirality is None or not manifest.files:
        return False
    return not is_up_to_date(home, HANDEDNESS_MODEL, Place(batch=manifest.batch))


def unjudged_cells(home: Home, manifest: Manifest) -> tuple[Place, ...]:
    """Return the samples of a chiral batch whose hands were not told by the batch's model: it was not there yet."""
    if manifest.chirality is None:
        return ()
    return tuple(place for place in manifest.cells() if not _is_judged(home, place))


def _is_judged(home: Home, place: Place) -> bool:
    made = current_generation(home, HANDEDNESS, place)
    return made is not None and any(source.asset == HANDEDNESS_MODEL for source in made.record.inputs)


def _is_finished(home: Home, manifest: Manifest, place: Place) -> bool:
    made = current_generation(home, MANIFEST, place)
    if made is None or place.aliquot is None:
        return False
    wanted = write_sample_manifest(sample_manifest(manifest, place.aliquot))
    if (made.folder / SAMPLE_MANIFEST).read_text() != wanted:
        return False
    return made.record.origin.run_size != "fast" and all(is_up_to_date(home, asset, place) for asset in LAST_ASSETS)
