"""Grains of fcc, twin planes and stacking faults between them, and five-fold axes."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, Shaped
from scipy.spatial import cKDTree

from nanodefect_assets.domain.atom_order import AtomOrder
from nanodefect_assets.domain.grain_map import Grain, GrainMap, Plane
from nanodefect_assets.domain.structure import NO_GRAIN
from nanodefect_assets.science.atoms.axes import find_axes
from nanodefect_assets.science.atoms.basal import basal_defects, is_hcp_crystal
from nanodefect_assets.science.atoms.dislocations import find_dislocations
from nanodefect_assets.science.atoms.layers import WINDOW, Layer, describe_layers, group_layers
from nanodefect_assets.science.atoms.links import Pairs, group_atoms, neighbour_pairs, renumber, turn_between_deg
from nanodefect_assets.science.atoms.params import GrainParams

_SINGLE_LAYER_BONDS = 0.3
"""Standard deviation across a grain below which it is one layer; that of two layers is 0.41 bonds."""

_FULL_RING = 6
"""Neighbours that an atom has within its layer."""

_N_INSIDE = 11
"""Atoms with fewer neighbours may be in a groove of the surface; a fault that ends there has no dislocation."""

_PARALLEL = np.cos(np.deg2rad(30.0))

_EDGE_BONDS = 1.6
"""An edge of a fault within this distance of another boundary ends there and not at a dislocation."""


def find_grains(order: AtomOrder, params: GrainParams) -> GrainMap:
    """Find grains, hcp layers and five-fold axes of a particle.

    Parameters
    ----------
    order : AtomOrder
        Every atom's class and orientation.
    params : GrainParams
        What is one grain and one layer.

    Returns
    -------
    GrainMap
        Grains, planes and axes.

    Notes
    -----
    A grain is a connected group of fcc atoms whose orientations differ little from neighbour to neighbour. A layer is a
    group of hcp atoms with one normal and at one height. Layers are named after the sequence of layers around them:
    one hcp layer alone is a twin plane, two side by side are an intrinsic stacking fault, two with one fcc layer
    between them an extrinsic one. The sides of a stacking fault are one grain where they have one orientation. A twin
    boundary with steps is one defect. In a particle that is an hcp crystal hcp layers are no defects, and fcc layers
    between them are basal faults.
    """
    pairs = neighbour_pairs(order.positions_angstrom, order.bond.cutoff_angstrom)
    grain_of = _group_grains(order, pairs, params)
    layer_of = group_layers(order, pairs, params)
    layers = describe_layers(layer_of, grain_of, order, params)
    if is_hcp := is_hcp_crystal(order):
        layers = [replace(layer, kind="hcp") for layer in layers]
    frames = _frames(grain_of, order)
    table = _joined_grains(layers, frames, params)
    grain_of = np.append(table, NO_GRAIN)[grain_of]
    planes = _describe_planes(layers, table, order, pairs)
    grains = _describe_grains(grain_of, order)
    return GrainMap(
        grain=grain_of,
        plane=layer_of,
        defect=basal_defects(order) if is_hcp else _defect_of(layer_of, layers),
        grains=grains,
        planes=planes,
        axes=find_axes(planes),
        dislocations=find_dislocations(order, grain_of, grains, pairs),
    )


def _group_grains(order: AtomOrder, pairs: Pairs, params: GrainParams) -> Int[np.ndarray, " atom"]:
    is_fcc = order.order == "fcc"
    linked = pairs[is_fcc[pairs].all(axis=1)]
    turns_deg = turn_between_deg(order.rotations[linked[:, 0]], order.rotations[linked[:, 1]])
    groups = group_atoms(linked[turns_deg < params.max_turn_deg], is_fcc, params.min_grain_atoms)
    return _without_single_layers(groups, order)


def _without_single_layers(groups: Int[np.ndarray, " atom"], order: AtomOrder) -> Int[np.ndarray, " atom"]:
    """Return groups without those of one layer: the middle of an extrinsic fault is fcc, but no grain."""
    kept = groups.copy()
    for number in range(groups.max(initial=-1) + 1):
        places = order.positions_angstrom[groups == number]
        thickness = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)[-1] / np.sqrt(len(places))
        if thickness < _SINGLE_LAYER_BONDS * order.bond.mean_angstrom:
            kept[groups == number] = NO_GRAIN
    return renumber(kept)


def _frames(grain_of: Int[np.ndarray, " atom"], order: AtomOrder) -> np.ndarray:
    """Return the orientation of each grain: that of the atom nearest to its centre, as rows."""
    frames = []
    for number in range(grain_of.max(initial=-1) + 1):
        atoms = np.flatnonzero(grain_of == number)
        places = order.positions_angstrom[atoms]
        middle = atoms[np.linalg.norm(places - places.mean(axis=0), axis=1).argmin()]
        frames.append(order.rotations[middle].T)
    return np.array(frames).reshape(-1, 3, 3)


def _joined_grains(layers: list[Layer], frames: np.ndarray, params: GrainParams) -> Int[np.ndarray, " grain"]:
    """Return the new number of each grain, one for both sides of a stacking fault."""
    sides = [_sides(layer) for layer in layers if layer.kind in ("intrinsic", "extrinsic")]
    sides = np.array([side for side in sides if NO_GRAIN not in side], dtype=int).reshape(-1, 2)
    rotations = frames.transpose(0, 2, 1)
    turns_deg = turn_between_deg(rotations[sides[:, 0]], rotations[sides[:, 1]])
    table = group_atoms(sides[turns_deg < params.max_turn_deg], np.ones(len(frames), dtype=bool), 1)
    # The lowest old number in a group is its largest grain's: keep that order.
    first = np.array([np.flatnonzero(table == number)[0] for number in range(table.max(initial=-1) + 1)], dtype=int)
    return np.argsort(np.argsort(first))[table] if len(first) else table


def _sides(layer: Layer) -> tuple[int, int]:
    """Return the grains next below and next above a layer and the defect it is part of."""
    below, above = layer.grains[:WINDOW][::-1], layer.grains[WINDOW + 1 :]
    if layer.kind == "extrinsic":
        # The single fcc layer inside belongs to neither side.
        inner_is_above = layer.letters[WINDOW + 2] == "h"
        below, above = (below, above[2:]) if inner_is_above else (below[2:], above)
    return _first(below), _first(above)


def _first(grains: tuple[int, ...]) -> int:
    return next((grain for grain in grains if grain >= 0), NO_GRAIN)


def _defect_of(layer_of: Int[np.ndarray, " atom"], layers: list[Layer]) -> Shaped[np.ndarray, " atom"]:
    kinds = np.array([*(layer.kind for layer in layers), "none"], dtype="<U9")
    return kinds[layer_of]


def _describe_grains(grain_of: Int[np.ndarray, " atom"], order: AtomOrder) -> tuple[Grain, ...]:
    frames = _frames(grain_of, order)
    grains = []
    for number, frame in enumerate(frames):
        is_member = grain_of == number
        centre = order.positions_angstrom[is_member].mean(axis=0)
        grains.append(Grain(n_atoms=int(is_member.sum()), frame=frame, centre_angstrom=centre))
    return tuple(grains)


def _describe_planes(
    layers: list[Layer], table: Int[np.ndarray, " grain"], order: AtomOrder, pairs: Pairs
) -> tuple[Plane, ...]:
    defects = _number_defects(layers, [_new_numbers(_sides(layer), table) for layer in layers])
    twin_atoms = [layer.atoms for layer in layers if layer.kind == "twin"]
    twins = cKDTree(order.positions_angstrom[np.concatenate(twin_atoms)]) if twin_atoms else None
    planes = []
    for layer, defect in zip(layers, defects, strict=True):
        distance = np.inf if twins is None else float(twins.query(order.positions_angstrom[layer.atoms])[0].min())
        planes.append(
            Plane(
                kind=layer.kind,  # pyright: ignore[reportArgumentType]
                defect=int(defect),
                letters=layer.letters,
                n_atoms=len(layer.atoms),
                normal=layer.normal,
                centre_angstrom=layer.centre_angstrom,
                grains=_new_numbers(_sides(layer), table),
                distance_to_twin_angstrom=distance,
                n_inner_edge_atoms=int(_inner_edge(layer, layers, order, pairs).sum()),
            )
        )
    return tuple(planes)


def _new_numbers(sides: tuple[int, int], table: Int[np.ndarray, " grain"]) -> tuple[int, int]:
    below, above = (int(table[side]) if side >= 0 else NO_GRAIN for side in sides)
    return below, above


def _number_defects(layers: list[Layer], sides: list[tuple[int, int]]) -> Int[np.ndarray, " layer"]:
    """Return the number of each layer's defect.

    Layers of a kind that lie beside one another are one defect, as are twin planes of one normal between two grains.
    """
    links = []
    for number, layer in enumerate(layers):
        if layer.kind == "twin":
            links += [(number, other) for other in range(number) if _is_one_boundary(number, other, layers, sides)]
        else:
            nearby = layer.layers[WINDOW - 2 : WINDOW + 3]
            links += [(number, other) for other in nearby if other >= 0 and layers[other].kind == layer.kind]
    return group_atoms(np.array(links, dtype=int).reshape(-1, 2), np.ones(len(layers), dtype=bool), 1)


def _is_one_boundary(number: int, other: int, layers: list[Layer], sides: list[tuple[int, int]]) -> bool:
    if layers[other].kind != "twin" or NO_GRAIN in sides[number] or set(sides[number]) != set(sides[other]):
        return False
    return bool(abs(layers[number].normal @ layers[other].normal) > _PARALLEL)


def _inner_edge(layer: Layer, layers: list[Layer], order: AtomOrder, pairs: Pairs) -> Bool[np.ndarray, " member"]:
    """Return which atoms of a layer are at its edge, inside the particle and away from other boundaries."""
    is_member = np.zeros(len(order), dtype=bool)
    is_member[layer.atoms] = True
    inside = pairs[is_member[pairs].all(axis=1)]
    n_in_layer = np.bincount(inside.ravel(), minlength=len(order))[layer.atoms]
    is_other = order.is_exposed | (order.order == "five_fold") | (order.coordination < _N_INSIDE)
    for other in layers:
        if abs(other.normal @ layer.normal) < _PARALLEL:
            is_other[other.atoms] = True
    if not is_other.any():
        return n_in_layer < _FULL_RING - 1
    reach = _EDGE_BONDS * order.bond.mean_angstrom
    distances = cKDTree(order.positions_angstrom[is_other]).query(order.positions_angstrom[layer.atoms])[0]
    return (n_in_layer < _FULL_RING - 1) & (distances > reach)
