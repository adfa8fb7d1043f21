import numpy as np
import pytest

from nanodefect_assets.domain.atom_order import AtomOrder, BondLength, Sublattices
from nanodefect_assets.domain.grain_map import Dislocation, GrainMap
from nanodefect_assets.domain.schemas import DISLOCATIONS
from nanodefect_assets.stores.atom_orders import dislocation_rows, order_rows

IS_ANION = np.array([False, True, True])


def order(sublattices=None):
    return AtomOrder(
        positions_angstrom=np.zeros((3, 3)),
        order=np.array(["fcc", "hcp", "surface"]),
        scores=np.zeros((3, 4)),
        rotations=np.tile(np.eye(3), (3, 1, 1)),
        coordination=np.full(3, 12),
        is_exposed=np.zeros(3, dtype=bool),
        bond=BondLength(peak_angstrom=2.8, mean_angstrom=2.8, spread_angstrom=0.1, cutoff_angstrom=3.4),
        sublattices=sublattices,
    )


def with_dislocation(burgers_half):
    found = Dislocation(
        grain=0,
        burgers_half=burgers_half,
        burgers_angstrom=np.array([2.0, -2.0, 0.0]),
        point_angstrom=np.array([1.0, 2.0, 3.0]),
        direction=np.array([0.0, 0.0, 1.0]),
        angle_deg=90.0,
        n_bonds=40,
    )
    nothing = np.full(3, -1)
    return GrainMap(
        grain=nothing, plane=nothing, defect=np.full(3, "none"), grains=(), planes=(), axes=(), dislocations=(found,)
    )


@pytest.mark.parametrize(
    ("burgers_half", "written"), [((1, -1, 0), "1/2 [1-10]"), ((1, 0, 1), "1/2 [101]"), ((2, 0, 0), "[100]")]
)
def test_burgers_vectors_are_written_in_the_grains_cubic_axes(burgers_half, written):
    (row,) = dislocation_rows("p", with_dislocation(burgers_half))

    assert row["burgers"] == written
    assert (row["burgers_x_angstrom"], row["centre_z_angstrom"], row["line_z"]) == (2.0, 3.0, 1.0)
    assert set(row) == set(DISLOCATIONS.names)


def test_atoms_of_a_compound_say_which_lattice_they_are_of():
    compound = Sublattices(is_anion=IS_ANION, n_unlike=4, unlike_share=1.0)

    assert order_rows("p", order(compound))["sublattice"].tolist() == ["cation", "anion", "anion"]
    assert order_rows("p", order())["sublattice"].isna().all()
