"""What geometry lets a microscope see of a particle: its zone axis, and whether its planar faults show.

A fault shows where its plane stands edge on and atoms line up in columns that it shifts: wurtzite basal faults along
<11-20>, fcc ones along <110>, each within a small tilt. Along [0001] there are columns and no fault to see.
"""

from dataclasses import dataclass
from itertools import combinations, permutations, product
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.layered import CUBIC_AXES

_Directions = Float[np.ndarray, "direction 3"]

PLANAR_FAULTS = ("twin", "intrinsic", "extrinsic", "hcp", "fcc", "rhcp")
"""Defects of a `Structure` that are planes across the particle."""

_SAME_PLANE_DEG = 3.0
"""Grains of a decahedron share their {111} planes up to its misfit: 7.4 degrees over five boundaries."""


@dataclass(frozen=True, kw_only=True)
class SeenCrystal:
    """How a particle lies under the beam.

    Attributes
    ----------
    lattice : str
        ``cubic`` (fcc, zincblende) or ``hexagonal`` (hcp, wurtzite), after most of its atoms.
    zone : str
        Low-index direction nearest to the beam, of all grains, such as ``<110>`` or ``<11-20>``.
    misorientation_deg : float
        Angle between the two.
    faults : tuple of str
        Planar faults that it has, of `PLANAR_FAULTS`.
    fault_tilt_deg : float
        Angle between the beam and the nearest close-packed row in a plane of a fault; 90 where there is none.
    """

    lattice: Literal["cubic", "hexagonal"]
    zone: str
    misorientation_deg: float
    faults: tuple[str, ...]
    fault_tilt_deg: float

    def shows_fault(self, within_deg: float) -> bool:
        """Whether a fault shows, if tilts up to `within_deg` do no harm."""
        return bool(self.faults) and self.fault_tilt_deg <= within_deg

    def shows_columns(self, within_deg: float) -> bool:
        """Whether columns of atoms show."""
        return self.misorientation_deg <= within_deg


def see_crystal(structure: Structure) -> SeenCrystal:
    """Return how a particle lies under a beam along z."""
    lattice = "hexagonal" if np.mean(structure.layer_kind == "hcp") > 0.5 else "cubic"
    zones = _CUBIC_ZONES if lattice == "cubic" else _HEXAGONAL_ZONES
    beams = structure.frames[:, :, 2]  # z, in the frame of each grain
    tilts_deg = {name: float(_angles_deg(beams, directions).min()) for name, directions in zones.items()}
    zone = min(tilts_deg, key=lambda name: tilts_deg[name])
    faults = tuple(name for name in PLANAR_FAULTS if np.any(structure.defect == name))
    rows = _rows_in_faults(structure, lattice) if faults else np.empty((0, 3))
    return SeenCrystal(
        lattice=lattice,
        zone=zone,
        misorientation_deg=tilts_deg[zone],
        faults=faults,
        fault_tilt_deg=float(_angles_deg(np.array([[0.0, 0.0, 1.0]]), rows).min(initial=90.0)),
    )


def low_index_zones(lattice: Literal["cubic", "hexagonal"]) -> dict[str, _Directions]:
    """Return the unit vectors of each family of zone axes, in the frame of a grain."""
    return dict(_CUBIC_ZONES if lattice == "cubic" else _HEXAGONAL_ZONES)


def _angles_deg(
    first: Float[np.ndarray, "first 3"], second: Float[np.ndarray, "second 3"]
) -> Float[np.ndarray, "first second"]:
    """Return the angles between lines along unit vectors."""
    return np.rad2deg(np.arccos(np.clip(np.abs(first @ second.T), 0, 1)))


def _rows_in_faults(structure: Structure, lattice: Literal["cubic", "hexagonal"]) -> _Directions:
    """Return the close-packed rows that lie in planes of faults, as unit vectors of the sample."""
    normals = _fault_normals(structure)
    name = "<110>" if lattice == "cubic" else "<11-20>"
    rows = np.concatenate([low_index_zones(lattice)[name] @ frame for frame in structure.frames])
    in_plane = (90 - _angles_deg(rows, normals)).min(axis=1, initial=90) < _SAME_PLANE_DEG
    return rows[in_plane]


def _fault_normals(structure: Structure) -> _Directions:
    """Return normals of fault planes: the stacking direction; between grains turned otherwise, {111} planes they share.

    Particles stacked of layers have grains that all stack along one line.
    """
    stacking = structure.frames[:, 2]
    if _angles_deg(stacking, stacking[:1]).max() < _SAME_PLANE_DEG:
        return stacking[:1]
    planes = [_CUBIC_ZONES["<111>"] @ frame for frame in structure.frames]
    shared = [
        first[_angles_deg(first, second).min(axis=1) < _SAME_PLANE_DEG] for first, second in combinations(planes, 2)
    ]
    return np.concatenate([np.empty((0, 3)), *shared])


def _family(*indices: int) -> _Directions:
    """Return the cubic directions of a family, one of each opposite pair, in the frame of a grain."""
    signed = {
        tuple(sign * index for sign, index in zip(signs, order, strict=True))
        for order in permutations(indices)
        for signs in product((1, -1), repeat=3)
    }
    halves = np.array(sorted(vector for vector in signed if vector > (0, 0, 0)), dtype=float)
    return halves / np.linalg.norm(halves, axis=1, keepdims=True) @ CUBIC_AXES.T


def _basal(first_deg: float) -> _Directions:
    angles = np.deg2rad(first_deg + 60 * np.arange(3))
    return np.column_stack([np.cos(angles), np.sin(angles), np.zeros(3)])


_CUBIC_ZONES = {
    "<100>": _family(1, 0, 0),
    "<110>": _family(1, 1, 0),
    "<111>": _family(1, 1, 1),
    "<112>": _family(1, 1, 2),
}
_HEXAGONAL_ZONES = {"[0001]": np.array([[0.0, 0.0, 1.0]]), "<11-20>": _basal(0.0), "<10-10>": _basal(30.0)}
