import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.synthetic.splat import add_gaussians, add_gaussians_to_each


def splat(places, weights, shape=(40, 50), sigma_px=1.2):
    image = np.zeros(shape, dtype=np.float32)
    rows, cols = np.array(places, dtype=float).T
    add_gaussians(image, rows, cols, np.array(weights, dtype=float), sigma_px=sigma_px)
    return image


def test_one_atom_is_the_gaussian_of_the_formula():
    image = splat([(18.3, 25.8)], [3.0])
    rows, cols = np.indices(image.shape)
    expected = 3 / (2 * np.pi * 1.2**2) * np.exp(-((rows - 18.3) ** 2 + (cols - 25.8) ** 2) / (2 * 1.2**2))

    np.testing.assert_allclose(image, expected, atol=1e-5)


@given(row=st.floats(15, 25), col=st.floats(15, 35), weight=st.floats(0.1, 100), sigma_px=st.floats(0.9, 2))
def test_mass_and_place_are_kept(row, col, weight, sigma_px):
    image = splat([(row, col)], [weight], sigma_px=sigma_px).astype(float)
    rows, cols = np.indices(image.shape)

    assert image.sum() == pytest.approx(weight, rel=1e-5)
    assert (image * rows).sum() / image.sum() == pytest.approx(row, abs=1e-3)
    assert (image * cols).sum() / image.sum() == pytest.approx(col, abs=1e-3)


def test_atoms_add_up():
    places = [(10.0, 12.0), (11.5, 12.5)]

    np.testing.assert_allclose(
        splat(places, [1.0, 2.0]), splat(places[:1], [1.0]) + splat(places[1:], [2.0]), atol=1e-6
    )


@pytest.mark.parametrize(("place", "share"), [((0.0, 25.0), 0.66), ((-0.5, 25.0), 0.5), ((-30.0, 25.0), 0.0)])
def test_what_lies_outside_is_cut(place, share):
    assert splat([place], [1.0]).sum() == pytest.approx(share, abs=0.01)


def test_views_in_parallel_are_those_one_by_one(rng):
    rows, cols, weights = rng.uniform(0, 30, (3, 20)), rng.uniform(0, 30, (3, 20)), rng.random(20)
    images = np.zeros((3, 30, 30), dtype=np.float32)

    add_gaussians_to_each(images, rows, cols, weights, sigma_px=1.0)

    for image, places in zip(images, np.stack([rows, cols], axis=-1), strict=True):
        np.testing.assert_array_equal(image, splat(places, weights, (30, 30), 1.0))


def test_gaussians_finer_than_the_grid_are_refused():
    with pytest.raises(ValueError, match=r"at least 0\.3 px"):
        splat([(1.0, 1.0)], [1.0], sigma_px=0.2)


def test_images_of_other_types_are_refused():
    with pytest.raises(ValueError, match="float32"):
        add_gaussians(np.zeros((4, 4)), np.zeros(1), np.zeros(1), np.ones(1), sigma_px=1.0)
