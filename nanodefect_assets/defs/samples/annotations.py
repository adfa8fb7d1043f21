"""What experts drew on micrographs."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from nanodefect_assets.domain.manifest import Manifest, ManifestFile
    from nanodefect_assets.stores.generations import GenerationWriter


@dg.asset(
    key=["samples", "annotations"],
    deps=[["samples", "manifest"]],
    partitions_def=sample,
    group_name="samples",
    code_version="3",
    kinds={"zarr"},
    automation_condition=when_inputs_pass,
    check_specs=[items_check("samples", "annotations")],
)
def annotations(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Expert labels that came with a sample: which pixels of a micrograph are particle, which class a particle has."""
    import numpy as np

    from nanodefect_assets.domain.schemas import PARTICLE_LABELS
    from nanodefect_assets.stores.labels import check_drawn, read_label_image
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.revisions import raw_path

    source = upstream(context, home, "samples", "manifest")
    manifest = read_sample_manifest(source)
    files = [file for file in manifest.files if file.modality == "labels"]
    sample_name = place_of(context).sample
    with making(context, home, inputs=[source]) as out:
        arrays, values = out.arrays("annotations"), out.arrays("label_values")
        out.add_rows(PARTICLE_LABELS, [])
        for file in files:
            file_id, path = f"{sample_name}/{file.path}", raw_path(home.home, manifest, file)
            with out.item(file_id):
                if file.label_of is None:
                    out.add_rows(PARTICLE_LABELS, _class_rows(out, file_id, path, manifest))
                else:
                    drawn, labelled = read_label_image(path), f"{sample_name}/{file.label_of}"
                    check_drawn(drawn, file.path)
                    arrays.add(file_id, _particle_mask(drawn, file), micrograph_id=labelled)
                    values.add(file_id, drawn.astype(np.min_scalar_type(drawn.max())), micrograph_id=labelled)
    return report(
        out,
        metadata={"n_labelled": out.n_items - len(out.refusals), "n_classed_particles": out.n_rows(PARTICLE_LABELS)},
        checks=[items_result(out)],
    )


def _class_rows(out: "GenerationWriter", file_id: str, path: "Path", manifest: "Manifest") -> "pd.DataFrame":
    """Return the classes that a table gives to particles, with the ids of their micrographs.

    Rows about a micrograph that is not there, or a place outside it, are set aside one by one.
    """
    import pandas as pd

    from nanodefect_assets.domain.label_pairs import Micrographs
    from nanodefect_assets.domain.micrograph import MODALITIES
    from nanodefect_assets.domain.schemas import PARTICLE_LABELS
    from nanodefect_assets.stores.labels import read_particle_classes

    table = read_particle_classes(path)
    micrographs = Micrographs(file.path for file in manifest.files if file.modality in MODALITIES)
    folder = file_id.rsplit("/", 1)[0] if "/" in file_id else ""
    sample_name = "/".join(file_id.split("/", 2)[:2])
    shapes = {file.path: (file.shape or ())[-2:] for file in manifest.files}
    table = table.reindex(columns=["micrograph", "class_name", "label", "row_px", "col_px"])
    rows = []
    for index, row in enumerate(table.to_dict("records")):
        try:
            labelled = micrographs.labelled_by(f"{folder}/{row.pop('micrograph')}")
            _check_inside(row, shapes[labelled])
        except Refusal as refusal:
            out.refuse(f"{file_id} line {index + 2}", refusal)
            continue
        rows.append({"label_file_id": file_id, "row_index": index, "micrograph_id": f"{sample_name}/{labelled}", **row})
    return pd.DataFrame(rows, columns=list(PARTICLE_LABELS.names)).astype({"label": "Int64"})


def _check_inside(row: "dict[str, Any]", shape: tuple[int, ...]) -> None:
    """Refuse a place that lies outside its micrograph."""
    if len(shape) == 2 and (row["row_px"] > shape[0] or row["col_px"] > shape[1]):
        got = f"row {row['row_px']:g}, col {row['col_px']:g}"
        raise Refusal("bad_place", expected=f"a place inside an image of {shape[0]} x {shape[1]} pixels", got=got)


def _particle_mask(labels: "np.ndarray", file: "ManifestFile") -> "np.ndarray":
    import numpy as np

    return labels != 0 if file.particle_values is None else np.isin(labels, file.particle_values)
