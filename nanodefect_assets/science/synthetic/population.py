"""Particles for simulated fields: drawn by material and size, faulted or not, and laid under the beam."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.science.crystal.layered import compound_particle, faulted_particle, fcc_particle, sequence_of
from nanodefect_assets.science.crystal.multiply_twinned import decahedron, icosahedron
from nanodefect_assets.science.crystal.params import (
    CompoundParams,
    CrystalParams,
    DecahedronParams,
    IcosahedronParams,
    Shape,
)
from nanodefect_assets.science.synthetic.dark_field import atom_brightness
from nanodefect_assets.science.synthetic.params import FieldParams, Material
from nanodefect_assets.science.synthetic.zones import low_index_zones

LATTICE_ANGSTROM = {"Au": 4.078, "Pd": 3.891}
"""Edges of the cubic cells, at room temperature."""

_SHAPES: tuple[Shape, ...] = ("sphere", "cuboctahedron", "truncated_octahedron")
_FCC_FAULTS = ("h", "hh", "hfh", "hffh", "hfffh")
"""Stacks in an fcc particle: twin plane, intrinsic and extrinsic fault, two twin lamellae."""

_CDSE_BOND_ANGSTROM = 4.30
_LONGEST_SHAPE = 1.4


def draw_particle(params: FieldParams, diameter_nm: float, *, rng: np.random.Generator) -> Structure:
    """Return one of the particles that a field is said to hold."""
    if rng.random() < params.multiply_twinned_fraction:
        return draw_multiply_twinned(params.material, diameter_nm, rng=rng)
    is_faulted = bool(rng.random() < params.faulted_fraction)
    if params.zincblende_fraction and rng.random() < params.zincblende_fraction:
        return _draw_zincblende(10 * diameter_nm, is_faulted, rng)
    return draw_structure(params.material, diameter_nm, is_faulted=is_faulted, rng=rng)


def draw_structure(material: Material, diameter_nm: float, *, is_faulted: bool, rng: np.random.Generator) -> Structure:
    """Return a particle of a material: fcc Au or Pd, or wurtzite CdSe, with planar faults near its middle if asked.

    Parameters
    ----------
    material : str
        Au, Pd or CdSe.
    diameter_nm : float
        Largest extent; for CdSe, width across the polar axis.
    is_faulted : bool
        Whether it has planar faults.
    rng : Generator
        Draws form and kind of faults.
    """
    if material == "CdSe":
        return _draw_cdse(10 * diameter_nm, is_faulted, rng)
    params = CrystalParams(
        symbol=material,
        lattice_angstrom=LATTICE_ANGSTROM[material],
        diameter_angstrom=10 * diameter_nm,
        shape=_SHAPES[rng.integers(len(_SHAPES))],
    )
    return faulted_particle(_FCC_FAULTS[rng.integers(len(_FCC_FAULTS))], params) if is_faulted else fcc_particle(params)


def draw_multiply_twinned(material: Material, diameter_nm: float, *, rng: np.random.Generator) -> Structure:
    """Return a decahedron, perhaps with the notches of Marks, or an icosahedron, of about the given largest extent."""
    lattice = {"symbol": material, "lattice_angstrom": LATTICE_ANGSTROM[material]}
    radius_bonds = 5 * diameter_nm / (LATTICE_ANGSTROM[material] / np.sqrt(2))
    if rng.random() < 0.5:
        return icosahedron(IcosahedronParams(**lattice, n_shells=max(2, round(radius_bonds))))
    n_rows = max(2, round(radius_bonds * 2 / np.sqrt(3)) + 1)
    n_axis = round(n_rows * rng.uniform(1, 1.6))
    return decahedron(
        DecahedronParams(**lattice, n_rows=n_rows, n_axis=n_axis, notch=int(rng.integers(n_rows // 3 + 1)))
    )


def _draw_cdse(diameter_angstrom: float, is_faulted: bool, rng: np.random.Generator) -> Structure:
    params = _draw_cdse_form(diameter_angstrom, rng)
    if not is_faulted:
        return compound_particle("AB", params)
    fault = "f" * int(rng.integers(1, 3))
    return _with_fault("h", fault, params, rng)


def _draw_zincblende(diameter_angstrom: float, is_faulted: bool, rng: np.random.Generator) -> Structure:
    """Return a zincblende particle; its faults are those of fcc stacks."""
    params = _draw_cdse_form(diameter_angstrom, rng)
    if not is_faulted:
        return compound_particle("ABC", params)
    return _with_fault("f", _FCC_FAULTS[rng.integers(len(_FCC_FAULTS))], params, rng)


def _draw_cdse_form(diameter_angstrom: float, rng: np.random.Generator) -> CompoundParams:
    return CompoundParams(
        bond_angstrom=_CDSE_BOND_ANGSTROM,
        diameter_angstrom=diameter_angstrom,
        length_angstrom=diameter_angstrom * rng.uniform(1, _LONGEST_SHAPE),
        shape="ellipsoid" if rng.random() < 0.5 else "prism",
    )


def _with_fault(host: str, fault: str, params: CompoundParams, rng: np.random.Generator) -> Structure:
    """Return a compound particle stacked of `host` layers with a fault near its middle."""
    n_layers = int(params.length_angstrom / (np.sqrt(2 / 3) * params.bond_angstrom)) + 1
    below = max(2, round(n_layers * rng.uniform(0.35, 0.65)))
    above = max(2, n_layers - below)
    return compound_particle(sequence_of(host * below + fault + host * above), params)


def brightness_per_nm3(material: Material, power: float) -> float:
    """Return the sum of Z^n over the atoms in a cubic nanometre of a perfect crystal."""
    if material == "CdSe":
        species, volume_nm3 = np.array(["Cd", "Se"]), (_CDSE_BOND_ANGSTROM / 10) ** 3 / np.sqrt(2)
    else:
        species, volume_nm3 = np.array([material]), (LATTICE_ANGSTROM[material] / 10) ** 3 / 4
    return float(atom_brightness(species, power).sum() / volume_nm3)


def lay_under_beam(structure: Structure, params: FieldParams, *, rng: np.random.Generator) -> Structure:
    """Return a particle turned at random, or near one of its low-index zone axes, and shaken by heat."""
    if params.edge_on_fraction and rng.random() < params.edge_on_fraction:
        rotation = _near_row(structure, params.zone_spread_deg, rng)
    elif rng.random() < params.aligned_fraction:
        rotation = _near_zone(structure, params.zone_spread_deg, rng)
    else:
        rotation = _anyhow(rng)
    turned = structure.centred().rotated(rotation)
    shaken = rng.normal(0, params.thermal_rms_angstrom, turned.positions_angstrom.shape)
    return turned.moved(turned.positions_angstrom + shaken)


def _anyhow(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    return Rotation.random(rng=rng).as_matrix()


def _near_zone(structure: Structure, spread_deg: float, rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Draw a zone axis, every family as likely, and lay it along the beam but for a small tilt."""
    is_hexagonal = np.mean(structure.layer_kind == "hcp") > 0.5
    families = list(low_index_zones("hexagonal" if is_hexagonal else "cubic").values())
    family = families[rng.integers(len(families))]
    return _near_axis(family[rng.integers(len(family))] @ structure.frames[0], spread_deg, rng)


def _near_row(structure: Structure, spread_deg: float, rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Draw a close-packed row of the layers and lay it along the beam but for a small tilt."""
    angle = np.deg2rad(60 * rng.integers(3))
    return _near_axis(np.array([np.cos(angle), np.sin(angle), 0]) @ structure.frames[0], spread_deg, rng)


def _near_axis(axis: Float[np.ndarray, " 3"], spread_deg: float, rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    to_beam, _ = Rotation.align_vectors([[0, 0, 1]], [axis])
    spin = Rotation.from_euler("z", rng.uniform(0, 360), degrees=True)
    tilt = Rotation.from_euler("xy", rng.normal(0, spread_deg, 2), degrees=True)
    return (tilt * spin * to_beam).as_matrix()
