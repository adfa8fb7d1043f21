"""Coordinates dropped in a folder become labelled atoms, grains and a reading of the particle."""

import re

import pytest
from ase import Atoms
from ase.io import write
from scipy.io import loadmat

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import (
    compound_particle,
    faulted_particle,
    fcc_particle,
    sequence_of,
    twinned_particle,
)
from nanodefect_assets.science.crystal.multiply_twinned import decahedron, growing_together, icosahedron
from nanodefect_assets.science.crystal.params import (
    CompoundParams,
    CrystalParams,
    DecahedronParams,
    DisturbanceParams,
    IcosahedronParams,
)
from nanodefect_assets.stores.atoms import read_labelled_atoms
from nanodefect_assets.stores.simulated import write_coordinates
from nanodefect_assets.stores.warehouse import run_query

OF_DECAHEDRON = "FROM ordered_atoms WHERE structure_id LIKE '%deca.xyz'"
READINGS = "SELECT kind, n_grains, n_twin_planes, n_five_fold_axes, is_simulated FROM particle_readings"


def rows(home, query):
    return run_query(home, query).to_pylist()


@pytest.fixture
def planted(home):
    folder = home.landing / "deca-1"
    folder.mkdir()
    structure = decahedron(DecahedronParams())
    write_coordinates(folder / "deca.xyz", structure)
    write_coordinates(folder / "cdse.xyz", compound_particle(sequence_of("hhhhhfhhhhh"), CDSE))
    spec = 'batch: deca-1\nsimulated: true\nfiles: [{path: "*.xyz", modality: coordinates}]\n'
    (folder / "batch.yaml").write_text(spec)
    return structure


@pytest.mark.slow
def test_a_planted_decahedron_and_a_faulted_wurtzite_are_read_as_what_they_are(home, planted, ingest):
    done = ingest(home, home.landing / "deca-1")

    assert done.trouble == ()
    decahedral = {"kind": "decahedron", "n_grains": 5, "n_twin_planes": 5, "n_five_fold_axes": 1, "is_simulated": True}
    assert rows(home, f"{READINGS} WHERE crystal = 'fcc'") == [decahedral]
    (counted,) = rows(home, f"SELECT count(*) AS n, count(DISTINCT grain) AS grains {OF_DECAHEDRON}")
    assert counted == {"n": len(planted), "grains": 5}
    (inner,) = rows(home, f"SELECT count(*) AS n {OF_DECAHEDRON} AND order_class = 'fcc' AND cna_class <> 'fcc'")
    assert inner["n"] < 0.05 * len(planted)
    folder = home.current_folder(AssetName(group="atoms", noun="grains"), Place(batch="deca-1", aliquot="end"))
    assert len(read_labelled_atoms(folder / "particle-001.extxyz")) == len(planted)
    assert "<canvas" in (folder / "particle-001.html").read_text()

    (compound,) = rows(
        home, "SELECT kind, n_intrinsic_faults, bond_stretch FROM particle_readings WHERE crystal = 'wurtzite'"
    )
    assert compound == {"kind": "faulted", "n_intrinsic_faults": 1, "bond_stretch": pytest.approx(0, abs=0.003)}
    (fault,) = rows(home, "SELECT value FROM evidence WHERE name = 'n_basal_i1'")
    assert fault["value"] == 1
    _assert_page_of_atoms(home)
    halves = rows(home, "SELECT sublattice, count(*) AS n FROM ordered_atoms GROUP BY ALL ORDER BY ALL")
    assert [half["sublattice"] for half in halves] == ["anion", "cation", None]
    assert halves[0]["n"] == pytest.approx(halves[1]["n"], rel=0.1)


def _assert_page_of_atoms(home):
    """A batch without images says nothing of images, and where each particle can be turned."""
    report = home.current_folder(AssetName(group="population", noun="batch_report"), Place(batch="deca-1"))
    page = (report / "report.html").read_text()
    grains = home.current_folder(AssetName(group="atoms", noun="grains"), Place(batch="deca-1", aliquot="end"))

    assert "<td>hcp</td><td>wurtzite</td>" in page or "<td>faulted</td><td>wurtzite</td>" in page
    assert str(grains.relative_to(home.root)) in page
    assert "<dt>particles</dt>" not in page
    checks = re.findall(r"<td>(hrtem/\w+)</td><td>[^<]*</td><td>([^<]*)</td>", page)
    assert {outcome for _, outcome in checks} == {"not applicable: nothing to test"}


