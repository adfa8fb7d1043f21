"""Atomic coordinates that came with a batch."""

import dagster as dg

from nanodefect_assets.defs.checks import items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import place_of, sample
from nanodefect_assets.defs.resources import HomeResource


@dg.asset(
    key=["samples", "coordinates"],
    deps=[["samples", "manifest"]],
    partitions_def=sample,
    group_name="samples",
    code_version="1",
    kinds={"parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[items_check("samples", "coordinates")],
)
def coordinates(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Atomic coordinates that came with a sample, in ångström; their unit was checked against neighbour distances."""
    from nanodefect_assets.domain.lengths import angstrom_per_unit
    from nanodefect_assets.domain.schemas import COORDINATES, STRUCTURES
    from nanodefect_assets.stores.manifests import read_sample_manifest
    from nanodefect_assets.stores.raw.read import read_coordinates
    from nanodefect_assets.stores.revisions import raw_path
    from nanodefect_assets.stores.structures import coordinate_rows, structure_row

    source = upstream(context, home, "samples", "manifest")
    manifest = read_sample_manifest(source)
    with making(context, home, inputs=[source]) as out:
        out.add_rows(STRUCTURES, [])
        out.add_rows(COORDINATES, [])
        for file in (file for file in manifest.files if file.modality == "coordinates"):
            structure_id = f"{place_of(context).sample}/{file.path}"
            with out.item(structure_id):
                scale = None if file.length_unit is None else angstrom_per_unit(file.length_unit)
                atoms = read_coordinates(raw_path(home.home, manifest, file), scale_angstrom_per_unit=scale)
                out.add_rows(COORDINATES, coordinate_rows(structure_id, atoms))
                out.add_rows(STRUCTURES, [structure_row(structure_id, file, atoms)])
    return report(
        out,
        metadata={"n_structures": out.n_rows(STRUCTURES), "n_atoms": out.n_rows(COORDINATES)},
        checks=[items_result(out)],
    )
