"""Multiply twinned particles: decahedra, icosahedra, and decahedra on their way to an icosahedron."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from nanodefect_assets.domain.structure import NO_GRAIN, Positions, Structure
from nanodefect_assets.science.crystal.params import DecahedronParams, IcosahedronParams

N_CORE = 5
"""Tetrahedra of the decahedron that an icosahedron grows from; the first ones in the order of `icosahedron`."""

N_BELT = 10
"""Tetrahedra in the two rows that grow over the decahedron: 5 to 9 next to it, 10 to 14 in the second row."""

_TANGENTIAL = 1.0515
"""Length of an icosahedron's tangential bonds over that of its radial ones."""


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """Atoms in cells that share corners: whole numbers along the three edges that meet in the centre."""

    points: Positions
    cell: Int[np.ndarray, " atom"]
    edges: Int[np.ndarray, "atom 3"]


def decahedron(params: DecahedronParams) -> Structure:
    """Return a decahedron: five tetrahedra about an axis along z.

    Notes
    -----
    Five tetrahedra of fcc leave a gap of 7.35 degrees, which is closed by a homogeneous strain, as Ino has it. Side
    faces are {100}, caps {111}. A notch cuts {111} re-entrant faces at each twin plane, as Marks has it.
    """
    if 2 * params.notch > params.n_rows:
        raise ValueError(f"Expected a notch of half of {params.n_rows} rows at most. Got {params.notch}.")
    bond = params.lattice_angstrom / np.sqrt(2)
    cells = _sectors(params, bond)
    n_zero = (cells.edges[:, :2] == 0).sum(axis=1)
    label = np.choose(n_zero, ["none", "twin", "axis"]).astype("<U9")
    kind = np.choose(n_zero, ["fcc", "hcp", "axis"])
    frames = np.array([_sector_frame(number) for number in range(5)])
    return Structure(
        species=np.full(len(cells.points), params.symbol),
        positions_angstrom=cells.points,
        grain=np.where(n_zero == 0, cells.cell, NO_GRAIN),
        layer_kind=kind,
        defect=label,
        frames=frames,
        kind="decahedron",
        bond_angstrom=float(bond),
    )


def _sectors(params: DecahedronParams, bond: float) -> _Cells:
    n_rows, n_inside = params.n_rows, params.n_rows - params.notch
    rows = np.array([(i, j) for i in range(n_inside) for j in range(n_inside) if i + j < n_rows])
    points, cell, edges = [], [], []
    for number in range(5):
        first, second = _spoke(number), _spoke(number + 1)
        for i, j in rows[(rows[:, 0] > 0) | ((rows == 0).all(axis=1) & (number == 0))]:
            n_atoms = params.n_axis - i - j
            heights = (np.arange(n_atoms) - (n_atoms - 1) / 2) * bond
            foot = (i * first + j * second) * np.sqrt(3) / 2 * bond
            points.append(np.column_stack([np.tile(foot[:2], (max(n_atoms, 0), 1)), heights]))
            cell += [number] * max(n_atoms, 0)
            edges += [(i, j, 1)] * max(n_atoms, 0)
    return _Cells(points=np.concatenate(points), cell=np.array(cell), edges=np.array(edges))


def _spoke(number: int) -> Float[np.ndarray, " 3"]:
    angle = number * 2 * np.pi / 5
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _sector_frame(number: int) -> Float[np.ndarray, "3 3"]:
    up = np.array([0, 0, 0.5])
    foot = np.sqrt(3) / 2
    return corner_frame(np.array([0, 0, 1.0]), foot * _spoke(number) + up, foot * _spoke(number + 1) + up)


def corner_frame(
    first: Float[np.ndarray, " 3"], second: Float[np.ndarray, " 3"], third: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "3 3"]:
    """Return the frame, as in `Structure`, of an fcc tetrahedron with a corner at the origin.

    Parameters
    ----------
    first, second, third : ndarray of shape (3,)
        Its other corners; layers are parallel to the face of the first two and stack towards the third.
    """
    normal = np.cross(first, second)
    normal *= np.sign(normal @ third) / np.linalg.norm(normal)
    across = (first + second) / 2
    across = across / np.linalg.norm(across)
    return np.array([np.cross(across, normal), across, normal])


def icosahedron(params: IcosahedronParams) -> Structure:
    """Return an icosahedron of 20 tetrahedra, a five-fold axis along z."""
    return grown_icosahedron(np.ones(20), params)


