"""Which crystal each atom's neighbours belong to."""

from typing import TYPE_CHECKING

import dagster as dg

from nanodefect_assets.defs.checks import declare_check, items_check, items_result
from nanodefect_assets.defs.conditions import when_inputs_pass
from nanodefect_assets.defs.making import making, report, upstream
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.defs.progress import log_steps
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.progress import Progress
from nanodefect_assets.science.atoms.params import OrderParams

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.atom_order import AtomOrder
    from nanodefect_assets.stores.atomic_models import AtomicModel

_LARGEST_STRETCH = 0.1


class OrderConfig(OrderParams, dg.Config):
    """Launchpad form of `OrderParams`."""


@dg.asset(
    key=["atoms", "order"],
    deps=[["atoms", "atomic_model"]],
    partitions_def=sample,
    group_name="atoms",
    code_version="3",
    kinds={"numba", "parquet"},
    automation_condition=when_inputs_pass,
    check_specs=[
        items_check("atoms", "order"),
        declare_check(
            ("atoms", "order"),
            "bonds_plausible",
            "Bonds of a particle of one fcc element, or of a known compound, lie within a tenth of those of bulk.",
        ),
    ],
)
def order(context: dg.AssetExecutionContext, config: OrderConfig, home: HomeResource) -> dg.MaterializeResult:
    """Order of every atom: fcc, hcp, five-fold, icosahedral, ambiguous, surface or disordered; scores, strain.

    Of a compound each atom is judged by its own lattice, cations or anions: zincblende is fcc, wurtzite hcp.
    """
    from nanodefect_assets.domain.schemas import ATOM_ORDERS
    from nanodefect_assets.science.atoms.compound import classify_particle
    from nanodefect_assets.stores.atom_orders import ROTATIONS, add_rotations
    from nanodefect_assets.stores.atomic_models import read_atomic_models

    source = upstream(context, home, "atoms", "atomic_model")
    on_step, shown = log_steps(context.log), None
    odd: dict[str, float] = {}
    n_of: dict[str, int] = {}
    with making(context, home, inputs=[source], params=config) as out:
        out.add_rows(ATOM_ORDERS, [])
        arrays = out.arrays(ROTATIONS)
        for n, model in enumerate(read_atomic_models(source)):
            with out.item(model.structure_id):
                found = classify_particle(model.positions_angstrom, model.species, config)
                bulk = bulk_of(model, found)
                out.add_rows(ATOM_ORDERS, _rows(model, found, bulk))
                add_rotations(arrays, model.structure_id, found)
                shown = found if shown is None else shown
                if bulk is not None and abs(found.bond.stretch_against(bulk)) > _LARGEST_STRETCH:
                    odd[model.structure_id] = found.bond.stretch_against(bulk)
                for name in found.order.tolist():
                    n_of[name] = n_of.get(name, 0) + 1
            on_step(Progress(task="order", done=n + 1, total=n + 1, detail=model.structure_id))
    return report(
        out,
        metadata={"n_atoms": out.n_rows(ATOM_ORDERS), **{f"n_{name}": n for name, n in sorted(n_of.items())}},
        checks=[
            items_result(out),
            dg.AssetCheckResult(
                check_name="bonds_plausible",
                passed=not odd,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"stretch": dg.MetadataValue.json(odd)},
            ),
        ],
        preview=_preview(shown),
    )


def bulk_of(model: "AtomicModel", order: "AtomOrder") -> float | None:
    """Return the distance of neighbours of one lattice in bulk; None where it is not known."""
    from nanodefect_assets.science.crystal.bulk import bulk_bond_angstrom, bulk_compound_bond_angstrom

    species = model.species.tolist()
    return bulk_bond_angstrom(species) if order.sublattices is None else bulk_compound_bond_angstrom(species)


def _rows(model: "AtomicModel", found: "AtomOrder", bulk: float | None) -> "pd.DataFrame":
    """Return the rows of `ATOM_ORDERS` of one particle, with what the other methods say (fig. A.5)."""
    import pandas as pd

    from nanodefect_assets.domain.schemas import ATOM_ORDERS
    from nanodefect_assets.stores.atom_orders import order_rows

    others = pd.concat([_by_other_methods(part, bulk).set_index(atoms) for atoms, part in found.lattices()])
    return order_rows(model.structure_id, found).join(others)[list(ATOM_ORDERS.names)]


def _by_other_methods(order: "AtomOrder", bulk: float | None) -> "pd.DataFrame":
    """Return common neighbour analysis, bond order parameters and strain of the atoms of one lattice."""
    import numpy as np
    import pandas as pd

    from nanodefect_assets.science.atoms.bond_order import averaged_bond_order
    from nanodefect_assets.science.atoms.common_neighbours import common_neighbours
    from nanodefect_assets.science.atoms.strain import measure_strain, volumetric

    cutoff, positions = order.bond.cutoff_angstrom, order.positions_angstrom
    return pd.DataFrame(
        {
            "cna_class": common_neighbours(positions, cutoff).astype(object),
            "q4": averaged_bond_order(positions, cutoff, 4),
            "q6": averaged_bond_order(positions, cutoff, 6),
            "mean_strain": np.full(len(order), np.nan) if bulk is None else volumetric(measure_strain(order, bulk)),
        }
    )


def _preview(found: "AtomOrder | None") -> bytes | None:
    from nanodefect_assets.plots.atoms import plot_order_slices
    from nanodefect_assets.plots.png import figure_png

    return None if found is None else figure_png(plot_order_slices(found))
