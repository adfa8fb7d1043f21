"""What experts drew on micrographs."""

from typing import TYPE_CHECKING, get_args

import dagster as dg

from nanodefect_assets.defs.check_results import tested
from nanodefect_assets.defs.checks import declare_check, items_check, items_result
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
    code_version="4",
    kinds={"zarr"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("samples", "annotations"),
        declare_check(
            ("samples", "annotations"),
            "classes_known",
            "Classes that experts gave to particles are those that the fault classifier tells apart; others are kept.",
        ),
    ],
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
    given: list[str] = []
    with making(context, home, inputs=[source]) as out:
        arrays, values = out.arrays("annotations"), out.arrays("label_values")
        out.add_rows(PARTICLE_LABELS, [])
        for file in files:
            file_id, path = f"{sample_name}/{file.path}", raw_path(home.home, manifest, file)
            with out.item(file_id):
                if file.label_of is None:
                    rows = _class_rows(out, file_id, path, manifest)
                    out.add_rows(PARTICLE_LABELS, rows)
                    given += list(rows["class_name"])
                else:
                    drawn, labelled = read_label_image(path), f"{sample_name}/{file.label_of}"
                    check_drawn(drawn, file.path)
                    arrays.add(file_id, _particle_mask(drawn, file), micrograph_id=labelled)
                    values.add(file_id, drawn.astype(np.min_scalar_type(drawn.max())), micrograph_id=labelled)
    return report(
        out,
        metadata={"n_labelled": out.n_items - len(out.refusals), "n_classed_particles": out.n_rows(PARTICLE_LABELS)},
        checks=[items_result(out), _classes_result(given)],
    )


def _classes_result(given: list[str]) -> dg.AssetCheckResult:
    """Check that the names of classes are known."""
    from nanodefect_assets.science.hrtem.fault_params import FaultClass
    from nanodefect_assets.stores.class_rows import class_doubts

    doubts = class_doubts(given, get_args(FaultClass))
    return dg.AssetCheckResult(
        check_name="classes_known",
        passed=not doubts,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"doubts": dg.MetadataValue.json(list(doubts[:20])), **tested(len(given))},
    )


def _class_rows(out: "GenerationWriter", file_id: str, path: "Path", manifest: "Manifest") -> "pd.DataFrame":
    """Return the classes that a table gives to particles, with the ids of their micrographs.

    Rows about a micrograph that is not there, or a place outside it, are set aside one by one.
    """
    import pandas as pd

    from nanodefect_assets.domain.micrograph import MODALITIES
    from nanodefect_assets.domain.schemas import PARTICLE_LABELS
    from nanodefect_assets.stores.class_rows import match_class_rows
    from nanodefect_assets.stores.labels import read_particle_classes

    batch, aliquot, table_path = file_id.split("/", 2)
    shapes = {file.path: (file.shape or ())[-2:] for file in manifest.files if file.modality in MODALITIES}
    rows = []
    for index, row in match_class_rows(read_particle_classes(path), table_path, shapes):
        if isinstance(row, Refusal):
            out.refuse(f"{file_id} line {index + 2}", row)
            continue
        micrograph_id = f"{batch}/{aliquot}/{row.pop('micrograph')}"
        rows.append({"label_file_id": file_id, "row_index": index, "micrograph_id": micrograph_id, **row})
    return pd.DataFrame(rows, columns=list(PARTICLE_LABELS.names)).astype({"label": "Int64"})


def _particle_mask(labels: "np.ndarray", file: "ManifestFile") -> "np.ndarray":
    import numpy as np

    return labels != 0 if file.particle_values is None else np.isin(labels, file.particle_values)
