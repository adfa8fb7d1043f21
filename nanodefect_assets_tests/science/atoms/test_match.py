import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nanodefect_assets.domain.atom_order import TEMPLATES
from nanodefect_assets.science.atoms.match import match_template
from nanodefect_assets.science.atoms.templates import all_orientations, pair_frames, template


def match(shells, name, *, exhaustive=False, translates=True, n_found=None):
    orientations = all_orientations() if exhaustive else pair_frames(name)
    counts = np.full(len(shells), 12) if n_found is None else n_found
    return match_template(shells, counts, template(name), orientations, translates=translates, exhaustive=exhaustive)


def noisy_shells(name, n_shells, rms, rng):
    turns = Rotation.random(n_shells, rng=rng).as_matrix()
    return np.einsum("nab,vb->nva", turns, template(name)) + rng.normal(scale=rms, size=(n_shells, 12, 3))


def equation_2_1(shell, name, rotation):
    distances = np.linalg.norm((template(name) @ rotation.T)[:, None] - shell, axis=2)
    return np.maximum(1 - distances.min(axis=1) / 0.5, 0).sum()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_perfect_shell_scores_twelve_in_any_orientation(name, rng):
    scores, rotations = match(noisy_shells(name, 50, 0.0, rng), name)

    assert scores == pytest.approx(12, abs=1e-3)
    assert np.linalg.det(rotations) == pytest.approx(1)


@pytest.mark.parametrize(("shell", "name"), [("fcc", "hcp"), ("hcp", "fcc")])
def test_fcc_and_hcp_share_nine_vertices(shell, name, rng):
    scores, _ = match(noisy_shells(shell, 50, 0.0, rng), name, translates=False)

    assert scores == pytest.approx(9, abs=1e-3)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_score_is_equation_2_1_at_the_rotation_returned(name, rng):
    shells = noisy_shells(name, 20, 0.08, rng)
    scores, rotations = match(shells, name, translates=False)

    assert scores == pytest.approx([equation_2_1(*pair) for pair in zip(shells, [name] * 20, rotations, strict=True)])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), rms=st.floats(0, 0.1))
def test_scores_do_not_depend_on_orientation_or_order_of_neighbours(seed, rms):
    rng = np.random.default_rng(seed)
    shells = noisy_shells("hcp", 10, rms, rng)
    turned = shells @ Rotation.random(rng=rng).as_matrix().T
    scores, _ = match(shells, "hcp")

    assert match(turned, "hcp")[0] == pytest.approx(scores, abs=0.02)
    assert match(shells[:, rng.permutation(12)], "hcp")[0] == pytest.approx(scores, abs=0.25)


@pytest.mark.parametrize("rms", [0.03, 0.08, 0.12])
@pytest.mark.parametrize("name", ["fcc", "hcp"])
def test_scores_are_those_of_the_exhaustive_search(name, rms, rng):
    """All 5,130 orientations and ICP find nothing better by more than 0.1 of 12, and the same nearly always."""
    shells = noisy_shells(name, 100, rms, rng)
    quick, slow = match(shells, name)[0], match(shells, name, exhaustive=True)[0]

    assert (quick - slow).min() > -0.1
    assert np.mean(quick > slow - 0.02) >= 0.97
    assert np.mean(np.abs(quick - slow) < 0.05) >= 0.95


def test_a_shift_of_the_middle_atom_is_forgiven(rng):
    shells = noisy_shells("fcc", 20, 0.0, rng) + rng.normal(scale=0.06, size=(20, 1, 3))

    assert match(shells, "fcc")[0] == pytest.approx(12, abs=0.05)
    assert match(shells, "fcc", translates=False)[0].mean() < 11


def test_each_missing_neighbour_costs_one(rng):
    shells = noisy_shells("fcc", 12, 0.0, rng)
    scores, _ = match(shells, "fcc", n_found=np.arange(12, 0, -1), translates=False)

    assert scores[:8] == pytest.approx(np.arange(12, 4, -1), abs=1e-2)