def grown_icosahedron(filling: Float[np.ndarray, " 20"], params: IcosahedronParams) -> Structure:
    """Return the core decahedron of an icosahedron with further tetrahedra, each filled in part or not at all.

    Parameters
    ----------
    filling : ndarray of shape (20,)
        How far each tetrahedron is filled, 0 to 1, from its highest atoms (along z) downwards: the core first, then the
        row next to it, then the second row, then the five at the bottom. Atoms between tetrahedra are there if one of
        them has them.
    params : IcosahedronParams
        Material and number of shells.

    Notes
    -----
    Tetrahedra 0 to 4 share the five-fold axis from the centre up to a corner; they are the decahedron.
    """
    corners, faces = _corners(), _faces()
    bond = params.lattice_angstrom / np.sqrt(2)
    scale = bond * 2 / (1 + _TANGENTIAL)
    cells = _tetrahedra(corners, faces, params.n_shells)
    unique, owner, shared = np.unique(np.round(cells.points, 6), axis=0, return_index=True, return_inverse=True)
    kept = np.zeros(len(unique), dtype=bool)
    np.logical_or.at(kept, shared, _is_filled(cells, corners, faces, filling, params.n_shells))
    n_zero = (cells.edges[owner] == 0).sum(axis=1)
    structure = Structure(
        species=np.full(len(unique), params.symbol),
        positions_angstrom=cells.points[owner] * scale,
        grain=np.where(n_zero == 0, cells.cell[owner], NO_GRAIN),
        layer_kind=np.choose(n_zero, ["fcc", "hcp", "axis", "centre"]),
        defect=np.choose(n_zero, ["none", "twin", "axis", "centre"]).astype("<U9"),
        frames=np.array([corner_frame(*corners[face]) for face in faces]),
        kind="icosahedron" if kept.all() else "on_the_way",
        bond_angstrom=float(bond),
    )
    return structure.taken(kept)


def _is_filled(
    cells: _Cells, corners: Positions, faces: Int[np.ndarray, "20 3"], filling: Float[np.ndarray, " 20"], n_shells: int
) -> Bool[np.ndarray, " atom"]:
    tips = np.concatenate([corners[faces], np.zeros((20, 1, 3))], axis=1)[..., 2] * n_shells
    top, bottom = tips.max(axis=1), tips.min(axis=1)
    lowest = top - (top - bottom) * filling
    return (cells.points[:, 2] >= lowest[cells.cell] - 1e-6) & (filling[cells.cell] > 0)


def growing_together(belt_filling: float, params: IcosahedronParams) -> Structure:
    """Return a decahedron over which ten tetrahedra in two rows grow at the same time (pathway B of fig. 2.4b)."""
    return grown_icosahedron(np.repeat([1.0, belt_filling, 0.0], [N_CORE, N_BELT, 20 - N_CORE - N_BELT]), params)


def growing_one_by_one(n_added: int, params: IcosahedronParams) -> Structure:
    """Return a decahedron to which whole tetrahedra were added one after the other (pathway A of fig. 2.4b)."""
    return grown_icosahedron((np.arange(20) < N_CORE + n_added).astype(float), params)


def _corners() -> Float[np.ndarray, "12 3"]:
    upper = np.array([_spoke(number) * 2 / np.sqrt(5) + [0, 0, 1 / np.sqrt(5)] for number in range(5)])
    return np.vstack([[0.0, 0, 1], upper, -upper, [0.0, 0, -1]])


def _faces() -> Int[np.ndarray, "20 3"]:
    """Return three corners of each face, from the top down: cap, two rows of the belt, bottom; each row going round."""
    corners = _corners()
    triples = [
        triple
        for triple in combinations(range(12), 3)
        if all(np.linalg.norm(corners[a] - corners[b]) < 1.1 for a, b in combinations(triple, 2))
    ]
    middles = np.array([corners[list(triple)].mean(axis=0) for triple in triples])
    round_angle = np.mod(np.arctan2(middles[:, 1], middles[:, 0]), 2 * np.pi)
    return np.array(triples)[np.lexsort((round_angle, -np.round(middles[:, 2], 6)))]


def _tetrahedra(corners: Positions, faces: Int[np.ndarray, "20 3"], n_shells: int) -> _Cells:
    steps = np.arange(n_shells + 1)
    grid = np.array(np.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1).T
    grid = grid[grid.sum(axis=1) <= n_shells]
    points = np.einsum("ae,fex->fax", grid, corners[faces]).reshape(-1, 3)
    return _Cells(points=points, cell=np.repeat(np.arange(20), len(grid)), edges=np.tile(grid, (20, 1)))
