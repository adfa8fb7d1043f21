"""Measured particles, against polyhedral template matching that others wrote."""

import numpy as np
import pytest
from scipy.io import loadmat

from nanodefect_assets.science.atoms.facets import find_facets
from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.order import classify_order
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.atoms.reading import read_particle

VOXEL_ANGSTROM = 0.3434
MAX_RMSD = 0.15


@pytest.fixture(scope="module")
def particles(real_data):
    twinned = real_data / "aet_twinned"
    return {
        "decahedron": loadmat(real_data / "aet_decahedron" / "coordinates_PB.mat")["pos"].T * VOXEL_ANGSTROM,
        "MEA2": loadmat(twinned / "model_MEA2.mat")["model_refined"].T.astype(float),
        "HEA1": loadmat(twinned / "model_HEA1.mat")["model_refined"].T.astype(float),
    }


@pytest.fixture(scope="module")
def orders(particles):
    return {name: classify_order(positions, OrderParams()) for name, positions in particles.items()}


def template_matching(positions):
    """Return Larsen's labels: 0 other, 1 fcc, 2 hcp."""
    mdapy = pytest.importorskip("mdapy", reason="the Python package mdapy is not installed")
    polars = pytest.importorskip("polars")
    shifted = positions - positions.min(axis=0) + 20
    box = mdapy.Box(np.diag(shifted.max(axis=0) + 20))
    system = mdapy.System(data=polars.DataFrame(dict(zip("xyz", shifted.T.copy(), strict=True))), box=box)
    system.cal_polyhedral_template_matching(structure="fcc-hcp-ico", rmsd_threshold=MAX_RMSD)
    labels = system.data["ptm"].to_numpy()
    return np.where(np.isin(labels, [1, 2]), labels, 0)


def labels_of(order):
    return np.select([order.order == "fcc", order.order == "hcp"], [1, 2], 0)


@pytest.mark.parametrize("name", ["decahedron", "MEA2", "HEA1"])
def test_labels_agree_with_larsens(name, particles, orders):
    theirs, ours = template_matching(particles[name]), labels_of(orders[name])
    ordered = theirs > 0

    assert np.mean(ours[ordered] == theirs[ordered]) >= 0.98
    assert np.mean(ours[theirs == 2] == 2) >= 0.95
    assert np.mean(ours[theirs == 0] == 0) >= 0.6


@pytest.mark.parametrize("name", ["MEA2", "HEA1"])
def test_labels_agree_with_published_misfits(name, orders, real_data):
    """The published misfit is smaller for the better crystal; larger misfits than 0.3 are of no crystal."""
    misfits = np.load(real_data / "aet_twinned" / "published_misfit.npz")
    fcc, hcp = misfits[f"{name}_fcc"], misfits[f"{name}_hcp"]
    ours = labels_of(orders[name])
    clear = (ours > 0) & (np.minimum(fcc, hcp) < np.median(np.minimum(fcc, hcp)))

    assert np.mean((ours == 1)[clear] == (fcc < hcp)[clear]) > 0.9


@pytest.mark.parametrize("name", ["decahedron", "MEA2"])
def test_labels_stay_under_rotation_translation_and_permutation(name, particles, orders, rng):
    quarter = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]])
    shuffle = rng.permutation(len(particles[name]))
    moved = (particles[name] @ quarter.T + 50)[shuffle]

    assert np.mean(classify_order(moved, OrderParams()).order == orders[name].order[shuffle]) >= 0.999


def test_five_tetrahedra_and_five_twin_planes_meet_in_one_axis(orders):
    order = orders["decahedron"]
    grain_map = find_grains(order, GrainParams())
    found = read_particle(order, grain_map, find_facets(order, grain_map))

    assert found.kind == "decahedron"
    assert grain_map.count_defects("twin") == 5
    assert found.evidence["n_tetrahedra"] == 5
    (axis,) = grain_map.axes
    assert axis.plane_residual_angstrom < 0.5
    assert axis.plane_angles_deg == pytest.approx([72] * 5, abs=4)
    on_axis = order.positions_angstrom[order.order == "five_fold"] - axis.point_angstrom
    assert np.median(np.linalg.norm(np.cross(on_axis, axis.direction), axis=1)) < 1.0


def test_the_bond_is_a_metals_in_angstrom(orders):
    assert 2.7 < orders["decahedron"].bond.peak_angstrom < 2.8
    assert 2.5 < orders["MEA2"].bond.peak_angstrom < 3.1


@pytest.mark.parametrize("name", ["MEA2", "HEA1"])
def test_twinned_particles_have_twin_planes_between_large_grains(name, orders):
    grain_map = find_grains(orders[name], GrainParams())
    found = read_particle(orders[name], grain_map, find_facets(orders[name], grain_map))

    assert found.kind == "twinned"
    assert min(grain.n_atoms for grain in grain_map.grains[:2]) > 200
    assert (0, 1) in grain_map.twin_pairs()
