"""What a particle is and how it grew, read from its grains; every statement with its numbers."""

import numpy as np
from scipy.spatial import cKDTree

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.domain.grain_map import FiveFoldAxis, GrainMap, ParticleKind, Pathway, Reading
from nanodefect_assets.science.atoms.basal import count_basal_faults, is_hcp_crystal
from nanodefect_assets.science.atoms.facets import FAMILIES, Facets

_COMPLETE = 0.9
"""A tetrahedron with this share of the core's atoms is complete."""

_N_CLOSED_AXES = 10
"""Five-fold axes from which a particle is an icosahedron; a whole one has 12, two may be lost at a damaged corner."""

_MIN_ADDED = 2
"""Tetrahedra over a decahedron from which it is on its way: one alone can be a plain growth twin."""

_FAULTED_SHARE = 0.01
"""Share of a particle's atoms that are hcp layers of faults, from which it is called faulted."""

_N_BELT = 10
_N_AT_ONCE = 4
_N_ONE_BY_ONE = 2
_SKIN_BONDS = 2.0


def read_particle(order: AtomOrder, grain_map: GrainMap, facets: Facets) -> Reading:
    """Say what a particle is and, between decahedron and icosahedron, by which pathway of fig. 2.4b it grew.

    Parameters
    ----------
    order, grain_map, facets : AtomOrder, GrainMap, Facets
        The labelled particle.

    Returns
    -------
    Reading
        Statements and the numbers that they rest on.

    Notes
    -----
    The core is the ring of five grains with the most atoms. A subunit's row is the number of twin planes between it and
    the core. Pathway A adds tetrahedron after tetrahedron, so that one or two of the ten in both rows are partial, and
    others are missing; pathway B grows several at once, so that four or more are partial.
    """
    core = _core(grain_map)
    rows = _rows(grain_map, core)
    completeness = _completeness(grain_map, core, rows)
    kind = _kind(order, grain_map, rows)
    basal = count_basal_faults(order) if kind == "hcp" else {}
    if any(basal.values()):
        kind = "faulted"
    evidence = {
        **_counts(order, grain_map),
        **_tetrahedra(rows, completeness),
        **_axis_numbers(core),
        **_surface(order, grain_map, facets),
        **_faults(grain_map),
        "n_perfect_dislocations": float(len(grain_map.dislocations)),
        **basal,
    }
    pathway = _pathway(rows, completeness) if kind == "on_the_way" else "none"
    return Reading(kind=kind, pathway=pathway, evidence=evidence, completeness=completeness, rows=rows)


def _core(grain_map: GrainMap) -> FiveFoldAxis | None:
    def n_atoms(axis: FiveFoldAxis) -> int:
        return sum(grain_map.grains[grain].n_atoms for grain in axis.grains)

    return max(grain_map.axes, key=n_atoms, default=None)


def _rows(grain_map: GrainMap, core: FiveFoldAxis | None) -> dict[int, int]:
    """Return the number of twin planes from the core to each grain that can be reached through them."""
    rows = dict.fromkeys(core.grains, 0) if core else {}
    pairs = grain_map.twin_pairs()
    front = set(rows)
    while front:
        beyond = {b for pair in pairs for a, b in (pair, pair[::-1]) if a in front and b not in rows}
        rows |= dict.fromkeys(sorted(beyond), max(rows.values()) + 1)
        front = beyond
    return rows


def _completeness(grain_map: GrainMap, core: FiveFoldAxis | None, rows: dict[int, int]) -> dict[int, float]:
    if core is None:
        return {}
    whole = float(np.median([grain_map.grains[grain].n_atoms for grain in core.grains]))
    return {grain: grain_map.grains[grain].n_atoms / whole for grain in rows}


