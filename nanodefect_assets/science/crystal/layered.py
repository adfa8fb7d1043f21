"""Particles of stacked layers: fcc with twins and stacking faults, wurtzite and zincblende with basal faults."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanodefect_assets.domain.structure import Positions, Structure
from nanodefect_assets.science.crystal.params import CompoundParams, CrystalParams
from nanodefect_assets.science.crystal.shapes import inside_hexagon, inside_shape
from nanodefect_assets.science.crystal.stacking import Layers, label_layers, stacking_steps

FRAME = np.eye(3)
"""Layers are stacked along z with a close-packed row along x."""

CUBIC_AXES = np.array([[1, -1, 0], [1, 1, -2], [1, 1, 1]]) / np.sqrt([[2], [6], [3]])
"""Rows: x, y and z of a grain that stacks A, B, C, in its cubic axes."""

HALF_TURN = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class _Stack:
    points: Positions
    layer: Int[np.ndarray, " atom"]
    labels: Layers


def fcc_particle(params: CrystalParams) -> Structure:
    """Return an fcc single crystal with a <111> direction along z and a close-packed row along x."""
    return close_packed_particle("", params).centred()


def twinned_particle(params: CrystalParams) -> Structure:
    """Return a particle with one twin plane through its middle, its two halves mirror images."""
    n_half = _n_layers(params) // 2 + 1
    below = _cycle(n_half + 1, start=-n_half)
    return close_packed_particle(below + below[-2::-1], params, kind="twinned")


def faulted_particle(letters: str, params: CrystalParams) -> Structure:
    """Return an fcc particle whose middle layers are as told, such as ``hh`` for an intrinsic stacking fault.

    Parameters
    ----------
    letters : str
        ``f`` for fcc, ``h`` for hcp layers: ``h`` is a twin plane, ``hh`` an intrinsic, ``hfh`` an extrinsic stacking
        fault, ``hfffh`` a twin lamella, ``hhhh`` an hcp block. Layers below and above are fcc.
    params : CrystalParams
        Material, size and form.
    """
    n_outer = (_n_layers(params) - len(letters)) // 2 + 2
    return close_packed_particle(sequence_of("f" * n_outer + letters + "f" * n_outer), params, kind="faulted")


def sequence_of(letters: str) -> str:
    """Return the stack A, B, ... whose inner layers are fcc (``f``) and hcp (``h``) as told.

    The stack has a layer more at either end than `letters`.
    """
    if not letters or set(letters) - set("fh"):
        raise ValueError(f"Expected letters f (fcc) and h (hcp). Got {letters!r}.")
    signs = np.cumprod([1, *(-1 if letter == "h" else 1 for letter in letters)])
    return "".join("ABC"[int(at) % 3] for at in np.concatenate([[0], np.cumsum(signs)]))


def close_packed_particle(sequence: str, params: CrystalParams, kind: str = "") -> Structure:
    """Return a particle of one metal cut from a stack of close-packed layers.

    Parameters
    ----------
    sequence : str
        Stack along z, such as ``ABCABACBA``; its middle layer passes through the origin. Layers beyond the form are
        cut off. Empty for an fcc stack that is high enough.
    params : CrystalParams
        Material, size and form. The form has the cubic axes of an fcc crystal that stacks A, B, C; where layers stack
        the other way its mirror image is taken, so that a twin has re-entrant edges as it should.
    kind : str
        Word for the particle; made from the stack where it is empty.
    """
    bond_angstrom = params.lattice_angstrom / np.sqrt(2)
    sequence = sequence or _cycle(_n_layers(params) | 1)
    stack = _stack(sequence, bond_angstrom, np.sqrt(2 / 3) * bond_angstrom, params.diameter_angstrom / 2)
    steps = stacking_steps(sequence)
    sense = np.append(steps, steps[-1])[stack.layer]
    cubic = np.where(sense[:, None] > 0, stack.points, stack.points @ HALF_TURN) @ CUBIC_AXES
    inside = inside_shape(cubic, params.shape, params.diameter_angstrom / 2)
    species = np.full(len(stack.points), params.symbol)
    structure = _structure(stack, species, kind or _kind(stack.labels), bond_angstrom)
    return structure.taken(inside)


def compound_particle(sequence: str, params: CompoundParams) -> Structure:
    """Return a wurtzite, zincblende or mixed particle: ``ABAB``... is wurtzite, ``ABCABC``... zincblende.

    The stack is repeated up to the particle's length where it is shorter and two-fold or three-fold periodic; a fault
    is planted by writing the whole stack, as in `sequence_of`. The polar axis points along z: a cation has one of its
    four anions straight above it.
    """
    spacing_angstrom = np.sqrt(2 / 3) * params.bond_angstrom
    n_layers = int(params.length_angstrom / spacing_angstrom) + 1
    sequence = (sequence * (n_layers // len(sequence) + 1))[:n_layers] if sequence in ("AB", "ABC") else sequence
    stack = _stack(sequence, params.bond_angstrom, spacing_angstrom, params.diameter_angstrom / 2)
    # The anion stands above the cation of its own layer, in the middle of the tetrahedron with three of the next one.
    offset_angstrom = np.array([0, 0, 0.75 * spacing_angstrom])
    cations = _structure(stack, np.full(len(stack.points), params.cation), _kind(stack.labels), params.bond_angstrom)
    anions = _structure(stack, np.full(len(stack.points), params.anion), _kind(stack.labels), params.bond_angstrom)
    both = _joined(cations, anions.moved(anions.positions_angstrom + offset_angstrom)).centred()
    return both.taken(_inside_compound(both.positions_angstrom, params))


def _inside_compound(points: Positions, params: CompoundParams) -> np.ndarray:
    half_width, half_length = params.diameter_angstrom / 2, params.length_angstrom / 2
    if params.shape == "prism":
        return inside_hexagon(points[:, :2], half_width) & (np.abs(points[:, 2]) <= half_length)
    scaled: Float[np.ndarray, "atom 3"] = points / [half_width, half_width, half_length]
    return np.linalg.norm(scaled, axis=1) <= 1


def _joined(first: Structure, second: Structure) -> Structure:
    return Structure(
        species=np.concatenate([first.species, second.species]),
        positions_angstrom=np.concatenate([first.positions_angstrom, second.positions_angstrom]),
        grain=np.concatenate([first.grain, second.grain]),
        layer_kind=np.concatenate([first.layer_kind, second.layer_kind]),
        defect=np.concatenate([first.defect, second.defect]),
        frames=first.frames,
        kind=first.kind,
        bond_angstrom=first.bond_angstrom,
    )


def _structure(stack: _Stack, species: np.ndarray, kind: str, bond_angstrom: float) -> Structure:
    return Structure(
        species=species,
        positions_angstrom=stack.points,
        grain=stack.labels.grain[stack.layer],
        layer_kind=stack.labels.kind[stack.layer],
        defect=stack.labels.defect[stack.layer],
        frames=np.array([FRAME if sense > 0 else HALF_TURN for sense in stack.labels.sense]),
        kind=kind,
        bond_angstrom=float(bond_angstrom),
    )


def _stack(sequence: str, bond_angstrom: float, spacing_angstrom: float, radius_angstrom: float) -> _Stack:
    n_rows = int(radius_angstrom / bond_angstrom * 2 / np.sqrt(3)) + 3
    along, across = (grid.ravel() for grid in np.mgrid[-n_rows : n_rows + 1, -n_rows : n_rows + 1])
    flat = np.column_stack([along + across / 2, across * np.sqrt(3) / 2, np.zeros(len(along))]) * bond_angstrom
    flat = flat[np.linalg.norm(flat, axis=1) <= radius_angstrom + 2 * bond_angstrom]
    middle = (len(sequence) - 1) // 2
    letters = np.array(["ABC".index(letter) for letter in sequence])
    shifts = (letters - letters[middle] + 1) % 3 - 1
    heights = (np.arange(len(sequence)) - middle) * spacing_angstrom
    origins = np.column_stack([np.zeros(len(sequence)), shifts * bond_angstrom / np.sqrt(3), heights])
    points = (origins[:, None] + flat).reshape(-1, 3)
    return _Stack(points=points, layer=np.repeat(np.arange(len(sequence)), len(flat)), labels=label_layers(sequence))


def _kind(labels: Layers) -> str:
    if set(labels.defect.tolist()) != {"none"}:
        return "faulted"
    return "wurtzite" if set(labels.kind.tolist()) == {"hcp"} else "single_crystal"


def _n_layers(params: CrystalParams) -> int:
    return int(params.diameter_angstrom / (params.lattice_angstrom / np.sqrt(3))) + 2


def _cycle(n_layers: int, start: int = 0) -> str:
    return "".join("ABC"[(start + at) % 3] for at in range(n_layers))
