"""Grains and defects of particles, and what they tell of how the particles grew."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.science.atoms.params import GrainParams

if TYPE_CHECKING:
    from nanodefect_assets.domain.atom_order import AtomOrder
    from nanodefect_assets.domain.grain_map import GrainMap, Reading
    from nanodefect_assets.stores.atomic_models import AtomicModel
    from nanodefect_assets.stores.generations import GenerationWriter


class GrainConfig(GrainParams, dg.Config):
    """Launchpad form of `GrainParams`."""


@dg.asset(
    key=["atoms", "grains"],
    deps=[["atoms", "order"], ["atoms", "atomic_model"]],
    partitions_def=sample,
    group_name="atoms",
    code_version="5",
    kinds={"parquet", "html"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("atoms", "grains"),
        declare_check(
            ("atoms", "grains"), "particles_read", "Every particle is told to be something other than disordered."
        ),
    ],
)
def grains(context: dg.AssetExecutionContext, config: GrainConfig, home: HomeResource) -> dg.MaterializeResult:
    """Grains, twin planes, stacking faults, dislocations and five-fold axes: what each particle is and how it grew.

    Each particle also as an interactive page and as extended xyz, beside the tables.
    """
    from nanodefect_assets.domain.schemas import ATOM_GRAINS, DISLOCATIONS, EVIDENCE, GRAINS, PARTICLE_READINGS, PLANES
    from nanodefect_assets.science.atoms.particle import read_atoms
    from nanodefect_assets.stores.atom_orders import read_orders

    models, orders = upstream(context, home, "atoms", "atomic_model"), upstream(context, home, "atoms", "order")
    kinds: dict[str, str] = {}
    with making(context, home, inputs=[orders, models], params=config) as out:
        for table in (ATOM_GRAINS, GRAINS, PLANES, DISLOCATIONS, PARTICLE_READINGS, EVIDENCE):
            out.add_rows(table, [])
        for n, (model, order) in enumerate(read_orders(models, orders)):
            with out.item(model.structure_id):
                found, reading = read_atoms(order, config)
                _add(out, n, model, order, found, reading)
                way = "" if reading.pathway == "none" else f", pathway {reading.pathway}"
                compound = "" if order.sublattices is None else f", {order.crystal}"
                kinds[model.structure_id] = f"{reading.kind}{compound}{way}"
    unread = [name for name, kind in kinds.items() if kind.startswith("disordered")]
    lines = [f"- `{name}`: {kind}" for name, kind in kinds.items()]
    return report(
        out,
        metadata={
            "particles": dg.MetadataValue.md("\n".join(lines) or "none"),
            "n_grains": out.n_rows(GRAINS),
            "n_planes": out.n_rows(PLANES),
            "pages_and_extxyz": dg.MetadataValue.path(out.folder),
        },
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="particles_read",
                passed=not unread,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"disordered": dg.MetadataValue.json(unread)},
            ),
        ],
    )


def _add(
    out: "GenerationWriter",
    number: int,
    model: "AtomicModel",
    order: "AtomOrder",
    found: "GrainMap",
    reading: "Reading",
) -> None:
    """Write the rows, the page and the extended xyz of one particle."""
    from nanodefect_assets.defs.atoms.order import bulk_of
    from nanodefect_assets.domain.schemas import ATOM_GRAINS, DISLOCATIONS, EVIDENCE, GRAINS, PARTICLE_READINGS, PLANES
    from nanodefect_assets.plots.viewer import build_viewer
    from nanodefect_assets.stores.atom_orders import (
        atom_grain_rows,
        dislocation_rows,
        evidence_rows,
        grain_rows,
        plane_rows,
        reading_row,
    )
    from nanodefect_assets.stores.atoms import write_labelled_atoms

    name, bulk = model.structure_id, bulk_of(model, order)
    stretch = None if bulk is None else order.bond.stretch_against(bulk)
    write_labelled_atoms(out.folder / f"particle-{number:03d}.extxyz", model.species.tolist(), order, found)
    (out.folder / f"particle-{number:03d}.html").write_text(build_viewer(order, found, title=name), encoding="utf-8")
    out.add_rows(ATOM_GRAINS, atom_grain_rows(name, found))
    out.add_rows(GRAINS, grain_rows(name, found, reading))
    out.add_rows(PLANES, plane_rows(name, found))
    out.add_rows(DISLOCATIONS, dislocation_rows(name, found))
    out.add_rows(EVIDENCE, evidence_rows(name, reading))
    out.add_rows(PARTICLE_READINGS, [{**reading_row(model, order, found, reading), "bond_stretch": stretch}])