def _kind(order: AtomOrder, grain_map: GrainMap, rows: dict[int, int]) -> ParticleKind:
    shares = order.shares()
    if shares["disordered"] >= shares["fcc"] + shares["hcp"]:
        return "disordered"
    if shares["hcp"] > shares["fcc"] and not rows:
        return "hcp" if is_hcp_crystal(order) else "polycrystal"
    if rows:
        n_added = sum(row > 0 for row in rows.values())
        if len(grain_map.axes) >= _N_CLOSED_AXES:
            return "icosahedron"
        return "on_the_way" if n_added >= _MIN_ADDED else "decahedron"
    if grain_map.twin_pairs():
        return "twinned"
    if np.mean((grain_map.defect != "none") & (grain_map.defect != "twin")) > _FAULTED_SHARE:
        return "faulted"
    return "single_crystal" if len(grain_map.grains) == 1 else "polycrystal"


def _pathway(rows: dict[int, int], completeness: dict[int, float]) -> Pathway:
    added = np.array([completeness[grain] for grain, row in rows.items() if row in (1, 2)])
    n_partial = int((added < _COMPLETE).sum())
    if n_partial >= _N_AT_ONCE:
        return "B"
    return "A" if n_partial <= _N_ONE_BY_ONE and len(added) < _N_BELT else "undecided"


def _counts(order: AtomOrder, grain_map: GrainMap) -> dict[str, float]:
    kinds = ("twin", "intrinsic", "extrinsic", "hcp", "rhcp")
    counts = {f"n_{kind}": float(grain_map.count_defects(kind)) for kind in kinds}
    return {
        "n_atoms": float(len(order)),
        "n_grains": float(len(grain_map.grains)),
        "n_five_fold_axes": float(len(grain_map.axes)),
        "n_five_fold_atoms": float((order.order == "five_fold").sum()),
        **counts,
    }


def _tetrahedra(rows: dict[int, int], completeness: dict[int, float]) -> dict[str, float]:
    numbers = {"n_tetrahedra": float(len(rows)), "n_added": float(sum(row > 0 for row in rows.values()))}
    for row in (1, 2, 3):
        filled = [completeness[grain] for grain, found in rows.items() if found == row]
        numbers[f"n_row_{row}"] = float(len(filled))
        numbers[f"mean_completeness_row_{row}"] = float(np.mean(filled)) if filled else 0.0
        numbers[f"sd_completeness_row_{row}"] = float(np.std(filled)) if filled else 0.0
    n_complete = sum(row > 0 and completeness[grain] >= _COMPLETE for grain, row in rows.items())
    return {**numbers, "n_complete_added": float(n_complete), "n_partial_added": numbers["n_added"] - n_complete}


def _axis_numbers(core: FiveFoldAxis | None) -> dict[str, float]:
    if core is None:
        return {}
    return {
        "core_axis_residual_angstrom": core.plane_residual_angstrom,
        "core_axis_largest_step_deg": max(core.plane_angles_deg),
        "core_axis_smallest_step_deg": min(core.plane_angles_deg),
    }


def _surface(order: AtomOrder, grain_map: GrainMap, facets: Facets) -> dict[str, float]:
    """Return shares of faces at the outside, and of kinds of order in the skin of two bonds below it."""
    shares = facets.shares()
    numbers = {f"surface_share_{family}": shares[family] for family in (*FAMILIES, "other")}
    if not order.is_exposed.any():
        return numbers
    depth = cKDTree(order.positions_angstrom[order.is_exposed]).query(order.positions_angstrom)[0]
    skin = (depth < _SKIN_BONDS * order.bond.mean_angstrom) & (order.order != "surface")
    for name in ("fcc", "hcp", "ambiguous", "disordered"):
        numbers[f"skin_share_{name}"] = float(np.mean(order.order[skin] == name)) if skin.any() else 0.0
    numbers["skin_share_rhcp"] = float(np.mean(grain_map.defect[skin] == "rhcp")) if skin.any() else 0.0
    return numbers


def _faults(grain_map: GrainMap) -> dict[str, float]:
    faults = [plane for plane in grain_map.planes if plane.kind != "twin"]
    ends = {plane.defect for plane in faults if plane.n_inner_edge_atoms >= 4}
    numbers = {"n_partial_dislocations": float(len(ends))}
    distances = [plane.distance_to_twin_angstrom for plane in faults if np.isfinite(plane.distance_to_twin_angstrom)]
    if distances:
        numbers["median_fault_to_twin_angstrom"] = float(np.median(distances))
    return numbers
