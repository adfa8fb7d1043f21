import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanodefect_assets.science.crystal.layered import CUBIC_AXES
from nanodefect_assets.science.crystal.multiply_twinned import (
    decahedron,
    growing_one_by_one,
    growing_together,
    icosahedron,
)
from nanodefect_assets.science.crystal.params import DecahedronParams, IcosahedronParams


@pytest.mark.parametrize("n_shells", [2, 3, 5])
def test_icosahedra_have_their_magic_numbers(n_shells):
    particle = icosahedron(IcosahedronParams(n_shells=n_shells))

    assert len(particle) == (10 * n_shells**3 + 15 * n_shells**2 + 11 * n_shells + 3) // 3
    assert (particle.layer_kind == "centre").sum() == 1
    assert (particle.layer_kind == "axis").sum() == 12 * n_shells
    assert (particle.layer_kind == "hcp").sum() == 30 * n_shells * (n_shells - 1) // 2


@pytest.mark.parametrize("n_rows", [3, 4, 6])
def test_pentagonal_bipyramids_have_their_magic_numbers(n_rows):
    particle = decahedron(DecahedronParams(n_rows=n_rows, n_axis=n_rows))

    assert len(particle) == (5 * n_rows**3 + n_rows) // 6


def test_a_decahedron_has_five_fold_symmetry():
    particle = decahedron(DecahedronParams(notch=2))
    angle = 2 * np.pi / 5
    fifth = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

    assert cKDTree(particle.positions_angstrom).query(particle.rotated(fifth).positions_angstrom)[0].max() < 1e-9


def test_a_notch_cuts_twin_planes_only():
    plain, notched = decahedron(DecahedronParams()), decahedron(DecahedronParams(notch=2))

    assert (plain.layer_kind == "hcp").sum() > (notched.layer_kind == "hcp").sum()
    assert (plain.layer_kind == "axis").sum() == (notched.layer_kind == "axis").sum() == 12


def test_too_deep_a_notch_is_refused():
    with pytest.raises(ValueError, match="Expected a notch of half of 8 rows"):
        decahedron(DecahedronParams(n_rows=8, notch=5))


@pytest.mark.parametrize(
    "particle", [decahedron(DecahedronParams()), icosahedron(IcosahedronParams())], ids=["decahedron", "icosahedron"]
)
def test_frames_are_those_of_the_grains(particle):
    """Bonds inside a grain are <110> of its frame, but for the strain that closes the gaps."""
    for number, frame in enumerate(particle.frames):
        points = particle.positions_angstrom[particle.grain == number]
        pairs = cKDTree(points).query_pairs(1.2 * particle.bond_angstrom, output_type="ndarray")
        cubic = (points[pairs[:, 1]] - points[pairs[:, 0]]) @ frame.T @ CUBIC_AXES
        size = np.sort(np.abs(cubic), axis=1) / particle.bond_angstrom * np.sqrt(2)

        assert np.linalg.det(frame) == pytest.approx(1)
        assert size == pytest.approx(np.tile([0, 1, 1], (len(size), 1)), abs=0.12)


def test_tetrahedra_are_added_in_rows_around_the_core():
    params = IcosahedronParams(n_shells=6)
    sizes = [len(growing_one_by_one(n_added, params)) for n_added in range(16)]
    together = growing_together(0.6, params)
    counts = np.bincount(together.grain[together.grain >= 0], minlength=20)

    assert sizes == sorted(set(sizes))
    assert sizes[15] == len(icosahedron(params))
    assert set(counts[:5]) == {counts[0]}
    assert counts[0] > counts[5] > counts[10] > 0 == counts[15]
    assert len(set(counts[5:10])) == len(set(counts[10:15])) == 1
