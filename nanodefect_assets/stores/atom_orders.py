"""The order of atoms, as `atoms/order` keeps it."""

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
import pandas as pd

from nanodefect_assets.domain.atom_order import TEMPLATES, AtomOrder, BondLength, Sublattices
from nanodefect_assets.domain.grain_map import GrainMap, Reading
from nanodefect_assets.domain.schemas import ATOM_ORDERS
from nanodefect_assets.domain.structure import NO_GRAIN
from nanodefect_assets.stores.arrays import ArraysWriter
from nanodefect_assets.stores.atomic_models import AtomicModel, read_atomic_models
from nanodefect_assets.stores.generations import StoredGeneration

ROTATIONS = "rotations"
"""Kind of the arrays that hold how each atom's template is turned."""


def order_rows(structure_id: str, order: AtomOrder) -> pd.DataFrame:
    """Return the rows of `ATOM_ORDERS` of one particle, but for what other methods say of its atoms."""
    scores = {f"score_{name}": order.scores[:, column] for column, name in enumerate(TEMPLATES)}
    return pd.DataFrame(
        {
            "structure_id": structure_id,
            "atom_index": np.arange(len(order)),
            "order_class": order.order.astype(object),
            **scores,
            "sublattice": _sublattice_names(order),
            "coordination": order.coordination.astype(np.int64),
            "is_exposed": order.is_exposed,
        }
    )


def _sublattice_names(order: AtomOrder) -> "pd.Series[str]":
    names = np.full(len(order), None, dtype=object)
    if order.sublattices is not None:
        names[:] = np.where(order.sublattices.is_anion, "anion", "cation")
    return pd.Series(names, dtype="string")


def add_rotations(arrays: ArraysWriter, structure_id: str, order: AtomOrder) -> None:
    """Keep how each atom's template is turned, and the distances that lengths are measured by."""
    bond, compound = order.bond, order.sublattices
    arrays.add(
        structure_id,
        order.rotations.astype(np.float32),
        peak_angstrom=bond.peak_angstrom,
        mean_angstrom=bond.mean_angstrom,
        spread_angstrom=bond.spread_angstrom,
        cutoff_angstrom=bond.cutoff_angstrom,
        n_unlike=0 if compound is None else compound.n_unlike,
        unlike_share=0.0 if compound is None else compound.unlike_share,
    )


def read_orders(models: StoredGeneration, orders: StoredGeneration) -> Iterator[tuple[AtomicModel, AtomOrder]]:
    """Yield the particles of a sample with the order of their atoms; those that were set aside are passed over."""
    rows, arrays = orders.rows(ATOM_ORDERS), orders.arrays(ROTATIONS)
    for model in read_atomic_models(models):
        if model.structure_id not in arrays:
            continue
        own = rows[rows["structure_id"] == model.structure_id].sort_values("atom_index")
        known = arrays.attributes(model.structure_id)
        lengths = {
            name: float(cast("float", known[f"{name}_angstrom"])) for name in ("peak", "mean", "spread", "cutoff")
        }
        order = AtomOrder(
            positions_angstrom=model.positions_angstrom,
            order=own["order_class"].to_numpy(dtype="<U16"),
            scores=own[[f"score_{name}" for name in TEMPLATES]].to_numpy(),
            rotations=arrays.read(model.structure_id).astype(float),
            coordination=own["coordination"].to_numpy(),
            is_exposed=own["is_exposed"].to_numpy(dtype=bool),
            bond=BondLength(
                peak_angstrom=lengths["peak"],
                mean_angstrom=lengths["mean"],
                spread_angstrom=lengths["spread"],
                cutoff_angstrom=lengths["cutoff"],
            ),
            sublattices=_sublattices(own, known),
        )
        yield model, order


def _sublattices(rows: pd.DataFrame, known: Mapping[str, object]) -> Sublattices | None:
    n_unlike = int(cast("int", known.get("n_unlike", 0)))  # version 1 knew no compounds
    if not n_unlike:
        return None
    return Sublattices(
        is_anion=(rows["sublattice"] == "anion").to_numpy(dtype=bool),
        n_unlike=n_unlike,
        unlike_share=float(cast("float", known["unlike_share"])),
    )


