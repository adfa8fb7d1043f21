"""What experts drew on micrographs."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.resources import HomeResource

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.domain.manifest import ManifestFile


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
    """Expert labels that came with a sample: for each labelled micrograph, which pixels are particle."""
    from nanodefect_assets.stores.labels import read_label_image
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.revisions import raw_path

    source = upstream(context, home, "samples", "manifest")
    manifest = read_sample_manifest(source)
    files = [file for file in manifest.files if file.modality == "labels"]
    sample_name = place_of(context).sample
    with making(context, home, inputs=[source]) as out:
        arrays = out.arrays("annotations")
        for file in files:
            file_id = f"{sample_name}/{file.path}"
            with out.item(file_id):
                labels = read_label_image(raw_path(home.home, manifest, file))
                arrays.add(file_id, _particle_mask(labels, file), micrograph_id=f"{sample_name}/{file.label_of}")
    return report(out, metadata={"n_labelled": out.n_items - len(out.refusals)}, checks=[items_result(out)])


def _particle_mask(labels: "np.ndarray", file: "ManifestFile") -> "np.ndarray":
    import numpy as np

    return labels != 0 if file.particle_values is None else np.isin(labels, file.particle_values)
