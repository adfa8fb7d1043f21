"""Every atom of a particle."""

import dagster as dg

from nanodefect_assets.defs.checks import items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.resources import HomeResource


@dg.asset(
    key=["atoms", "atomic_model"],
    deps=[["samples", "coordinates"]],
    partitions_def=sample,
    group_name="atoms",
    code_version="1",
    kinds={"parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[items_check("atoms", "atomic_model")],
)
def atomic_model(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Every atom of the particles of a sample, as the coordinates that came with it give them."""
    from nanodefect_assets.domain.schemas import ATOMIC_MODELS, ATOMS, COORDINATES, STRUCTURES

    source = upstream(context, home, "samples", "coordinates")
    structures, atoms = source.rows(STRUCTURES), source.rows(COORDINATES)
    is_simulated = dict(zip(structures["structure_id"], structures["is_simulated"], strict=True))
    with making(context, home, inputs=[source]) as out:
        out.n_items = len(structures)
        out.add_rows(ATOMIC_MODELS, structures.assign(source="imported")[list(ATOMIC_MODELS.names)])
        atoms = atoms.assign(is_simulated=atoms["structure_id"].map(is_simulated).astype(bool))
        out.add_rows(ATOMS, atoms[list(ATOMS.names)])
    return report(out, metadata={"n_structures": len(structures), "n_atoms": len(atoms)}, checks=[items_result(out)])