GOLD = CrystalParams(symbol="Au", lattice_angstrom=4.078, diameter_angstrom=45.0)
PALLADIUM = CrystalParams(symbol="Pd", lattice_angstrom=3.891, diameter_angstrom=40.0)
CDSE = CompoundParams(diameter_angstrom=40.0, length_angstrom=45.0)
ROOM_TEMPERATURE = DisturbanceParams(thermal_rms_angstrom=0.08)
ROUGH_AND_STRAINED = DisturbanceParams(
    thermal_rms_angstrom=0.08, surface_rms_angstrom=0.4, surface_loss=0.2, strain=0.03, shear=0.015
)
NONE = {"n_twin_planes": 0, "n_intrinsic_faults": 0, "n_extrinsic_faults": 0, "n_five_fold_axes": 0}
SHAPES = ("sphere", "cuboctahedron", "truncated_octahedron", "octahedron", "cube")
SINGLE_CRYSTALS = {
    f"{metal.symbol}-{shape}": (fcc_particle(metal.model_copy(update={"shape": shape})), "single_crystal", "fcc", {})
    for metal in (GOLD, PALLADIUM)
    for shape in SHAPES
}
KINDS = {
    **SINGLE_CRYSTALS,
    "twinned": (twinned_particle(GOLD), "twinned", "fcc", {"n_twin_planes": 1}),
    "intrinsic": (faulted_particle("hh", GOLD), "faulted", "fcc", {"n_intrinsic_faults": 1}),
    "extrinsic": (faulted_particle("hfh", GOLD), "faulted", "fcc", {"n_extrinsic_faults": 1}),
    "decahedron": (decahedron(DecahedronParams()), "decahedron", "fcc", {"n_twin_planes": 5, "n_five_fold_axes": 1}),
    "marks": (
        decahedron(DecahedronParams(notch=2, n_rows=9)),
        "decahedron",
        "fcc",
        {"n_twin_planes": 5, "n_five_fold_axes": 1},
    ),
    "icosahedron": (
        icosahedron(IcosahedronParams()),
        "icosahedron",
        "fcc",
        {"n_twin_planes": 30, "n_five_fold_axes": 12},
    ),
    "icosahedron-small": (  # more of it are twin planes than fcc
        icosahedron(IcosahedronParams(n_shells=7)),
        "icosahedron",
        "fcc",
        {"n_twin_planes": 30, "n_five_fold_axes": 12},
    ),
    "on-the-way": (growing_together(0.6, IcosahedronParams(n_shells=9)), "on_the_way", "fcc", None),
    "wurtzite": (compound_particle("AB", CDSE), "hcp", "wurtzite", {}),
    "wurtzite-i1": (
        compound_particle(sequence_of("hhhhhhfhhhhhh"), CDSE),
        "faulted",
        "wurtzite",
        {"n_intrinsic_faults": 1},
    ),
    "zincblende": (compound_particle("ABC", CDSE), "single_crystal", "zincblende", {}),
    "zincblende-twin": (
        compound_particle(sequence_of("ffffffhffffff"), CDSE),
        "twinned",
        "zincblende",
        {"n_twin_planes": 1},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("disturbance", [ROOM_TEMPERATURE, ROUGH_AND_STRAINED], ids=["warm", "rough"])
def test_every_planted_structure_is_recognised_for_what_it_is(home, ingest, disturbance, rng):
    folder = home.landing / "planted"
    folder.mkdir()
    for name, (structure, *_) in KINDS.items():
        turned = turned_at_random(disturb(structure, disturbance, rng=rng), rng=rng)
        write_coordinates(folder / f"{name}.xyz", turned.taken(rng.permutation(len(turned))))
    spec = 'batch: planted\nsimulated: true\nfiles: [{path: "*.xyz", modality: coordinates}]\n'
    (folder / "batch.yaml").write_text(spec)

    assert ingest(home, folder).trouble == ()
    read = {row.pop("structure_id"): row for row in rows(home, "SELECT * FROM particle_readings")}
    found = {name: read[f"planted/end/{name}.xyz"] for name in KINDS}
    assert {name: (row["kind"], row["crystal"]) for name, row in found.items()} == {
        name: (kind, crystal) for name, (_, kind, crystal, _) in KINDS.items()
    }
    for name, (_, _, _, counts) in KINDS.items():
        assert counts is None or {key: found[name][key] for key in NONE} == {**NONE, **counts}, name
    basal = "SELECT structure_id, value FROM evidence WHERE name = 'n_basal_i1'"
    assert {row["structure_id"].split("/")[-1]: row["value"] for row in rows(home, basal)} == {
        "wurtzite.xyz": 0,
        "wurtzite-i1.xyz": 1,
    }
    assert rows(home, "SELECT * FROM dislocations") == []


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
