"""What experts drew on micrographs."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.resources import HomeResource

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.manifest import Manifest, ManifestFile


@dg.asset(
    key=["samples", "annotations"],
    deps=[["samples", "manifest"]],
    partitions_def=sample,
    group_name="samples",
    code_version="1",
    kinds={"zarr"},
    automation_condition=when_inputs_pass,
    check_specs=[items_check("samples", "annotations")],
)
def annotations(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Expert labels that came with a sample: which pixels of a micrograph are particle, which class a particle has."""
    from nanodefect_assets.domain.schemas import PARTICLE_LABELS
    from nanodefect_assets.stores.labels import read_label_image
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.revisions import raw_path

    source = upstream(context, home, "samples", "manifest")
    manifest = read_sample_manifest(source)
    files = [file for file in manifest.files if file.modality == "labels"]
    sample_name = place_of(context).sample
    with making(context, home, inputs=[source]) as out:
        arrays = out.arrays("annotations")
        out.add_rows(PARTICLE_LABELS, [])
        for file in files:
            file_id, path = f"{sample_name}/{file.path}", raw_path(home.home, manifest, file)
            with out.item(file_id):
                if file.label_of is None:
                    out.add_rows(PARTICLE_LABELS, _class_rows(file_id, path, manifest))
                else:
                    mask = _particle_mask(read_label_image(path), file)
                    arrays.add(file_id, mask, micrograph_id=f"{sample_name}/{file.label_of}")
    return report(
        out,
        metadata={"n_labelled": out.n_items - len(out.refusals), "n_classed_particles": out.n_rows(PARTICLE_LABELS)},
        checks=[items_result(out)],
    )


def _class_rows(file_id: str, path: "Path", manifest: "Manifest") -> "pd.DataFrame":
    """Return the classes that a table gives to particles, with the ids of their micrographs."""
    from nanodefect_assets.domain.label_pairs import Micrographs
    from nanodefect_assets.domain.micrograph import MODALITIES
    from nanodefect_assets.domain.schemas import PARTICLE_LABELS
    from nanodefect_assets.stores.labels import read_particle_classes

    table = read_particle_classes(path)
    micrographs = Micrographs(file.path for file in manifest.files if file.modality in MODALITIES)
    folder = file_id.rsplit("/", 1)[0] if "/" in file_id else ""
    sample_name = "/".join(file_id.split("/", 2)[:2])
    paths = {name: micrographs.labelled_by(f"{folder}/{name}") for name in table["micrograph"].unique()}
    table = table.assign(
        label_file_id=file_id,
        row_index=range(len(table)),
        micrograph_id=[f"{sample_name}/{paths[name]}" for name in table["micrograph"]],
    )
    return table.reindex(columns=list(PARTICLE_LABELS.names))


def _particle_mask(labels: "np.ndarray", file: "ManifestFile") -> "np.ndarray":
    import numpy as np

    return labels != 0 if file.particle_values is None else np.isin(labels, file.particle_values)
