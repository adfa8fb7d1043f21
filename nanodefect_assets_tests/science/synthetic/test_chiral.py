import numpy as np
import pytest

from nanodefect_assets.science.synthetic.chiral import (
    _as_seen,
    _draw_particle,
    as_synthesised_crops,
    chiral_field,
    chiral_polyhedron,
    ideal_crops,
)
from nanodefect_assets.science.synthetic.chiral_params import (
    AsSynthesisedParams,
    ChiralFieldParams,
    ChiralParticleParams,
)
from nanodefect_assets.science.synthetic.polyhedra import Canvas, corners_of

SMALL = ChiralParticleParams(n_px=48, length_px=38)


def body(**changes):
    return chiral_polyhedron(**({"aspect": 1.75, "twist_deg": 40, "chiral_facet": 0.6, "is_right": True} | changes))


def same_points(first, second):
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    return distances.min(axis=0).max() < 1e-6 and distances.min(axis=1).max() < 1e-6


def turned(corners, axis, degrees):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = {"y": [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], "x": [[1, 0, 0], [0, cos, -sin], [0, sin, cos]]}[axis]
    return corners @ np.array(matrix).T


def fits_by_turning(corners, others):
    """Whether some turn about the axis, with or without the ends exchanged, lays one body on the other."""
    turns = np.arange(0, 120, 0.5)
    return any(
        same_points(turned(turned(corners, "x", half), "y", turn), others) for half in (0, 180) for turn in turns
    )


def test_a_particle_has_the_symmetry_of_tellurium():
    corners = corners_of(body())

    assert same_points(corners, turned(corners, "y", 120))
    assert any(same_points(corners, turned(turned(corners, "y", turn), "x", 180)) for turn in np.arange(0, 120, 0.5))


def test_the_two_hands_are_mirror_images_that_no_turn_brings_together():
    right, left = corners_of(body()), corners_of(body(is_right=False))

    assert same_points(right * [-1, 1, 1], left)
    assert fits_by_turning(right, right)
    assert not fits_by_turning(right, left)


@pytest.mark.parametrize("changes", [{"twist_deg": 60.0}, {"chiral_facet": 0.0}])
def test_without_twist_or_facets_there_is_no_hand(changes):
    assert fits_by_turning(corners_of(body(**changes)), corners_of(body(**changes, is_right=False)))


@pytest.mark.parametrize("aspect", [1.4, 2.2])
def test_the_body_has_the_aspect_asked_for(aspect):
    corners = corners_of(body(aspect=aspect, chiral_facet=0.0))

    assert np.abs(corners[:, 1]).max() == pytest.approx(1)
    assert np.hypot(corners[:, 0], corners[:, 2]).max() == pytest.approx(1 / aspect)


def test_crops_are_dark_outside_and_follow_from_the_seed():
    first, again = (ideal_crops(4, SMALL, rng=np.random.default_rng(3)) for _ in range(2))

    np.testing.assert_array_equal(first.images, again.images)
    assert first.images.shape == (4, 48, 48)
    assert (first.images[:, [0, -1]] == 0).all()
    assert 0.1 < np.mean(first.images > 0) < 0.6
    assert first.is_right.all()


def test_the_minority_is_as_frequent_as_planted_and_smaller(rng):
    crops = as_synthesised_crops(100, SMALL, AsSynthesisedParams(), rng=rng)
    areas = np.sum(crops.images > 0, axis=(1, 2))

    assert np.sum(~crops.is_right) == 22
    assert np.median(areas[~crops.is_right]) / np.median(areas[crops.is_right]) == pytest.approx(0.64, abs=0.1)


@pytest.mark.parametrize(("is_right", "facet"), [(True, 0.8), (False, 0.4)])
def test_the_minority_alone_has_smaller_facets(is_right, facet):
    """Facets of 0.8, half of it for the left-handed, against those that all have; else the same particle."""

    def planes(chiral_facet, left_facet):
        params = ChiralParticleParams(chiral_facet=chiral_facet, chiral_facet_spread=0)
        population = AsSynthesisedParams(left_facet=left_facet)
        return _draw_particle(is_right, params, population, np.random.default_rng(3), upright=True)

    np.testing.assert_array_equal(planes(0.8, left_facet=0.5), planes(facet, left_facet=1))


def test_a_field_has_touching_particles_with_labels_and_hands(rng):
    field = chiral_field(
        ChiralFieldParams(n_rows=160, n_cols=200, n_particles=30), SMALL, AsSynthesisedParams(), rng=rng
    )
    labels, counts = field.labelled.labels, field.labelled.micrograph.counts

    assert counts.shape == (160, 200)
    assert field.labelled.micrograph.is_simulated
    assert len(field.is_right) == 30
    assert labels.max() <= 30
    assert counts[labels > 0].mean() > 3 * counts[labels == 0].mean()
    beside = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
    assert beside.sum() > 50


def test_images_of_both_hands_in_equal_numbers_lean_to_no_side():
    """Else a network tells an image from its mirror by its outline, and learns wrong labels by heart."""
    population = AsSynthesisedParams(left_fraction=0.5, left_length=1, left_facet=1)
    particles = ChiralParticleParams().in_crops_of(32)

    images = as_synthesised_crops(150, particles, population, rng=np.random.default_rng(1)).images

    inside = images > 0
    offsets = np.arange(32) - 31 / 2
    for off in (inside * offsets, inside * offsets[:, None]):
        centres = off.sum(axis=(1, 2)) / inside.sum(axis=(1, 2))
        assert abs(centres.mean()) < 4 * centres.std() / np.sqrt(len(centres))
    ends = [np.flatnonzero(row) for image in inside for row in image if row.sum() > 4]
    values = [row for image, mask in zip(images, inside, strict=True) for row in image[mask.sum(axis=1) > 4]]
    excess = np.array([row[end[0]] - row[end[-1]] for row, end in zip(values, ends, strict=True)])
    assert abs(excess.mean()) < 0.05 * images[inside].mean()


def test_a_pixel_belongs_to_a_particle_where_half_of_its_rays_met_one():
    labels = np.array([[1, 0, 0, 2], [0, 0, 2, 0], [3, 3, 0, 0], [4, 3, 0, 0]])
    canvas = Canvas.blank(4, 4, 0.0)
    canvas.labels[:] = labels
    canvas.intensity[:] = np.arange(16).reshape(4, 4)

    found, intensity = _as_seen(canvas)

    assert found.tolist() == [[0, 2], [3, 0]]
    assert intensity.tolist() == [[2.5, 4.5], [10.5, 12.5]]
