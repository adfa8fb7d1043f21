import numpy as np
import pytest

from nanodefect_assets.domain.atom_order import TEMPLATES
from nanodefect_assets.science.atoms.templates import all_orientations, pair_frames, symmetry, template


@pytest.mark.parametrize("name", TEMPLATES)
def test_vertices_are_a_bond_from_the_centre_and_no_less_from_one_another(name):
    vertices = template(name)
    apart = np.linalg.norm(vertices[:, None] - vertices, axis=2) + 9 * np.eye(12)

    assert vertices.shape == (12, 3)
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(1)
    assert apart.min() > 1 - 1e-9


@pytest.mark.parametrize(("name", "n_rotations"), [("fcc", 24), ("hcp", 6), ("five_fold", 10), ("icosahedral", 60)])
def test_templates_have_the_rotations_of_their_point_groups(name, n_rotations):
    rotations = symmetry(name)
    vertices = template(name)

    assert len(np.unique(np.round(rotations, 6), axis=0)) == len(rotations) == n_rotations
    for rotation in rotations:
        assert np.linalg.norm((vertices @ rotation.T)[:, None] - vertices, axis=2).min(axis=1).max() < 1e-6


def test_hcp_is_fcc_with_one_side_turned():
    shared = np.linalg.norm(template("fcc")[:, None] - template("hcp"), axis=2).min(axis=1) < 1e-9

    assert shared.sum() == 9


@pytest.mark.parametrize("name", TEMPLATES)
def test_pairs_of_all_frames_and_symmetries_are_all_pairs_of_neighbours(name):
    vertices = template(name)
    apart = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    n_ordered_pairs = ((apart > 0.5) & (apart < 1.2)).sum()

    assert len(pair_frames(name)) * len(symmetry(name)) == n_ordered_pairs


def test_published_orientations_cover_the_full_sphere_evenly():
    orientations = all_orientations()
    directions = orientations[:1026, :, 2]
    nearest = np.sort(directions @ directions.T, axis=1)[:, -2]

    assert orientations.shape == (5130, 3, 3)
    assert orientations @ orientations.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (5130, 1, 1)))
    assert directions.mean(axis=0) == pytest.approx([0, 0, 0], abs=0.01)
    assert 3 < np.rad2deg(np.arccos(nearest.max())) < np.rad2deg(np.arccos(nearest.min())) < 8
