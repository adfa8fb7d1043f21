import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from nanodefect_assets.domain.atom_order import ORDER_CLASSES, AtomOrder, BondLength
from nanodefect_assets.domain.grain_map import GrainMap
from nanodefect_assets.stores.atoms import read_labelled_atoms, write_labelled_atoms

N = 14


@pytest.fixture
def order(rng):
    return AtomOrder(
        positions_angstrom=rng.uniform(-50, 50, size=(N, 3)),
        order=np.array(ORDER_CLASSES * 2),
        scores=rng.uniform(0, 12, size=(N, 4)),
        rotations=np.tile(np.eye(3), (N, 1, 1)),
        coordination=np.arange(N),
        is_exposed=np.zeros(N, dtype=bool),
        bond=BondLength(peak_angstrom=2.8, mean_angstrom=2.8, spread_angstrom=0.1, cutoff_angstrom=3.5),
    )


@pytest.mark.parametrize("ending", ["extxyz", "xyz"])
def test_labels_come_back_as_they_were(order, tmp_path, ending):
    grain_map = GrainMap(
        grain=np.arange(N) - 1,
        plane=np.full(N, -1),
        defect=np.array(["none", "twin"] * 7),
        grains=(),
        planes=(),
        axes=(),
    )
    path = tmp_path / f"atoms.{ending}"
    write_labelled_atoms(path, ["Pd", "Pt"] * 7, order, grain_map)
    atoms = read_labelled_atoms(path)

    assert atoms.get_chemical_symbols() == ["Pd", "Pt"] * 7
    assert atoms.positions == pytest.approx(order.positions_angstrom, abs=1e-6)
    assert atoms.arrays["order"].tolist() == order.order.tolist()
    assert atoms.arrays["hcp_score"] == pytest.approx(order.scores[:, 1], abs=1e-6)
    assert atoms.arrays["grain"].tolist() == list(range(-1, N - 1))
    assert atoms.arrays["defect"].tolist() == ["none", "twin"] * 7
    assert not atoms.pbc.any()


def test_unknown_species_are_allowed(order, tmp_path):
    write_labelled_atoms(tmp_path / "a.extxyz", ["X"] * N, order)

    assert "grain" not in read_labelled_atoms(tmp_path / "a.extxyz").arrays


@pytest.mark.parametrize(
    ("species", "message"), [(["Pd"] * 3, "for each of 14 atoms. Got 3"), (["Zz"] * N, "X where not known")]
)
def test_species_that_do_not_fit_are_refused(order, tmp_path, species, message):
    with pytest.raises(ValueError, match=message):
        write_labelled_atoms(tmp_path / "a.extxyz", species, order)

    assert list(tmp_path.iterdir()) == []


def test_atoms_without_labels_are_refused(tmp_path):
    write(tmp_path / "plain.extxyz", Atoms("Pd2", positions=[[0, 0, 0], [2.7, 0, 0]]))

    with pytest.raises(ValueError, match=r"column 'order' in plain\.extxyz"):
        read_labelled_atoms(tmp_path / "plain.extxyz")