def grain_rows(structure_id: str, grain_map: GrainMap, reading: Reading) -> list[dict[str, object]]:
    """Return the rows of `GRAINS` of one particle."""
    return [
        {
            "structure_id": structure_id,
            "grain": number,
            "n_atoms": grain.n_atoms,
            **_components("centre_{}_angstrom", grain.centre_angstrom),
            **_components("stacking_{}", grain.frame[2]),
            "row": reading.rows.get(number),
            "completeness": reading.completeness.get(number),
        }
        for number, grain in enumerate(grain_map.grains)
    ]


def plane_rows(structure_id: str, grain_map: GrainMap) -> list[dict[str, object]]:
    """Return the rows of `PLANES` of one particle."""
    return [
        {
            "structure_id": structure_id,
            "plane": number,
            "kind": plane.kind,
            "defect_number": plane.defect,
            "letters": plane.letters,
            "n_atoms": plane.n_atoms,
            **_components("normal_{}", plane.normal),
            "distance_to_twin_angstrom": _finite(plane.distance_to_twin_angstrom),
            "n_inner_edge_atoms": plane.n_inner_edge_atoms,
        }
        for number, plane in enumerate(grain_map.planes)
    ]


def dislocation_rows(structure_id: str, grain_map: GrainMap) -> list[dict[str, object]]:
    """Return the rows of `DISLOCATIONS` of one particle."""
    return [
        {
            "structure_id": structure_id,
            "dislocation": number,
            "grain": found.grain,
            "burgers": _half_indices(found.burgers_half),
            **_components("burgers_{}_angstrom", found.burgers_angstrom),
            **_components("centre_{}_angstrom", found.point_angstrom),
            **_components("line_{}", found.direction),
            "angle_deg": found.angle_deg,
            "n_bonds": found.n_bonds,
        }
        for number, found in enumerate(grain_map.dislocations)
    ]


def _half_indices(halves: tuple[int, int, int]) -> str:
    """Return ``1/2 [1-10]`` for (1, -1, 0) and ``[100]`` for (2, 0, 0)."""
    is_whole = all(half % 2 == 0 for half in halves)
    indices = "".join(str(half // 2 if is_whole else half) for half in halves)
    return f"[{indices}]" if is_whole else f"1/2 [{indices}]"


def atom_grain_rows(structure_id: str, grain_map: GrainMap) -> pd.DataFrame:
    """Return the rows of `ATOM_GRAINS` of one particle."""
    return pd.DataFrame(
        {
            "structure_id": structure_id,
            "atom_index": np.arange(len(grain_map.grain)),
            "grain": pd.Series(grain_map.grain, dtype="Int64").mask(grain_map.grain == NO_GRAIN),
            "plane": pd.Series(grain_map.plane, dtype="Int64").mask(grain_map.plane < 0),
            "defect": grain_map.defect.astype(object),
        }
    )


def reading_row(model: AtomicModel, order: AtomOrder, grain_map: GrainMap, reading: Reading) -> dict[str, object]:
    """Return the row of `PARTICLE_READINGS` of one particle, but for its stretch against bulk."""
    shares, found = order.shares(), reading.evidence
    n_basal_intrinsic = int(found.get("n_basal_i1", 0) + found.get("n_basal_i2", 0))
    return {
        "structure_id": model.structure_id,
        "is_simulated": model.is_simulated,
        "kind": reading.kind,
        "crystal": "fcc" if reading.is_multiply_twinned else order.crystal,
        "pathway": reading.pathway,
        "n_atoms": len(order),
        "n_grains": len(grain_map.grains),
        "n_twin_planes": grain_map.count_defects("twin"),
        "n_intrinsic_faults": grain_map.count_defects("intrinsic") + n_basal_intrinsic,
        "n_extrinsic_faults": grain_map.count_defects("extrinsic") + int(found.get("n_basal_extrinsic", 0)),
        "n_five_fold_axes": len(grain_map.axes),
        "fcc_fraction": shares["fcc"],
        "hcp_fraction": shares["hcp"],
        "bond_angstrom": order.bond.peak_angstrom,
        "bond_spread_angstrom": order.bond.spread_angstrom,
    }


def evidence_rows(structure_id: str, reading: Reading) -> list[dict[str, object]]:
    """Return the rows of `EVIDENCE` of one particle."""
    return [
        {"structure_id": structure_id, "name": name, "value": _finite(value)}
        for name, value in reading.evidence.items()
    ]


def _components(name: str, vector: np.ndarray) -> dict[str, float]:
    return {name.format(axis): float(value) for axis, value in zip("xyz", vector, strict=True)}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
