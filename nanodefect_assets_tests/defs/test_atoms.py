"""Coordinates dropped in a folder become labelled atoms, grains and a reading of the particle."""

import pytest
from ase import Atoms
from ase.io import write
from scipy.io import loadmat

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.crystal.multiply_twinned import decahedron
from nanodefect_assets.science.crystal.params import DecahedronParams
from nanodefect_assets.stores.atoms import read_labelled_atoms
from nanodefect_assets.stores.simulated import write_coordinates
from nanodefect_assets.stores.warehouse import run_query

READINGS = "SELECT kind, n_grains, n_twin_planes, n_five_fold_axes, is_simulated FROM particle_readings"


def rows(home, query):
    return run_query(home, query).to_pylist()


@pytest.fixture
def planted(home):
    folder = home.landing / "deca-1"
    folder.mkdir()
    structure = decahedron(DecahedronParams())
    write_coordinates(folder / "deca.xyz", structure)
    spec = "batch: deca-1\nsimulated: true\nfiles: [{path: deca.xyz, modality: coordinates}]\n"
    (folder / "batch.yaml").write_text(spec)
    return structure


def test_a_planted_decahedron_is_read_as_one(home, planted, ingest):
    done = ingest(home, home.landing / "deca-1")

    assert done.trouble == ()
    decahedral = {"kind": "decahedron", "n_grains": 5, "n_twin_planes": 5, "n_five_fold_axes": 1, "is_simulated": True}
    assert rows(home, READINGS) == [decahedral]
    (counted,) = rows(home, "SELECT count(*) AS n, count(DISTINCT grain) AS grains FROM ordered_atoms")
    assert counted == {"n": len(planted), "grains": 5}
    (inner,) = rows(home, "SELECT count(*) AS n FROM ordered_atoms WHERE order_class = 'fcc' AND cna_class <> 'fcc'")
    assert inner["n"] < 0.05 * len(planted)
    folder = home.current_folder(AssetName(group="atoms", noun="grains"), Place(batch="deca-1", aliquot="end"))
    assert len(read_labelled_atoms(folder / "particle-000.extxyz")) == len(planted)
    assert "<canvas" in (folder / "particle-000.html").read_text()


@pytest.mark.slow
def test_measured_coordinates_in_voxels_are_caught_at_the_door_and_read_with_their_unit(home, real_data, ingest):
    folder = home.landing / "pd-pt"
    folder.mkdir()
    (folder / "PB.xyz").write_bytes((real_data / "aet_decahedron" / "PB.xyz").read_bytes())
    (folder / "batch.yaml").write_text("batch: pd-pt\nfiles:\n  - {path: PB.xyz, modality: coordinates}\n")

    assert "angstrom apart" in "".join(ingest(home, folder).trouble)

    spec = "batch: pd-pt\nfiles:\n  - {path: PB.xyz, modality: coordinates, length_unit: 0.3434 angstrom}\n"
    (folder / "batch.yaml").write_text(spec)
    assert ingest(home, folder).trouble == ()
    decahedral = {"kind": "decahedron", "n_grains": 5, "n_twin_planes": 5, "n_five_fold_axes": 1, "is_simulated": False}
    assert rows(home, READINGS) == [decahedral]
    (way,) = rows(home, "SELECT pathway FROM particle_readings")
    assert way == {"pathway": "none"}  # a whole decahedron: nothing grows over it
    evidence = {each["name"]: each["value"] for each in rows(home, "SELECT name, value FROM evidence")}
    assert (evidence["n_tetrahedra"], evidence["n_added"], evidence["n_hcp"]) == (5, 0, 0)


@pytest.mark.slow
def test_measured_twinned_alloys_are_read_as_twinned_and_on_no_way(home, real_data, ingest):
    folder = home.landing / "alloys"
    folder.mkdir()
    for name in ("HEA1", "MEA2"):
        positions = loadmat(real_data / "aet_twinned" / f"model_{name}.mat")["model_refined"].T.astype(float)
        write(folder / f"{name}.xyz", Atoms("Ni" * len(positions), positions=positions), format="xyz")
    (folder / "batch.yaml").write_text('batch: alloys\nfiles:\n  - {path: "*.xyz", modality: coordinates}\n')

    assert ingest(home, folder).trouble == ()
    read = rows(home, "SELECT kind, pathway, n_twin_planes, n_five_fold_axes FROM particle_readings")
    assert read == [{"kind": "twinned", "pathway": "none", "n_twin_planes": 2, "n_five_fold_axes": 0}] * 2
