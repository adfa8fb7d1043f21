"""Free parameters of atoms' order, grains and defects."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class OrderParams(BaseModel):
    """Free parameters of `classify_order`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoff_angstrom: float | None = Field(
        default=None, gt=0, description="Neighbours are nearer than this. None: first minimum of the distribution."
    )
    bond_angstrom: float | None = Field(
        default=None, gt=0, description="Edge of the templates; half of it is d_max. None: mean distance of neighbours."
    )
    min_coordination: int = Field(
        default=10, ge=0, le=12, description="Atoms with fewer neighbours are surface or disordered."
    )
    min_score: float = Field(default=8.0, ge=0, le=12, description="Atoms that no template fits better are disordered.")
    ambiguous_margin: float = Field(
        default=0.1, ge=0, le=12, description="Atoms whose fcc and hcp scores differ by less than this are ambiguous."
    )
    search: Literal["pairs", "exhaustive"] = Field(
        default="pairs",
        description="Orientations tried. pairs: those that lay two neighbours onto two vertices; exhaustive: 1,026 "
        "directions with 5 angles each, as published, which is many times slower.",
    )
    fits_translation: bool = Field(
        default=True, description="Whether the template may also shift: positions of the middle atom have errors too."
    )

    @classmethod
    def thesis(cls) -> Self:
        """Return the published settings, for the particle with bonds of 2.93 angstrom."""
        return cls(cutoff_angstrom=3.75, bond_angstrom=2.93, ambiguous_margin=0.0, search="exhaustive")


class GrainParams(BaseModel):
    """Free parameters of `find_grains`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_turn_deg: float = Field(
        default=12.0, gt=0, lt=30, description="Neighbours of one grain differ by less than this in orientation."
    )
    max_tilt_deg: float = Field(
        default=20.0, gt=0, lt=35, description="Atoms of one hcp layer differ by less than this in their normals."
    )
    min_grain_atoms: int = Field(default=10, ge=1, description="Smaller groups of fcc atoms are no grain.")
    min_plane_atoms: int = Field(default=7, ge=3, description="Smaller groups of hcp atoms are no layer.")
