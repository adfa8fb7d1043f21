import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.draw import polygon2mask

from nanodefect_assets.science.imaging.instances import separate_particles
from nanodefect_assets.science.imaging.params import InstanceParams

SHAPE = (96, 140)


def outline(kind, centre, radius, rng):
    """Return a mask of a disc, an ellipse or a polygon of so many corners, somewhat irregular."""
    turn = rng.uniform(0, 2 * np.pi)
    if kind in ("disc", "ellipse"):
        ratio = 1.0 if kind == "disc" else rng.uniform(0.55, 0.9)
        rows, cols = np.indices(SHAPE) - np.reshape(centre, (2, 1, 1))
        u, v = np.cos(turn) * cols + np.sin(turn) * rows, np.cos(turn) * rows - np.sin(turn) * cols
        return (u / radius) ** 2 + (v / (ratio * radius)) ** 2 <= 1
    angles = turn + np.arange(kind) * 2 * np.pi / kind + rng.uniform(-0.15, 0.15, kind)
    corners = np.stack([centre[0] + radius * np.sin(angles), centre[1] + radius * np.cos(angles)], axis=1)
    return polygon2mask(SHAPE, corners)


def seen(mask, rng, noise=0.1):
    """Return what a network makes of a mask: soft edges, uneven confidence."""
    uneven = gaussian_filter(rng.normal(size=mask.shape), 3)
    soft = gaussian_filter(mask.astype(float), 1.5)
    return np.clip(0.95 * soft + noise * uneven / uneven.std() * (soft > 0.05), 0, 1)


def touching(kind, rng):
    """Return two particles pushed together along the columns until they meet."""
    radius = rng.uniform(10, 20)
    one = outline(kind, (48, 42), radius, rng)
    other = outline(kind, (48 + rng.uniform(-5, 5), 95), radius * rng.uniform(0.6, 1.0), rng)
    for shift in range(1, 60):
        moved = np.roll(other, -shift, axis=1)
        if (moved & one).any():
            return one | moved
    raise AssertionError("never met")


@pytest.mark.parametrize("kind", ["disc", "ellipse", 3, 4, 5, 6])
def test_a_convex_particle_stays_whole(kind):
    rng = np.random.default_rng(3)
    n = [
        separate_particles(seen(outline(kind, (48, 70), rng.uniform(6, 44), rng), rng), InstanceParams()).max()
        for _ in range(40)
    ]

    assert n == [1] * 40


@pytest.mark.parametrize(("kind", "least"), [("disc", 0.9), ("ellipse", 0.7), (3, 0.75), (4, 0.7), (5, 0.8), (6, 0.85)])
def test_touching_particles_are_parted(kind, least):
    rng = np.random.default_rng(4)
    n = np.array([separate_particles(seen(touching(kind, rng), rng), InstanceParams()).max() for _ in range(40)])

    assert n.max() == 2
    assert np.mean(n == 2) >= least


@pytest.mark.parametrize(("overlap", "n_particles"), [(0.3, 2), (1.5, 1)])
def test_how_narrow_a_neck_parts_is_a_parameter(overlap, n_particles):
    rows, cols = np.indices(SHAPE)
    half = 20 * (1 - overlap / 2)
    mask = (np.hypot(rows - 48, cols - 70 - half) <= 20) | (np.hypot(rows - 48, cols - 70 + half) <= 20)

    assert separate_particles(mask.astype(float), InstanceParams()).max() == n_particles
    assert separate_particles(mask.astype(float), InstanceParams(neck_ratio=0.05)).max() == 1


@pytest.mark.parametrize(("valley_weight", "n_particles"), [(0.0, 1), (1.0, 2)])
def test_a_valley_of_probability_parts_what_the_outline_does_not(valley_weight, n_particles):
    rows, cols = np.indices(SHAPE)
    probability = ((np.abs(rows - 48) <= 14) & (np.abs(cols - 70) <= 30)).astype(float)
    probability[:, 67:74] *= 0.55

    found = separate_particles(probability, InstanceParams(valley_weight=valley_weight))

    assert found.max() == n_particles


def test_labels_cover_the_mask_and_each_is_one_piece(rng):
    probability = gaussian_filter(rng.normal(size=(300, 300)), 6)
    probability = 0.5 + probability / probability.std() / 4

    found = separate_particles(probability, InstanceParams())

    assert ((found > 0) == (probability > 0.5)).all()
    assert sorted(set(found.ravel())) == list(range(found.max() + 1))


def test_narrow_parts_follow_the_scale():
    rows, cols = np.indices(SHAPE)
    mask = (np.hypot(rows - 48, cols - 50) <= 15) | (np.hypot(rows - 48, cols - 69) <= 5)

    fine, coarse = (
        separate_particles(mask.astype(float), InstanceParams(min_width_nm=2.0), pixel_size_nm=pixel_size_nm).max()
        for pixel_size_nm in (1.0, 0.1)
    )

    assert (fine, coarse) == (2, 1)


def test_turning_the_image_turns_the_particles(rng):
    probability = seen(touching("disc", rng), rng)

    found, turned = (separate_particles(p, InstanceParams()) for p in (probability, np.rot90(probability).copy()))

    assert (turned > 0).sum() == (found > 0).sum()
    assert sorted(np.bincount(turned.ravel())) == pytest.approx(sorted(np.bincount(found.ravel())), abs=20)


def test_nothing_gives_nothing():
    assert separate_particles(np.zeros((5, 7)), InstanceParams()).max() == 0
