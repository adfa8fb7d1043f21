"""The way from counts to particles by a network, with stand-ins for the network whose answers are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.micrograph import Micrograph
from nanodefect_assets.science.hrtem.gate import describe_all, fit_gate
from nanodefect_assets.science.hrtem.network import known_scale, prepare_image, segment_by_network
from nanodefect_assets.science.hrtem.params import NetworkParams, SegmentationParams

AS_IT_IS = Recipe(name="min_max", params={"median_px": 1})
RANGE = (0.02, 0.08)
SMALL = NetworkParams(tile_px=128, overlap_px=32)
KEEP_ALL = SegmentationParams(min_diameter_px=0, min_diameter_nm=0)


def micrograph(counts, pixel_size_nm=None):
    counts = counts.astype(np.float32)
    return Micrograph(micrograph_id="b/end/a.tif", counts=counts, pixel_size_nm=pixel_size_nm, modality="hrtem")


def discs(*discs_at, shape=(160, 200)):
    """Return an image of discs, given as (row, column, radius), 1 inside and 0 outside."""
    rows, cols = np.indices(shape)
    found = np.zeros(shape, dtype=np.float32)
    for row, col, radius in discs_at:
        found[np.hypot(rows - row, cols - col) <= radius] = 1
    return found


def read_off(tiles):
    """Stand for a network that takes the image itself for the probability of particle."""
    return np.stack([1 - tiles, tiles], axis=1)


def segmented(image, *, shape=None, predicts=(read_off,), params=SMALL, segmentation=KEEP_ALL, pixel_size_nm=None):
    return segment_by_network(image, shape or image.shape, predicts, params, segmentation, pixel_size_nm=pixel_size_nm)


@pytest.mark.parametrize(("size_nm", "factor"), [(0.01, 0.5), (0.02, 1), (0.05, 1), (0.2, 1)])
def test_finer_pixels_than_those_of_the_training_are_binned_to_its_finest_and_none_is_parted(size_nm, factor):
    assert known_scale(micrograph(np.eye(8), size_nm), AS_IT_IS, RANGE, None) == pytest.approx(factor)
    assert known_scale(micrograph(np.eye(8), size_nm), AS_IT_IS, None, None) == 1


def texture(seed, edge=256, times=1):
    """Return noise without detail below three pixels; `times` as large, as if sampled more finely."""
    fine = gaussian_filter(np.random.default_rng(seed).normal(size=(edge, edge)), 3.0, mode="wrap")
    return zoom(fine, times, order=3) + np.random.default_rng([seed, 1]).normal(0, 0.002, (edge * times, edge * times))


def test_an_unknown_scale_is_the_one_at_which_the_image_looks_most_like_the_training():
    prepared = [prepare_image(micrograph(texture(seed)), AS_IT_IS) for seed in range(12)]
    reference = fit_gate(describe_all(prepared))
    found = [known_scale(micrograph(texture(99, times=times)), AS_IT_IS, RANGE, reference) for times in (1, 2)]

    assert found == [1, 0.5]
    assert known_scale(micrograph(texture(99, times=2)), AS_IT_IS, RANGE, None) == 1


def test_an_image_is_brought_to_the_common_scale_of_the_model_and_then_to_one_that_it_knows():
    recipe = AS_IT_IS.model_copy(update={"params": AS_IT_IS.params | {"common_pixel_size_nm": 0.1}})
    image = prepare_image(micrograph(discs((80, 100, 30)) * 50 + 7, 0.05), recipe, factor=0.5)

    assert image.shape == (40, 50)
    assert (image.min(), image.max()) == (0, 1)
    assert image.sum() == pytest.approx(np.pi * 7.5**2, rel=0.05)


def test_particles_come_back_on_the_grid_of_the_micrograph():
    planted = discs((50, 50, 20), (100, 150, 30))
    halved = planted.reshape(80, 2, 100, 2).mean(axis=(1, 3))
    found = segmented(halved, shape=planted.shape)

    assert found.labels.shape == found.p_particle.shape == planted.shape
    assert found.labels[50, 50] == 1
    assert found.labels[100, 150] == 2
    assert (found.labels > 0).sum() == pytest.approx(planted.sum(), rel=0.03)


def test_holes_are_filled_specks_dropped_and_touching_particles_parted():
    image = discs((60, 50, 25), (60, 95, 25), (20, 160, 2))
    image[58:62, 48:52] = 0.1
    size_nm = 0.1
    found = segmented(
        image, segmentation=SegmentationParams(min_diameter_px=8, min_diameter_nm=1), pixel_size_nm=size_nm
    )

    assert found.labels.max() == 2
    assert found.labels[60, 50] == found.labels[60, 40]
    assert found.labels[60, 50] != found.labels[60, 95]
    assert found.labels[20, 160] == 0
    np.testing.assert_allclose(found.p_particle, image, atol=1e-6)


def test_uncertainty_is_that_of_the_answers():
    image = discs((60, 50, 25))

    def undecided(tiles):
        return np.full((len(tiles), 2, *tiles.shape[1:]), 0.5, np.float32)

    def by_row(tiles):
        p = np.broadcast_to(np.linspace(0, 1, tiles.shape[1], dtype=np.float32)[:, None], tiles.shape)
        return np.stack([1 - p, p], axis=1)

    assert segmented(image).mean_entropy == pytest.approx(0, abs=1e-6)
    assert segmented(image, predicts=(undecided,)).mean_entropy == pytest.approx(1)
    assert not segmented(image, predicts=(by_row,)).spread.any()
    turned = segmented(image, predicts=(by_row,), params=SMALL.model_copy(update={"n_transforms": 8}))
    assert turned.spread.max() > 0.2
    np.testing.assert_allclose(turned.p_particle[:128, :128][64, 64], 0.5, atol=0.05)
