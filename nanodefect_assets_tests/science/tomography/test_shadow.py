"""The support that the images themselves give."""

from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.tomography.background import empty_region
from nanodefect_assets.science.tomography.params import ReconstructionParams
from nanodefect_assets.science.tomography.reconstruct import reconstruct
from nanodefect_assets.science.tomography.shadow import shadow_support

SHAPE = (64, 64, 64)


@pytest.fixture(scope="module")
def alone(series):
    """The three Gaussians with room and a faint noise beside them."""
    images = np.pad(series.images, ((0, 0), (16, 16), (16, 16)))
    noise = np.random.default_rng(0).normal(0, 0.01 * images.max(), images.shape)
    return replace(series, images=(images + noise).astype(np.float32))


def test_the_shadow_holds_the_sample_and_leaves_out_most_else(alone, truth):
    support = shadow_support(alone.images, alone.geometry, SHAPE)

    planted = np.pad(truth, 16) > 0.02 * truth.max()
    assert support[planted].all()
    assert support.mean() < 0.3


def test_one_image_that_is_empty_at_a_place_is_enough_wherever_it_was_shifted_to(alone):
    images, shifts = alone.images.copy(), np.zeros((len(alone), 2))
    images[5, 26:] = images[5, :5].mean()
    shifts[5] = 3, -4
    images[5] = np.roll(images[5], (3, -4), axis=(0, 1))
    geometry, others = replace(alone.geometry, shifts_px=shifts), np.delete(np.arange(len(alone)), 5)
    voxels = np.indices(SHAPE).reshape(3, -1)[::-1].T - 32
    places = np.rint(voxels @ geometry.rotations[5, 1::-1].T + 32 + shifts[5]).astype(int)
    seen = ((places >= 0) & (places < 64)).all(axis=1)

    support = shadow_support(images, geometry, SHAPE).ravel()[seen]
    without = shadow_support(alone.images[others], alone.taken(others).geometry, SHAPE).ravel()[seen]

    is_empty = empty_region(images[5].astype(float))[tuple(places[seen].T)]
    assert without[is_empty].sum() > 1000
    assert support[is_empty & without].mean() < 0.02
    assert support[~is_empty & without].mean() > 0.98


def test_nothing_is_reconstructed_outside_the_shadow(alone):
    support = shadow_support(alone.images, alone.geometry, SHAPE)

    found = reconstruct(alone, ReconstructionParams(n_iterations=15, support="shadow"))

    assert not found.volume.values[~support].any()
    assert found.r_factor < reconstruct(alone, ReconstructionParams(n_iterations=15, method="fbp")).r_factor


def test_images_that_shade_nothing_in_common_are_refused(alone):
    empty = np.zeros_like(alone.images)
    empty[:, 2:6, 2:6] = alone.images.max()
    empty[1::2] = empty[1::2, ::-1]

    with pytest.raises(Refusal, match="Align the series"):
        reconstruct(replace(alone, images=empty), ReconstructionParams(n_iterations=2, support="shadow"))
