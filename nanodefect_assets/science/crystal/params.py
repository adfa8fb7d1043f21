"""Free parameters of structures. Lengths of atoms in angstrom, sizes of particles too."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Shape = Literal["sphere", "cuboctahedron", "truncated_octahedron", "octahedron", "cube"]


class CrystalParams(BaseModel):
    """Free parameters of particles of one crystal structure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = Field(default="Au", min_length=1, max_length=2, description="Chemical symbol.")
    lattice_angstrom: float = Field(default=4.078, gt=0, description="Edge of the cubic cell.")
    diameter_angstrom: float = Field(
        default=40.0, gt=0, description="Largest extent of the particle; for shapes with facets, between corners."
    )
    shape: Shape = Field(default="truncated_octahedron", description="Form of the particle.")


class DecahedronParams(BaseModel):
    """Free parameters of `decahedron`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = Field(default="Pd", min_length=1, max_length=2, description="Chemical symbol.")
    lattice_angstrom: float = Field(default=3.891, gt=0, description="Edge of the cubic cell.")
    n_rows: int = Field(default=8, ge=2, description="Close-packed rows from the axis to a corner, the axis counted.")
    n_axis: int = Field(
        default=12, ge=2, description="Atoms on the five-fold axis; n_rows for a pentagonal bipyramid without sides."
    )
    notch: int = Field(default=0, ge=0, description="Rows cut off at each twin plane: the re-entrant edges of Marks.")


class IcosahedronParams(BaseModel):
    """Free parameters of `icosahedron` and of particles on their way to one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = Field(default="Pd", min_length=1, max_length=2, description="Chemical symbol.")
    lattice_angstrom: float = Field(default=3.891, gt=0, description="Edge of the cubic cell.")
    n_shells: int = Field(default=8, ge=2, description="Shells of atoms around the one in the centre.")


class CompoundParams(BaseModel):
    """Free parameters of particles of wurtzite and zincblende."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cation: str = Field(default="Cd", min_length=1, max_length=2, description="Chemical symbol of the cation.")
    anion: str = Field(default="Se", min_length=1, max_length=2, description="Chemical symbol of the anion.")
    bond_angstrom: float = Field(
        default=4.30,
        gt=0,
        description="Distance of neighbours of one species: a of wurtzite.",
    )
    diameter_angstrom: float = Field(default=40.0, gt=0, description="Width of the particle in the layers.")
    length_angstrom: float = Field(default=40.0, gt=0, description="Length along the stacking direction.")
    shape: Literal["ellipsoid", "prism"] = Field(default="ellipsoid", description="Form; a prism is hexagonal.")


class DisturbanceParams(BaseModel):
    """Free parameters of `disturb`: how a perfect structure is made real."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thermal_rms_angstrom: float = Field(
        default=0.08, ge=0, description="Root mean square displacement along each axis; 0.08 is Au at room temperature."
    )
    surface_rms_angstrom: float = Field(default=0.0, ge=0, description="The same, on top, for atoms of the surface.")
    surface_loss: float = Field(default=0.0, ge=0, lt=1, description="Share of the surface's atoms that are left out.")
    strain: float = Field(default=0.0, gt=-0.3, lt=0.3, description="Isotropic strain: 0.01 is 1 % larger.")
    shear: float = Field(default=0.0, gt=-0.3, lt=0.3, description="Strain +shear along x and -shear along y.")
